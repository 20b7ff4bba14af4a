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

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{Router, extract::Request, http::StatusCode, routing::on};
use prost_reflect::DescriptorPool;
use sea_orm::DbErr;
use tokio::sync::{Semaphore, mpsc};

use self::endpoint::Endpoint;
use crate::{
    Db,
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
/// Questions to the request log at once: each takes one connection of the pool that calls use, which has four or more.
const QUESTIONS: usize = 2;
/// How long one more waits for its turn.
const TURN: Duration = Duration::from_secs(5);
/// A reader who takes nothing for so long gives up its place.
const STALLED: Duration = Duration::from_secs(60);

/// What all endpoints share.
pub(crate) struct Monitor {
    pub inside: Arc<Inside>,
    pub liveness: Liveness,
    viewers: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    questions: Arc<Semaphore>,
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
            questions: Arc::new(Semaphore::new(QUESTIONS)),
            document: OnceLock::new(),
            pool: OnceLock::new(),
        }
    }

    /// Asks the request log when it is this question's turn, so that no number of questions takes the pool from calls. A
    /// question goes on to its end, and keeps its place, when whoever asked has left: the database does so too.
    ///
    /// # Errors
    /// UNAVAILABLE when its turn did not come; else the database's.
    pub async fn ask<T, W>(&self, question: impl FnOnce(Db) -> W) -> Result<T>
    where
        W: Future<Output = Result<T, DbErr>> + Send + 'static,
        T: Send + 'static,
    {
        in_turn(&self.questions, TURN, question(self.inside.db.clone())).await
    }

    /// The same, for the next part of an answer that has begun: it waits for as long as its reader would.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn ask_on<T, W>(&self, question: impl FnOnce(Db) -> W) -> Result<T>
    where
        W: Future<Output = Result<T, DbErr>> + Send + 'static,
        T: Send + 'static,
    {
        in_turn(&self.questions, STALLED, question(self.inside.db.clone())).await
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
pub(crate) fn router(monitor: &Arc<Monitor>) -> Router {
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

/// Asks when there is a place, which is kept to the question's end.
async fn in_turn<T: Send + 'static>(
    places: &Arc<Semaphore>,
    patience: Duration,
    question: impl Future<Output = Result<T, DbErr>> + Send + 'static,
) -> Result<T> {
    let Ok(Ok(place)) = tokio::time::timeout(patience, places.clone().acquire_owned()).await else {
        return Err(Error::unavailable("the log is busy, try again").retry_after(Duration::from_secs(1)));
    };
    let asked = tokio::spawn(async move {
        let answer = question.await;
        drop(place);
        answer
    });
    let answer = asked.await.map_err(|gone| Error::internal("internal error").because(gone.to_string()))?;
    Ok(answer?)
}

/// Hands on a part of an answer. No: its reader has left, or takes nothing, and shall hold no place for that.
async fn taken<T>(out: &mpsc::Sender<T>, part: T) -> bool {
    taken_within(out, part, STALLED).await
}

async fn taken_within<T>(out: &mpsc::Sender<T>, part: T, patience: Duration) -> bool {
    out.send_timeout(part, patience).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_who_takes_nothing_is_given_up() {
        let (out, mut parts) = mpsc::channel(1);
        let patience = Duration::from_millis(20);
        assert!(taken_within(&out, 1, patience).await);
        assert!(!taken_within(&out, 2, patience).await, "nobody takes the first");
        assert_eq!(parts.recv().await, Some(1));
        assert!(taken_within(&out, 3, patience).await);
        drop(parts);
        assert!(!taken(&out, 4).await);
    }
    #[tokio::test]
    async fn a_question_keeps_its_place_when_whoever_asked_has_left() {
        let places = Arc::new(Semaphore::new(1));
        let patience = Duration::from_millis(50);
        let (answer, answered) = tokio::sync::oneshot::channel::<u32>();
        let slow = async move { answered.await.map_err(|_| DbErr::Custom("never".to_owned())) };
        let asked = tokio::time::timeout(patience, in_turn(&places, patience, slow)).await;
        asked.unwrap_err();
        let busy = in_turn(&places, patience, async { Ok(1) }).await.unwrap_err();
        assert_eq!((busy.code(), busy.message()), (crate::Code::Unavailable, "the log is busy, try again"));
        answer.send(2).unwrap();
        assert_eq!(in_turn(&places, Duration::from_secs(30), async { Ok(3) }).await.unwrap(), 3);
    }
}
