//! `monitor/health/`: whether the server that answers is well.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Monitor,
    endpoint::{Asked, Endpoint, get},
};
use crate::{clock, error::Result};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![get("monitor/health/", "Whether the server that answers is well", &[], health)]
}

/// How the server that answers is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Health {
    /// `healthy`, or `unhealthy` when it takes no calls.
    pub status: &'static str,
    /// Why it takes no calls.
    pub reason: Option<String>,
    /// The address it listens on.
    pub server_host: String,
    /// The port it listens on.
    pub server_port: u16,
    /// Always true: a server that is off does not answer.
    pub enabled: bool,
    /// Calls under way.
    pub in_flight: usize,
    /// Closed calls that got no row in the request log, since the start.
    pub log_dropped: u64,
    /// Now.
    pub timestamp: clock::Time,
}

/// How this server is.
pub(crate) fn of(monitor: &Monitor) -> Health {
    let inside = &monitor.inside;
    let reason = inside.ready().err();
    let address: SocketAddr = inside.grpc;
    Health {
        status: if reason.is_none() { "healthy" } else { "unhealthy" },
        reason,
        server_host: address.ip().to_string(),
        server_port: address.port(),
        enabled: true,
        in_flight: inside.in_flight(),
        log_dropped: inside.recorder.as_ref().map_or(0, |recorder| recorder.dropped()),
        timestamp: clock::now(),
    }
}

async fn health(asked: Asked) -> Result<Health> {
    Ok(of(&asked.monitor))
}
