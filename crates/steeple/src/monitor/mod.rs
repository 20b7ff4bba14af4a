//! The REST API under `/cfg/grpc/`: what runs, what was called and how that went, for staff.
//!
//! Every path is one [`Endpoint`](endpoint::Endpoint), described once: its parameters, its answer's type and its handler.
//! The router and the OpenAPI document are both made of that list, so that no path is undocumented. Handlers read their
//! parameters and call one typed function, which the admin's pages call too; those ask [`record`](crate::record),
//! [`node`](crate::node) and the [`Plan`](crate::server::Plan).
//!
//! An error is a problem document (RFC 9457). A parameter that is unknown, repeated or out of its bounds is refused by
//! name. Must never: answer anybody but staff, write SQL, or cost a server anything when nobody asks.

pub(crate) mod charts;
pub(crate) mod connections;
mod endpoint;
pub(crate) mod explorer;
mod export;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod live;
mod names;
mod openapi;
pub(crate) mod overview;
mod paged;
pub(crate) mod protos;
pub(crate) mod query;
pub(crate) mod requests;
pub(crate) mod servers;
pub(crate) mod services;
pub(crate) mod settings;
pub(crate) mod statistics;

use std::sync::{Arc, OnceLock};

use axum::{Router, extract::Request, http::StatusCode, routing::on};
use prost_reflect::DescriptorPool;
use tokio::sync::Semaphore;

use self::endpoint::Endpoint;
use crate::{
    config::Environment,
    error::{Error, Result},
    invoke,
    node::Liveness,
    problem::Problem,
    server::Inside,
};

/// Where the API is.
pub(crate) const ROOT: &str = "/cfg/grpc";
/// Readers of the live tail at once.
const VIEWERS: usize = 32;
/// Exports at once.
const EXPORTS: usize = 4;

/// What all endpoints share.
pub(crate) struct Monitor {
    pub inside: Arc<Inside>,
    pub liveness: Liveness,
    viewers: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    /// The OpenAPI document, made when it is first asked for.
    document: OnceLock<String>,
    /// What the site's descriptors describe, or why they do not; read when they are first needed.
    pool: OnceLock<Result<DescriptorPool, String>>,
}

impl Monitor {
    pub fn new(inside: &Arc<Inside>) -> Self {
        let liveness = match inside.config.env {
            Environment::Production => Liveness::by_heartbeat(),
            Environment::Development | Environment::Test => Liveness::by_process(),
        };
        Self {
            inside: inside.clone(),
            liveness,
            viewers: Arc::new(Semaphore::new(VIEWERS)),
            exports: Arc::new(Semaphore::new(EXPORTS)),
            document: OnceLock::new(),
            pool: OnceLock::new(),
        }
    }

    /// What the site's descriptors describe.
    ///
    /// # Errors
    /// INTERNAL when they do not decode.
    fn pool(&self) -> Result<&DescriptorPool> {
        let read = self.pool.get_or_init(|| invoke::pool(&self.inside.site.descriptors));
        read.as_ref().map_err(|why| Error::internal(why.clone()))
    }
}

/// Every endpoint, in the order of the document.
fn endpoints() -> Vec<Endpoint> {
    [
        health::endpoints(),
        overview::endpoints(),
        requests::endpoints(),
        statistics::endpoints(),
        servers::endpoints(),
        settings::endpoints(),
        services::endpoints(),
        keys::endpoints(),
        connections::endpoints(),
        charts::endpoints(),
        explorer::endpoints(),
        protos::endpoints(),
        openapi::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The API of a server.
pub(crate) fn router(inside: &Arc<Inside>) -> Router {
    let monitor = Arc::new(Monitor::new(inside));
    let mut api = Router::new();
    // The API's own path: with its slash, it is none below itself.
    let mut root = Router::new();
    for endpoint in endpoints() {
        let endpoint = Arc::new(endpoint);
        let filter = endpoint.filter();
        // As the original had it, paths end in a slash; without it they mean the same.
        let bare = endpoint.path.trim_end_matches('/');
        for slash in ["", "/"] {
            let (endpoint, monitor) = (endpoint.clone(), monitor.clone());
            let handler = move |request: Request| async move { endpoint.answer(monitor, request).await };
            if bare.is_empty() {
                root = root.route(&format!("{ROOT}{slash}"), on(filter, handler));
            } else {
                api = api.route(&format!("/{bare}{slash}"), on(filter, handler));
            }
        }
    }
    let api = api.method_not_allowed_fallback(not_allowed).fallback(not_found);
    root.method_not_allowed_fallback(not_allowed).nest(ROOT, api)
}

async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path")
}

async fn not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
}
