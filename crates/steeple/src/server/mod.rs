//! The server: a site, its interceptors and a configuration, made into listeners that answer calls.
//!
//! [`Server`] is a description; [`Plan`] is that description checked against a configuration, printable without a
//! database; `Server::start_with` opens the database, makes the services, binds and serves; [`Running`] is the result,
//! and knows how to drain. This is the only module that names tonic's transport. The doors on the HTTP listener are
//! handed over by whoever composes the server ([`Server::start`]): they see it as [`Inside`].
//!
//! Must never: start with a part missing that the configuration asks for, end without telling the log, or know a door.

mod config;
mod guard;
mod health;
mod http;
mod inside;
mod plan;
mod reflection;
mod running;
mod start;

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

pub use config::{Compression, Config};
pub use guard::ListenError;
pub use inside::Inside;
pub use plan::{Plan, PlannedMethod, PlannedService};
pub use running::{Running, Stopped};
pub use start::StartError;
pub(crate) use start::identity;
use tonic::body::Body;
use tower::{Layer, Service, util::BoxCloneSyncService};

use crate::{
    app::Site,
    interceptor::{Interceptor, Link, Pipeline},
};

/// The pipeline with its type erased, as a tower layer is given it.
type Answering = BoxCloneSyncService<::http::Request<Body>, ::http::Response<Body>, Infallible>;
type Around = Box<dyn FnOnce(Answering) -> Answering + Send>;

/// A site that can be served.
///
/// ```no_run
/// # use steeple::{Next, Request, Response, Result, Server, Site};
/// # fn site() -> Site { Site::new("demo", "0.1.0", &[]) }
/// # async fn tenant(request: Request, next: Next) -> Result<Response> { next.run(request).await }
/// fn main() -> std::process::ExitCode {
///     Server::new(site()).intercept("tenant", tenant).main()
/// }
/// ```
pub struct Server {
    pub(crate) site: Site,
    interceptors: Vec<Placed>,
    around: Vec<Around>,
    health_interval: Duration,
}

/// An interceptor, and the methods it is for.
struct Placed {
    /// `None`: every method.
    only: Option<String>,
    link: Link,
}

impl Server {
    /// A server of this site, with no interceptors of its own yet.
    pub fn new(site: Site) -> Self {
        Self { site, interceptors: vec![], around: vec![], health_interval: health::INTERVAL }
    }

    /// Adds an interceptor for every method, stock services, health and reflection included. They run in the order in
    /// which they are added; `name` is what `methods` prints.
    pub fn intercept(self, name: impl Into<Arc<str>>, interceptor: impl Interceptor) -> Self {
        self.place(None, name.into(), interceptor)
    }

    /// Adds an interceptor for one service (`crypto.CryptoService`) or one method (`crypto.CryptoService/GetCoin`).
    /// A name that fits nothing stops the start.
    pub fn intercept_for(
        self,
        only: impl Into<String>,
        name: impl Into<Arc<str>>,
        interceptor: impl Interceptor,
    ) -> Self {
        self.place(Some(only.into()), name.into(), interceptor)
    }

    /// Puts a tower layer around everything, the request log included. The last one added is outermost.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Answering> + Send + 'static,
        L::Service: Service<::http::Request<Body>, Response = ::http::Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        <L::Service as Service<::http::Request<Body>>>::Future: Send + 'static,
    {
        self.around.push(Box::new(move |inner| BoxCloneSyncService::new(layer.layer(inner))));
        self
    }

    /// How often the database is asked whether it is there, for health checks and `/readyz`. Default every 5 s.
    pub fn check_health_every(mut self, interval: Duration) -> Self {
        self.health_interval = interval;
        self
    }

    /// The site.
    pub fn site(&self) -> &Site {
        &self.site
    }

    fn place(mut self, only: Option<String>, name: Arc<str>, interceptor: impl Interceptor) -> Self {
        self.interceptors.push(Placed { only, link: Link { name, interceptor: Arc::new(interceptor) } });
        self
    }

    /// The site's interceptors of one method, in order.
    fn chain(&self, service: &str, method: &str) -> Box<[Link]> {
        let for_it = |placed: &&Placed| match &placed.only {
            None => true,
            Some(only) => {
                only == service || only.split_once('/').is_some_and(|(left, right)| left == service && right == method)
            }
        };
        self.interceptors.iter().filter(for_it).map(|placed| placed.link.clone()).collect()
    }
}

/// The pipeline, with the site's tower layers around it where there are any: without, a call pays nothing for them.
#[derive(Clone)]
enum Surrounded {
    Bare(Pipeline),
    Layered(Answering),
}

impl Surrounded {
    fn new(pipeline: Pipeline, around: Vec<Around>) -> Self {
        if around.is_empty() {
            return Self::Bare(pipeline);
        }
        Self::Layered(around.into_iter().fold(BoxCloneSyncService::new(pipeline), |inner, layer| layer(inner)))
    }
}

impl Service<::http::Request<Body>> for Surrounded {
    type Response = ::http::Response<Body>;
    type Error = Infallible;
    type Future = <Pipeline as Service<::http::Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        match self {
            Self::Bare(pipeline) => pipeline.poll_ready(cx),
            Self::Layered(answering) => answering.poll_ready(cx),
        }
    }

    fn call(&mut self, request: ::http::Request<Body>) -> Self::Future {
        match self {
            Self::Bare(pipeline) => pipeline.call(request),
            Self::Layered(answering) => answering.call(request),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("site", &self.site).finish_non_exhaustive()
    }
}
