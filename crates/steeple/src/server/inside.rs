//! What the doors on the HTTP listener may ask of the server that they open.
//!
//! The server knows no door: whoever composes it hands a function from [`Inside`] to a router to `Server::start_with`.
//! Must never: give away what changes how calls are served.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::Service as _;

use super::{
    Plan, Surrounded,
    health::{Health, Readiness},
};
use crate::{
    app::{Setup, Site},
    auth::{Identity, Principal},
    bus::Bus,
    centrifugo::Centrifugo,
    config::Config,
    db::Db,
    error::Result,
    interceptor::{Asker, Shared},
    node::Node,
    record::{metrics::Metrics, recorder::Recorder},
    stream::Hubs,
};

/// A running server, seen from its doors.
pub struct Inside {
    /// Where calls are answered.
    pub grpc: SocketAddr,
    /// Where the HTTP listener is; `None` when it is off.
    pub http: Option<SocketAddr>,
    /// The configuration. Holds secrets.
    pub config: Arc<Config>,
    /// The site.
    pub site: Site,
    /// What is served.
    pub plan: Arc<Plan>,
    /// The database.
    pub db: Db,
    /// The site's users, tokens and API keys.
    pub identity: Identity,
    /// The way to the clients of streams, on this node or any other.
    pub bus: Bus,
    /// The way to browsers; `None` when the configuration names no Centrifugo.
    pub centrifugo: Option<Centrifugo>,
    /// The request log's writer; `None` when the log is off.
    pub recorder: Option<Arc<Recorder>>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// This server among the others.
    pub node: Arc<Node>,
    /// Cancelled when the server begins to drain: what would go on for ever ends then.
    pub draining: CancellationToken,
    pub(super) hubs: Arc<Hubs>,
    pub(super) health: Health,
    pub(super) shared: Arc<Shared>,
    pub(super) answering: Surrounded,
    pub(super) setup: Setup,
}

impl Inside {
    /// How many calls are under way.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight()
    }

    /// Whether calls are taken; if not, why.
    pub fn ready(&self) -> Result<(), String> {
        match self.health.readiness() {
            Readiness::Ready => Ok(()),
            Readiness::Draining => Err("draining".to_owned()),
            Readiness::NotReady(why) => Err(why),
        }
    }

    /// What code of this app may have.
    pub fn setup(&self, app: &'static str) -> Setup {
        Setup { app, ..self.setup.clone() }
    }

    /// Makes a call, as if it had come over the wire from this client: through every room. A `caller` takes the place of a
    /// credential; the rules of the method hold.
    pub async fn call(
        &self,
        mut request: http::Request<Body>,
        from: Option<IpAddr>,
        caller: Option<Principal>,
    ) -> http::Response<Body> {
        let from = from.map(|address| SocketAddr::new(address, 0));
        request.extensions_mut().insert(Asker { caller, from });
        match self.answering.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inside").field("grpc", &self.grpc).field("http", &self.http).finish_non_exhaustive()
    }
}
