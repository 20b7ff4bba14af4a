//! `monitor/methods/`, `services/`, `timeline/`, `errors/`, `slowest/`, `users/` and `api-keys/`: the numbers of a time.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    endpoint::{Asked, Endpoint, get},
    names::Names,
    query::{Kind, Parameter, hours, parameter},
    requests::Item,
};
use crate::{
    error::Result,
    record::{
        RequestLog,
        stats::{
            ApiKeyNumbers, Bucket, Errors, Interval, MethodNumbers, Question, ServiceNumbers, Statistics, UserNumbers,
        },
    },
};

const SERVICE: Parameter = parameter("service", Kind::Text, "Only this service, by its full name.");
const METHOD: Parameter = parameter("method", Kind::Text, "Only methods of this name.");
const INTERVAL: Parameter = parameter(
    "interval",
    Kind::Choice(&["minute", "hour", "day"], None),
    "The length of a bucket. Without one: hours up to two days, then days.",
);
const LIMIT: Parameter = parameter("limit", Kind::Whole(1, 1000, Some(20)), "How many at most.");

const ALL: &[Parameter] = &[hours(8760)];
const NAMED: &[Parameter] = &[hours(8760), SERVICE, METHOD];
const TIMELINE: &[Parameter] = &[hours(8760), INTERVAL, SERVICE, METHOD];
const SLOWEST: &[Parameter] = &[hours(8760), SERVICE, METHOD, LIMIT];
const CALLERS: &[Parameter] = &[hours(1440), LIMIT];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("monitor/services/", "The numbers of each service that was called", ALL, services),
        get("monitor/methods/", "The numbers of each method that was called", NAMED, methods),
        get("monitor/timeline/", "The numbers of each minute, hour or day, empty ones too", TIMELINE, timeline),
        get("monitor/errors/", "Which codes failed calls ended with, and where", NAMED, errors),
        get("monitor/slowest/", "The calls that took longest", SLOWEST, slowest),
        get("monitor/users/", "The users who called most", CALLERS, users),
        get("monitor/api-keys/", "The API keys that called most", CALLERS, api_keys),
    ]
}

/// The numbers of each service that was called.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the names are the original's")]
struct Services {
    services: Vec<ServiceNumbers>,
    total_services: usize,
    period_hours: u32,
}

/// The numbers of each method that was called.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the names are the original's")]
struct Methods {
    methods: Vec<MethodNumbers>,
    total_methods: usize,
    period_hours: u32,
}

/// The numbers of each bucket, oldest first.
#[derive(Debug, Serialize, JsonSchema)]
struct Chart {
    timeline: Vec<Bucket>,
    period_hours: u32,
    interval: Interval,
}

/// The calls that took longest, slowest first.
#[derive(Debug, Serialize, JsonSchema)]
struct Slowest {
    requests: Vec<Item>,
    period_hours: u32,
}

/// The calls of one user.
#[derive(Debug, Serialize, JsonSchema)]
struct NamedUser {
    #[serde(flatten)]
    numbers: UserNumbers,
    /// Their name; null when they are gone.
    username: Option<String>,
}

/// The calls of one API key.
#[derive(Debug, Serialize, JsonSchema)]
struct NamedKey {
    #[serde(flatten)]
    numbers: ApiKeyNumbers,
    /// Its name.
    name: Option<String>,
}

/// The users who called most, the busiest first.
#[derive(Debug, Serialize, JsonSchema)]
struct Users {
    users: Vec<NamedUser>,
    period_hours: u32,
}

/// The API keys that called most, the busiest first.
#[derive(Debug, Serialize, JsonSchema)]
struct ApiKeys {
    api_keys: Vec<NamedKey>,
    period_hours: u32,
}

/// The question that the parameters ask.
fn question(asked: &Asked) -> Result<Question> {
    let mut question = Question::last(asked.query.hours())?;
    if let Some(service) = asked.query.text("service") {
        question = question.service(service);
    }
    if let Some(method) = asked.query.text("method") {
        question = question.method(method);
    }
    Ok(question)
}

fn limit(asked: &Asked) -> usize {
    asked.query.whole("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(20)
}

async fn services(asked: Asked) -> Result<Services> {
    let Statistics { services, hours, .. } = question(&asked)?.statistics(&asked.monitor.inside.db).await?;
    Ok(Services { total_services: services.len(), services, period_hours: hours })
}

async fn methods(asked: Asked) -> Result<Methods> {
    let Statistics { methods, hours, .. } = question(&asked)?.statistics(&asked.monitor.inside.db).await?;
    Ok(Methods { total_methods: methods.len(), methods, period_hours: hours })
}

async fn timeline(asked: Asked) -> Result<Chart> {
    let hours = asked.query.hours();
    let named = asked.query.choice("interval");
    let interval = Interval::ALL.into_iter().find(|interval| named == Some(interval.as_str()));
    let interval = interval.unwrap_or_else(|| Interval::for_hours(hours));
    let timeline = question(&asked)?.timeline(&asked.monitor.inside.db, interval).await?;
    Ok(Chart { timeline: timeline.buckets, period_hours: hours, interval })
}

async fn errors(asked: Asked) -> Result<Errors> {
    question(&asked)?.errors(&asked.monitor.inside.db).await
}

async fn slowest(asked: Asked) -> Result<Slowest> {
    let hours = asked.query.hours();
    let mut log = RequestLog::recent(hours);
    if let Some(service) = asked.query.text("service") {
        log = log.by_service(service);
    }
    if let Some(method) = asked.query.text("method") {
        log = log.by_method(method);
    }
    let limit = limit(&asked) as u64;
    let rows = asked.monitor.ask(move |db| async move { log.slowest(&db, limit).await }).await?;
    Ok(Slowest { requests: Item::of(&asked.monitor, rows).await?, period_hours: hours })
}

async fn users(asked: Asked) -> Result<Users> {
    let users = question(&asked)?.users(&asked.monitor.inside.db, limit(&asked)).await?;
    let names = Names::of(&asked.monitor, users.iter().map(|user| user.user_id), []).await?;
    let named = |numbers: UserNumbers| NamedUser { username: names.user(Some(numbers.user_id)), numbers };
    let users = users.into_iter().map(named).collect();
    Ok(Users { users, period_hours: asked.query.hours() })
}

async fn api_keys(asked: Asked) -> Result<ApiKeys> {
    let api_keys = question(&asked)?.api_keys(&asked.monitor.inside.db, limit(&asked)).await?;
    let names = Names::of(&asked.monitor, [], api_keys.iter().map(|key| key.api_key_id)).await?;
    let named = |numbers: ApiKeyNumbers| NamedKey { name: names.key(Some(numbers.api_key_id)), numbers };
    let api_keys = api_keys.into_iter().map(named).collect();
    Ok(ApiKeys { api_keys, period_hours: asked.query.hours() })
}
