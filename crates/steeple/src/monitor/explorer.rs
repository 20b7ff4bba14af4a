//! `test/`: what methods take and give, a call made through the server itself, and the calls of the log in few words.
//!
//! A call goes through every room, as if it had come over the wire, and is on record like any other. A call that is tried
//! carries the metadata that is given and nothing of whoever asks but their address: staff may try what another caller may
//! do. Who asked for which call is in the audit log before the call is made.
//!
//! Must never: lend such a call the cookie, token or key that opened this door; make one that nobody is known to have asked
//! for; write down what a call says.

use std::{collections::BTreeMap, convert::Infallible, net::IpAddr, time::Duration};

use axum::http::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tonic::{
    Status,
    metadata::{KeyAndValueRef, MetadataMap},
};

use super::{
    Monitor,
    endpoint::{Asked, Endpoint, get, post},
    paged::Paged,
    query::{Kind, Parameter, parameter},
    requests::{self, Item, Requests},
    services::served,
};
use crate::{
    audit::{Action, Entry},
    auth::{Access, Principal},
    clock,
    error::{Code, Error, Result},
    invoke::{self, Answer, Failed, Invoker},
    method::Shape,
    record::{RequestId, State, code_name},
};

/// The longest a call may take, in milliseconds.
const LONGEST_MS: u64 = 60_000;
/// Entries of metadata at most.
const MOST_ENTRIES: usize = 50;
/// What the audit log calls a method.
const KIND: &str = "steeple.method";
const REQUEST_ID: &str = "x-request-id";

const NAMED: &[Parameter] = &[
    parameter("service", Kind::Text, "Only methods of this service, by its full name."),
    parameter("method", Kind::Text, "Only methods of this name."),
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("test/examples/", "What the unary methods take and give", NAMED, examples),
        get("test/logs/", "The calls of the request log in few words, newest first", requests::LOGS, logs),
        post("test/call/", "Call a unary method, through every room of a call", call),
    ]
}

/// What unary methods take and give.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Examples {
    pub examples: Vec<Example>,
    pub total_examples: usize,
}

/// What one method takes and gives: every field with its default, of alternatives the first.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the names are the original's")]
pub(crate) struct Example {
    /// The full name of the service.
    pub service: String,
    /// The method's own name.
    pub method: String,
    /// The comment above it in its proto.
    pub description: String,
    /// A request.
    pub payload_example: Value,
    /// An answer.
    pub expected_response: Value,
    /// What a caller sends to be known; empty when anybody may call.
    pub metadata_example: BTreeMap<String, String>,
}

/// A call to make.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The full name of the service.
    pub service: String,
    /// The method's own name.
    pub method: String,
    /// The request, as JSON of its message.
    #[serde(default = "empty")]
    pub payload: Value,
    /// What is sent with it: at most 50 entries of plain ASCII.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// How long it may take, from 1 to 60000 milliseconds.
    #[serde(default = "patience")]
    pub timeout_ms: u64,
}

/// Who asks for a call to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub principal: &'a Principal,
    /// Their address.
    pub from: Option<IpAddr>,
}

/// In whose name a call is made.
#[derive(Debug)]
pub(crate) enum Caller<'a> {
    /// Whoever the metadata show.
    Shown,
    /// Who asks, to send this client a command.
    Asker { client: &'a str },
}

/// How a call ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Called {
    /// It ended with OK.
    pub success: bool,
    /// The call's name, which its row in the request log has too.
    pub request_id: String,
    pub service: String,
    pub method: String,
    /// `success`, `error`, `cancelled` or `timeout`.
    pub status: &'static str,
    /// `OK`, `NOT_FOUND`, …
    pub grpc_status_code: &'static str,
    /// How long it took, as seen from here.
    pub duration_ms: f64,
    /// The answer as JSON of its message; null when there is none.
    pub response: Option<Value>,
    /// What a caller is told of the failure; null without one.
    pub error: Option<String>,
    /// What came with the answer; bytes in base64.
    pub metadata: BTreeMap<String, String>,
    /// When it ended.
    pub timestamp: clock::Time,
}

/// A page of calls in few words.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Logs {
    /// The page.
    #[serde(flatten)]
    pub page: Paged<Logged>,
    /// As in `monitor/requests/`.
    pub next_before: Option<i64>,
    /// As in `monitor/requests/`.
    pub looked_back_to: Option<clock::Time>,
}

/// A call of the log, in few words.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Logged {
    pub request_id: String,
    pub service: String,
    pub method: String,
    pub status: String,
    pub grpc_status_code: Option<String>,
    pub error_message: Option<String>,
    pub duration_ms: Option<i64>,
    pub created_at: clock::Time,
    /// The caller's name; null without one.
    pub user: Option<String>,
}

fn empty() -> Value {
    json!({})
}

pub(super) fn patience() -> u64 {
    5000
}

/// What the unary methods take and give, those of one service or name alone when it is given.
pub(crate) fn all(monitor: &Monitor, service: Option<&str>, method: Option<&str>) -> Result<Examples> {
    let (pool, header) = (monitor.pool()?, &monitor.inside.config.auth.api_key_header);
    let mut examples = Vec::new();
    let wanted = served(monitor).filter(|planned| service.is_none_or(|name| planned.found.name == name));
    for planned in wanted.flat_map(|planned| &planned.methods) {
        let known = &planned.method;
        if known.shape != Shape::Unary || method.is_some_and(|name| known.name != name) {
            continue;
        }
        let Some((payload_example, expected_response)) = invoke::examples(pool, &known.service, &known.name) else {
            continue;
        };
        let public = planned.decision.access == Access::Public;
        let credential = (!public).then(|| (header.clone(), "an API key".to_owned()));
        examples.push(Example {
            service: known.service.clone(),
            method: known.name.clone(),
            description: known.comment.clone(),
            payload_example,
            expected_response,
            metadata_example: credential.into_iter().collect(),
        });
    }
    Ok(Examples { total_examples: examples.len(), examples })
}

/// Makes a call for whoever asks.
///
/// # Errors
/// INVALID_ARGUMENT for what cannot be sent; the database's, when it cannot be written down who asks. How the call itself
/// ends is in the answer.
pub(crate) async fn make(monitor: &Monitor, asker: Asker<'_>, caller: Caller<'_>, wanted: Wanted) -> Result<Called> {
    let Wanted { service, method, payload, metadata, timeout_ms } = wanted;
    if !(1..=LONGEST_MS).contains(&timeout_ms) {
        return Err(Error::invalid("timeout_ms", format!("must be between 1 and {LONGEST_MS}")));
    }
    if metadata.len() > MOST_ENTRIES {
        return Err(Error::invalid("metadata", format!("must have at most {MOST_ENTRIES} entries")));
    }
    let (inside, from) = (monitor.inside.clone(), asker.from);
    let made_by = match caller {
        Caller::Shown => None,
        Caller::Asker { .. } => Some(asker.principal.clone()),
    };
    let through = tower::service_fn(move |request| {
        let (inside, made_by) = (inside.clone(), made_by.clone());
        async move { Ok::<_, Infallible>(inside.call(request, from, made_by).await) }
    });
    let mut invoker = Invoker::over(monitor.pool()?.clone(), through);
    let named = |name: &str| name.eq_ignore_ascii_case(REQUEST_ID);
    let given = metadata.iter().find(|(name, _)| named(name)).and_then(|(_, id)| HeaderValue::from_str(id).ok());
    // What is no fit id is replaced by a new one here, not on the way, so that it can be told.
    let request_id = RequestId::of(given.as_ref()).to_string();
    let id = (REQUEST_ID, request_id.as_str());
    let others = metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(name, _)| !named(name));
    for (name, value) in std::iter::once(id).chain(others) {
        invoker.metadata(name, value).map_err(|why| Error::invalid("metadata", why))?;
    }
    let cannot = |why| Error::invalid("call", why);
    invoker.check(&service, &method, payload.clone()).map_err(cannot)?;
    noted(monitor, asker, caller, &service, &method, &request_id).await?;
    let began = std::time::Instant::now();
    let answer = invoker.call(&service, &method, payload, Duration::from_millis(timeout_ms)).await;
    let duration_ms = (began.elapsed().as_micros() as f64) / 1000.0;
    let (status, response, metadata) = match answer {
        Ok(Answer { message, metadata }) => (Status::ok(""), Some(message), metadata),
        Err(Failed::There(status)) => (Status::new(status.code(), status.message()), None, status.metadata().clone()),
        Err(Failed::Here(why)) => return Err(cannot(why)),
    };
    let code = status.code();
    Ok(Called {
        success: code == Code::Ok,
        request_id,
        service,
        method,
        status: State::of(code).as_str(),
        grpc_status_code: code_name(code),
        duration_ms,
        response,
        error: (code != Code::Ok).then(|| status.message().to_owned()),
        metadata: texts(&metadata),
        timestamp: clock::now(),
    })
}

/// Writes down who asks for which call; its row in the request log has the same request id.
async fn noted(
    monitor: &Monitor,
    Asker { principal, .. }: Asker<'_>,
    caller: Caller<'_>,
    service: &str,
    method: &str,
    request_id: &str,
) -> Result<()> {
    let by = principal.user().ok_or_else(|| Error::unauthenticated("this is for staff: log in first"))?;
    let said = |name: &str, value: &str| (name.to_owned(), Value::Null, value.into());
    let mut changes = vec![said("request_id", request_id)];
    if let Some(key) = principal.api_key() {
        changes.push(said("api_key", &key.prefix.to_string()));
    }
    if let Caller::Asker { client } = caller {
        changes.push(said("client", client));
    }
    let entry = Entry::new(by, Action::Call, KIND, format!("{service}/{method}"), method);
    entry.changes(changes).write(&monitor.inside.db).await
}

/// The first value of each key.
fn texts(metadata: &MetadataMap) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for entry in metadata.iter() {
        let (key, value) = match entry {
            KeyAndValueRef::Ascii(key, value) => (key.to_string(), value.to_str().unwrap_or_default().to_owned()),
            KeyAndValueRef::Binary(key, value) => {
                (key.to_string(), String::from_utf8_lossy(value.as_encoded_bytes()).into_owned())
            }
        };
        texts.entry(key).or_insert(value);
    }
    texts
}

async fn examples(asked: Asked) -> Result<Examples> {
    all(&asked.monitor, asked.query.text("service"), asked.query.text("method"))
}

async fn call(asked: Asked, wanted: Wanted) -> Result<Called> {
    make(&asked.monitor, asked.asker(), Caller::Shown, wanted).await
}

async fn logs(asked: Asked) -> Result<Logs> {
    let Asked { monitor, query, .. } = &asked;
    let log = requests::question(monitor, query);
    let found = requests::list(monitor, log, query.page(), query.whole("before")).await?;
    let Requests { mut page, next_before, looked_back_to } = found;
    let items = std::mem::take(&mut page.results);
    let logged = |Item { row, username, .. }: Item| Logged {
        request_id: row.request_id,
        service: row.service_name,
        method: row.method_name,
        status: row.status,
        grpc_status_code: row.grpc_status_code,
        error_message: row.error_message,
        duration_ms: row.duration_ms,
        created_at: row.created_at,
        user: username,
    };
    Ok(Logs { page: page.with(items.into_iter().map(logged).collect()), next_before, looked_back_to })
}
