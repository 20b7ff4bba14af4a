//! One path of the API: what it takes, what it answers, and how.

use std::{
    collections::HashMap,
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use axum::{
    RequestExt as _,
    body::Bytes,
    extract::{ConnectInfo, Path, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::MethodFilter,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Monitor,
    explorer::Asker,
    query::{Parameter, Query},
};
use crate::{
    auth::Principal,
    error::{Error, Result},
    login::Staff,
    problem::Problem,
};

/// Largest body of a request, in bytes.
const LARGEST: usize = 1 << 20;
/// Time a body has to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

type Handler = Box<dyn Fn(Asked) -> Pin<Box<dyn Future<Output = Result<Response>> + Send>> + Send + Sync>;
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One path and method.
pub(super) struct Endpoint {
    pub method: Method,
    /// Below `/cfg/grpc/`, with its slash at the end: `services/{name}/`.
    pub path: &'static str,
    pub summary: &'static str,
    pub parameters: &'static [Parameter],
    /// What a request's body is.
    pub body: Option<SchemaOf>,
    pub answer: Answer,
    handler: Handler,
}

/// What an endpoint answers.
pub(super) enum Answer {
    /// One JSON value.
    Json(SchemaOf),
    /// Bytes as they come, of one of these media types.
    Stream(&'static [&'static str]),
}

/// A request that may be answered.
pub(super) struct Asked {
    pub monitor: Arc<Monitor>,
    /// Staff.
    pub principal: Principal,
    /// The client.
    pub from: Option<IpAddr>,
    pub query: Query,
    /// What came with it, where the answer goes on for long. Holds a credential.
    pub headers: HeaderMap,
    path: HashMap<String, String>,
    body: Bytes,
}

impl Asked {
    /// Who asks, for a call that is made for them.
    pub fn asker(&self) -> Asker<'_> {
        Asker { principal: &self.principal, from: self.from }
    }

    /// A part of the path.
    pub fn part(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// A part of the path that is a number.
    ///
    /// # Errors
    /// NOT_FOUND: nothing has another name.
    pub fn id(&self, what: &str) -> Result<i64> {
        self.part("id")
            .parse()
            .map_err(|_| Error::not_found(what, self.part("id").chars().take(50).collect::<String>()))
    }

    /// The body.
    ///
    /// # Errors
    /// INVALID_ARGUMENT when it is not JSON of this type.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T> {
        // A list of the same values is none, though serde would take it.
        if !self.body.trim_ascii_start().starts_with(b"{") {
            return Err(Error::invalid("body", "must be a JSON object"));
        }
        serde_json::from_slice(&self.body).map_err(|error| Error::invalid("body", error.to_string()))
    }
}

/// A `GET` whose answer is one JSON value.
pub(super) fn get<T, W>(
    path: &'static str,
    summary: &'static str,
    parameters: &'static [Parameter],
    handler: fn(Asked) -> W,
) -> Endpoint
where
    T: Serialize + JsonSchema,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let handler: Handler = Box::new(move |asked| {
        let answer = handler(asked);
        Box::pin(async move { Ok(json(&answer.await?)) })
    });
    let answer = Answer::Json(SchemaGenerator::subschema_for::<T>);
    Endpoint { method: Method::GET, path, summary, parameters, body: None, answer, handler }
}

/// A `POST` of a JSON value whose answer is one.
pub(super) fn post<B, T, W>(path: &'static str, summary: &'static str, handler: fn(Asked, B) -> W) -> Endpoint
where
    B: DeserializeOwned + JsonSchema + 'static,
    T: Serialize + JsonSchema,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let handler: Handler = Box::new(move |asked| {
        let answer = asked.body().map(|body| handler(asked, body));
        Box::pin(async move { Ok(json(&answer?.await?)) })
    });
    let (body, answer) = (SchemaGenerator::subschema_for::<B>, Answer::Json(SchemaGenerator::subschema_for::<T>));
    Endpoint { method: Method::POST, path, summary, parameters: &[], body: Some(body), answer, handler }
}

/// A `GET` whose answer comes as it is made.
pub(super) fn stream<W>(
    path: &'static str,
    summary: &'static str,
    parameters: &'static [Parameter],
    media: &'static [&'static str],
    handler: fn(Asked) -> W,
) -> Endpoint
where
    W: Future<Output = Result<Response>> + Send + 'static,
{
    let handler: Handler = Box::new(move |asked| Box::pin(handler(asked)));
    Endpoint { method: Method::GET, path, summary, parameters, body: None, answer: Answer::Stream(media), handler }
}

fn json<T: Serialize>(value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut response = Response::new(body.into());
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
        Err(error) => Problem::from(Error::from(error)).into_response(),
    }
}

impl Endpoint {
    /// Which method it takes.
    pub fn filter(&self) -> MethodFilter {
        if self.method == Method::POST { MethodFilter::POST } else { MethodFilter::GET }
    }

    /// Answers: first who asks, then what.
    pub async fn answer(&self, monitor: Arc<Monitor>, request: Request) -> Response {
        let mut response = self.try_answer(monitor, request).await.unwrap_or_else(Problem::into_response);
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response
    }

    async fn try_answer(&self, monitor: Arc<Monitor>, mut request: Request) -> Result<Response, Problem> {
        let staff = Staff::of(&monitor.inside.identity, request.method(), request.headers()).await?;
        let principal = staff.principal;
        let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let query = Query::read(self.parameters, request.uri().query().unwrap_or_default())?;
        let path = request.extract_parts::<Path<HashMap<String, String>>>().await;
        let path = path.map_err(|error| Problem::new(error.status(), error.body_text()))?.0;
        let headers = match self.answer {
            Answer::Stream(_) => request.headers().clone(),
            Answer::Json(_) => HeaderMap::new(),
        };
        let body = if self.body.is_some() { body(request).await? } else { Bytes::new() };
        Ok((self.handler)(Asked { monitor, principal, from, query, headers, path, body }).await?)
    }
}

async fn body(request: Request) -> Result<Bytes, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    // A form of another site's page cannot send this type.
    if kind.split(|byte| *byte == b';').next().map(<[u8]>::trim_ascii) != Some(b"application/json") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type must be application/json"));
    }
    match tokio::time::timeout(PATIENCE, axum::body::to_bytes(request.into_body(), LARGEST)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => {
            let detail = format!("the body did not arrive whole, or has more than {LARGEST} bytes");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    }
}
