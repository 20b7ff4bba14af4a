//! The HTTP listener: `/healthz` (the process runs), `/readyz` (it takes calls), `/metrics` (Prometheus text), and beside
//! them what `login/` adds (`/api/auth/…`) and the doors it was given.
//!
//! There are at most [`MOST_CONNECTIONS`], and no more than the gRPC listener may have; one that does not send the head of a request within
//! `server.header_timeout` is closed, also when it is idle between two requests. Each request carries its client as
//! [`ConnectInfo`].

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, State},
    http::{Request, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tower::ServiceExt as _;

use super::{
    Config,
    health::{Health, Readiness},
};
use crate::{
    bus::{self, Bus},
    interceptor::Proxies,
    record::metrics::Metrics,
};

/// How long to leave `accept` alone when the machine has no file descriptor or memory for it.
const REST: Duration = Duration::from_millis(100);
/// Connections at once, whatever the gRPC listener may have: scrapers, probes, the browsers of some dozens of people. Each is
/// a file descriptor, and gRPC needs those too.
const MOST_CONNECTIONS: usize = 512;

#[derive(Clone)]
struct Doors {
    health: Health,
    metrics: Arc<Metrics>,
    bus: Bus,
}

/// The routes that every server has.
pub(super) fn router(health: Health, metrics: Arc<Metrics>, bus: Bus) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(Doors { health, metrics, bus })
}

async fn readyz(State(doors): State<Doors>) -> impl IntoResponse {
    match doors.health.readiness() {
        Readiness::Ready => (StatusCode::OK, format!("ready\n{}", bus_line(&doors.bus))),
        Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "not ready: draining\n".to_owned()),
        Readiness::NotReady(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

/// A site serves its own clients without the broker, but whoever asks should know.
fn bus_line(bus: &Bus) -> String {
    match bus.state() {
        bus::State::Local => String::new(),
        state => format!("bus: {state}\n"),
    }
}

async fn scrape(State(doors): State<Doors>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], doors.metrics.render())
}

/// Answers requests until it is aborted; its connections end with it.
pub(super) async fn serve(listener: TcpListener, router: Router, config: Config) {
    let places = Arc::new(Semaphore::new(config.max_connections.min(MOST_CONNECTIONS)));
    let proxies = config.proxies();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Over the limit a connection is closed on arrival.
                let Ok(place) = places.clone().try_acquire_owned() else { continue };
                let connection = connection(stream, peer, router.clone(), proxies.clone(), config.header_timeout);
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "the http listener cannot accept a connection, trying again");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, proxies: Proxies, patience: Duration) {
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let client = proxies.client(peer, request.headers());
        request.extensions_mut().insert(ConnectInfo(client));
        let answer = router.clone().oneshot(request.map(Body::new));
        async move { answer.await.map_err(|never: Infallible| never) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "an http connection ended");
    }
}
