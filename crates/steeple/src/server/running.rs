//! A server that answers calls, and how it ends.

use std::{
    fmt,
    future::Future,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use axum::Router;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport;

use super::{
    Inside, Plan,
    guard::Incoming,
    health::{Health, Readiness},
    http,
};
use crate::{
    auth::Identity,
    bus::Bus,
    centrifugo::Centrifugo,
    config::Config,
    db::Db,
    interceptor::Shared,
    node::{Node, State},
    record::{metrics::Metrics, recorder::Recorder},
    signal::Deliveries,
    stream::Hubs,
};

/// How long calls may take to end after they were told to, signals to be delivered, and the log to be written, beyond the
/// time to drain.
const AFTERMATH: Duration = Duration::from_secs(5);
/// How long connections without a call have to close while the server drains; what they were sent has left by then.
const QUIET: Duration = Duration::from_secs(2);
/// How often metrics are folded together when nobody scrapes them.
const UPKEEP: Duration = Duration::from_secs(5);

/// A server that answers calls. Dropping it aborts everything; [`Running::stop`] drains it.
pub struct Running {
    /// Where calls are answered.
    pub grpc: SocketAddr,
    /// Where `/healthz`, `/readyz`, `/metrics`, `/api/auth/…` and `/cfg/grpc/…` are; `None` when that is off.
    pub http: Option<SocketAddr>,
    /// What is served.
    pub plan: Arc<Plan>,
    config: Arc<Config>,
    db: Db,
    recorder: Option<Arc<Recorder>>,
    identity: Identity,
    bus: Bus,
    centrifugo: Option<Centrifugo>,
    metrics: Arc<Metrics>,
    hubs: Arc<Hubs>,
    health: Health,
    shared: Arc<Shared>,
    node: Arc<Node>,
    /// Why the grpc listener ended by itself.
    fault: Arc<OnceLock<String>>,
    deliveries: Deliveries,
    draining: CancellationToken,
    served: JoinHandle<()>,
    checks: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Calls that were told to end because the time to drain was over.
    pub cut: usize,
    /// Rows of the request log that could not be written.
    pub lost: u64,
    /// Events that did not come to a receiver.
    pub undelivered: usize,
}

pub(super) struct Parts {
    pub inside: Arc<Inside>,
    pub deliveries: Deliveries,
    pub incoming: Incoming,
    pub http: Option<TcpListener>,
    pub router: Router,
}

impl Running {
    pub(super) async fn serve(Parts { inside, deliveries, incoming, http, router }: Parts) -> Self {
        let Inside {
            grpc,
            config,
            plan,
            db,
            recorder,
            identity,
            bus,
            centrifugo,
            metrics,
            node,
            draining,
            hubs,
            health,
            shared,
            answering,
            ..
        } = &*inside;
        let transport = transport(config).serve_with_incoming_shutdown(
            answering.clone(),
            incoming,
            draining.clone().cancelled_owned(),
        );
        let fault = Arc::new(OnceLock::new());
        let said = fault.clone();
        let served = tokio::spawn(async move {
            if let Err(error) = transport.await {
                tracing::error!(error = &error as &dyn std::error::Error, "the grpc listener ended");
                let _ = said.set(format!("the grpc listener ended: {error}"));
            }
        });
        let checks = tokio::spawn(health.clone().watch(db.clone(), bus.clone(), config.bus.required, draining.clone()));
        let mut tasks = vec![tokio::spawn(upkeep(metrics.clone(), draining.clone()))];
        tasks.extend(identity.tend(draining));
        if let Some(listener) = http {
            tasks.push(tokio::spawn(http::serve(listener, router, config.server.clone())));
        }
        node.enter(State::Running).await;
        tasks.push(tokio::spawn(node.clone().beat(CancellationToken::new())));
        Self {
            grpc: *grpc,
            http: inside.http,
            plan: plan.clone(),
            config: config.clone(),
            db: db.clone(),
            recorder: recorder.clone(),
            identity: identity.clone(),
            bus: bus.clone(),
            centrifugo: centrifugo.clone(),
            metrics: metrics.clone(),
            hubs: hubs.clone(),
            health: health.clone(),
            shared: shared.clone(),
            deliveries,
            node: node.clone(),
            fault,
            draining: draining.clone(),
            served,
            checks,
            tasks,
        }
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The configuration it was started with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// This server among the others.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The request log's writer; `None` when the log is off.
    pub fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.recorder.as_ref()
    }

    /// The site's users, tokens and API keys.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The way to the clients of streams, on this node or any other.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The way to browsers; `None` when the configuration names no Centrifugo.
    pub fn centrifugo(&self) -> Option<&Centrifugo> {
        self.centrifugo.as_ref()
    }

    /// The metrics, as `/metrics` shows them.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How many calls are under way.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight()
    }

    /// How many clients are connected, over all hubs.
    pub fn sessions(&self) -> usize {
        self.hubs.sessions()
    }

    /// How many tasks streams of connected clients have: one for each, until the grace after its end is over.
    pub fn session_tasks(&self) -> usize {
        self.hubs.tasks()
    }

    /// Ends when the listener ends by itself, which it does only on a fault.
    pub fn ended(&mut self) -> impl Future<Output = ()> {
        let served = &mut self.served;
        async move {
            let _ = served.await;
        }
    }

    /// Drains: health says NOT_SERVING, no new connection is taken, open ones get GOAWAY, connected clients are told to
    /// connect again, calls under way finish within `server.drain`, what still runs then ends with UNAVAILABLE, signals are
    /// delivered, the request log is written, the database closed.
    pub async fn stop(mut self) -> Stopped {
        let since = Instant::now();
        // A check that is under way must not have the last word.
        self.checks.abort();
        let _ = (&mut self.checks).await;
        self.health.set(Readiness::Draining).await;
        self.draining.cancel();
        self.shared.drain();
        self.node.enter(State::Stopping).await;
        self.hubs.drain();
        let mut cut = 0;
        if timeout(self.config.server.drain, self.quiet()).await.is_err() {
            cut = self.shared.in_flight();
            tracing::warn!(calls = cut, "the time to drain is over, ending calls");
            self.shared.stop();
            if timeout(AFTERMATH, self.quiet()).await.is_err() {
                tracing::warn!("some connections did not close, leaving them");
            }
        }
        self.hubs.finish(AFTERMATH).await;
        // Before its task is aborted, which may be writing.
        let uses = self.identity.keys.finish(AFTERMATH).await;
        if uses > 0 {
            tracing::error!(uses, "uses of api keys could not be written and are lost");
        }
        for task in &self.tasks {
            task.abort();
        }
        let undelivered =
            self.deliveries.drain(self.config.server.drain.saturating_sub(since.elapsed()).max(AFTERMATH)).await;
        if undelivered > 0 {
            tracing::error!(events = undelivered, "signals could not be delivered in time and are lost");
        }
        self.bus.close().await;
        if let Some(centrifugo) = &self.centrifugo {
            let lost = centrifugo.drain(self.config.centrifugo.drain).await;
            if lost > 0 {
                tracing::error!(publications = lost, "publications could not be delivered and are lost");
            }
        }
        let lost = match &self.recorder {
            // What a full queue dropped, by policy and counted, is not lost here. Asked before: what is given up at the
            // end counts as dropped as well.
            Some(recorder) => {
                let dropped = recorder.dropped();
                recorder.finish(AFTERMATH).await.lost.saturating_sub(dropped)
            }
            None => 0,
        };
        if lost > 0 {
            tracing::error!(rows = lost, "rows of the request log could not be written and are lost");
        }
        let end = self.fault.get().map_or(State::Stopped, |why| State::Error(why.clone()));
        self.node.enter(end).await;
        self.db.close().await;
        Stopped { cut, lost, undelivered }
    }

    /// Waits until every connection has closed, or no call was under way for a while: a peer that is gone without a word
    /// never closes its own.
    async fn quiet(&mut self) {
        let shared = self.shared.clone();
        let quiet = async move {
            let mut since = Instant::now();
            while since.elapsed() < QUIET {
                tokio::time::sleep(QUIET / 20).await;
                if shared.in_flight() > 0 {
                    since = Instant::now();
                }
            }
        };
        if self.served.is_finished() {
            return;
        }
        tokio::select! {
            _ = &mut self.served => {}
            () = quiet => tracing::warn!("some connections without calls did not close, leaving them"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.draining.cancel();
        self.shared.drain();
        self.hubs.drain();
        self.shared.stop();
        self.served.abort();
        self.checks.abort();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("grpc", &self.grpc).field("http", &self.http).finish_non_exhaustive()
    }
}

/// tonic's transport with the limits that it leaves open.
fn transport(config: &Config) -> transport::Server {
    let server = &config.server;
    let mut transport = transport::Server::builder()
        .max_concurrent_streams(server.max_concurrent_streams)
        .http2_max_header_list_size(server.max_header_list_bytes)
        .http2_keepalive_interval(Some(server.keepalive_interval).filter(|interval| !interval.is_zero()))
        .http2_keepalive_timeout(Some(server.keepalive_timeout));
    if let Some(age) = server.max_connection_age {
        // Given a grace too, tonic sends no GOAWAY and only closes in the end; the guard does that.
        transport = transport.max_connection_age(age);
    }
    transport
}

async fn upkeep(metrics: Arc<Metrics>, draining: CancellationToken) {
    while draining.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
        metrics.upkeep();
    }
}
