//! The HTTP listener: `/healthz` (the process runs), `/readyz` (it takes calls), `/metrics` (Prometheus text), and beside
//! them what `login/` adds (`/api/auth/…`).

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};

use super::health::{Health, Readiness};
use crate::{
    bus::{self, Bus},
    record::metrics::Metrics,
};

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
