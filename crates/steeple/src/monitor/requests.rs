//! `monitor/requests/`: the calls of the request log, by filter; one of them; all of them as a file; and as they come.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Monitor,
    endpoint::{Asked, Endpoint, get, stream},
    export, live,
    names::Names,
    paged::Paged,
    query::{Kind, PAGE, PAGE_SIZE, Parameter, Query, parameter},
    services::served,
};
use crate::{
    clock::Time,
    error::{Code, Error, Result},
    record::{RequestLog, RequestLogRow, State, code_name},
};

/// Every gRPC code by its name.
pub(crate) const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
/// Every status.
pub(crate) const STATUSES: [&str; 5] = ["pending", "success", "error", "cancelled", "timeout"];
const MOST_MS: i64 = 1_000_000_000;

macro_rules! filters {
    ($($more:expr),*) => {
        &[
            parameter("service", Kind::Text, "Only calls to this service, by its full name."),
            parameter(
                "method",
                Kind::Text,
                "Only calls to methods of this name. Without a service: of the one that is served and has such a method; \
                 where not exactly one has, of any, and see `looked_back_to`."
            ),
            parameter("status", Kind::Choice(&STATUSES, None), "Only calls with this status."),
            parameter("code", Kind::Choice(&CODES, None), "Only calls that ended with this code."),
            parameter("user_id", Kind::Whole(0, i64::MAX, None), "Only calls of this user."),
            parameter("api_key_id", Kind::Whole(0, i64::MAX, None), "Only calls with this API key."),
            parameter("request_id", Kind::Text, "Only calls with this request id."),
            parameter("client_ip", Kind::Text, "Only calls from this address; see `looked_back_to`."),
            parameter("text", Kind::Text, "Only failed calls with this in their error; see `looked_back_to`."),
            parameter(
                "min_ms",
                Kind::Whole(0, MOST_MS, None),
                "Only calls that took at least so many milliseconds; below 100, see `looked_back_to`."
            ),
            parameter(
                "max_ms",
                Kind::Whole(0, MOST_MS, None),
                "Only calls that took at most so many milliseconds; see `looked_back_to`."
            ),
            parameter("hours", Kind::Whole(1, 87_600, None), "Only calls that began in the last hours."),
            parameter("since", Kind::Moment, "Only calls that began then or later."),
            parameter("until", Kind::Moment, "Only calls that began before."),
            $($more),*
        ]
    };
}

const LIST: &[Parameter] = filters![PAGE, PAGE_SIZE, BEFORE];
const BEFORE: Parameter = parameter(
    "before",
    Kind::Whole(1, i64::MAX, None),
    "Only rows older than this id: the next page, without counting.",
);
const EXPORT: &[Parameter] = filters![
    parameter("format", Kind::Choice(&["csv", "ndjson"], Some("csv")), "The shape of the file."),
    parameter("limit", Kind::Whole(1, 100_000_000, None), "At most so many rows.")
];
/// The filters alone.
pub(crate) const LIVE: &[Parameter] = filters![];
/// What `test/logs/` takes.
pub(super) const LOGS: &[Parameter] = filters![PAGE, PAGE_SIZE, BEFORE];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("monitor/requests/", "The calls of the request log, newest first", LIST, requests),
        stream(
            "monitor/requests/export/",
            "The same as a file, as long as it takes",
            EXPORT,
            &["text/csv", "application/x-ndjson"],
            export::export,
        ),
        stream(
            "monitor/requests/live/",
            "Calls as they end, as server-sent events: `call` with a row, `gap` where rows were left out",
            LIVE,
            &["text/event-stream"],
            live::live,
        ),
        get("monitor/requests/{id}/", "One call, with everything that is known of it", &[], request),
    ]
}

/// A call of the request log.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Item {
    /// Its row.
    #[serde(flatten)]
    pub row: RequestLogRow,
    /// The user's name; null without one, or when they are gone.
    pub username: Option<String>,
    /// The key's name; null without one.
    pub api_key_name: Option<String>,
}

impl Item {
    /// The rows, with what is known of their users and keys.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(monitor: &Monitor, rows: Vec<RequestLogRow>) -> Result<Vec<Self>> {
        let users: Vec<_> = rows.iter().filter_map(|row| row.user_id).collect();
        let keys: Vec<_> = rows.iter().filter_map(|row| row.api_key_id).collect();
        let names = Names::of(monitor, users, keys).await?;
        let item = |row: RequestLogRow| Self {
            username: names.user(row.user_id),
            api_key_name: names.key(row.api_key_id),
            row,
        };
        Ok(rows.into_iter().map(item).collect())
    }
}

/// A page of calls.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Requests {
    /// The page.
    #[serde(flatten)]
    pub page: Paged<Item>,
    /// `before` of the page after this one; null on the last.
    pub next_before: Option<i64>,
    /// Only calls since about then were looked at, and counted: no index finds what was asked for, so one look goes through
    /// the newest 250,000 calls, or the newest 20,000 of the failed ones, of the user's, of the key's or of the method's. Go
    /// on with `next_before`, also from an empty page. Null: all there is.
    pub looked_back_to: Option<Time>,
}

/// The question that the filters ask.
pub(crate) fn question(monitor: &Monitor, query: &Query) -> RequestLog {
    let number = |name| query.whole(name);
    let ms = |name| number(name).map(|ms| u32::try_from(ms).unwrap_or(u32::MAX));
    let mut log = RequestLog::all_time();
    let method = query.text("method");
    let service = query.text("service").or_else(|| only_service_with(monitor, method?));
    if let Some(service) = service {
        log = log.by_service(service);
    }
    if let Some(method) = method {
        log = log.by_method(method);
    }
    if let Some(state) = State::ALL.into_iter().find(|state| query.choice("status") == Some(state.as_str())) {
        log = log.by_status(state);
    }
    let code = (0..17).map(Code::from_i32).find(|code| query.choice("code") == Some(code_name(*code)));
    if let Some(code) = code {
        log = log.by_code(code);
    }
    if let Some(id) = number("user_id") {
        log = log.by_user(id);
    }
    if let Some(id) = number("api_key_id") {
        log = log.by_api_key(id);
    }
    if let Some(id) = query.text("request_id") {
        log = log.by_request_id(id);
    }
    if let Some(address) = query.text("client_ip") {
        log = log.by_client_ip(address);
    }
    if let Some(text) = query.text("text") {
        log = log.containing(text);
    }
    if let Some(ms) = ms("min_ms") {
        log = log.slow(ms);
    }
    if let Some(ms) = ms("max_ms") {
        log = log.quick(ms);
    }
    if let Some(hours) = number("hours").and_then(|hours| u32::try_from(hours).ok()) {
        log = log.since(crate::clock::now() - chrono::TimeDelta::hours(hours.into()));
    }
    if let Some(moment) = query.moment("since") {
        log = log.since(moment);
    }
    if let Some(moment) = query.moment("until") {
        log = log.until(moment);
    }
    log
}

/// The one service that is served and has a method of this name: with it, an index finds the calls.
fn only_service_with<'m>(monitor: &'m Monitor, method: &str) -> Option<&'m str> {
    let mut with = served(monitor).filter(|planned| planned.methods.iter().any(|known| known.method.name == method));
    with.next().filter(|_| with.next().is_none()).map(|planned| planned.found.name)
}

/// The page `page` of `page_size` calls; with `before`, the first of those that are older than that row.
///
/// # Errors
/// NOT_FOUND past the end; else the database's.
pub(crate) async fn list(
    monitor: &Monitor,
    log: RequestLog,
    (page, page_size): (u64, u64),
    before: Option<i64>,
) -> Result<Requests> {
    let log = match before {
        Some(_) if page > 1 => return Err(Error::invalid("page", "cannot be given together with before")),
        Some(before) => log.before(before),
        None => log,
    };
    // Page numbers go as far as is counted: beyond, each page would cost more than the one before.
    let last = RequestLog::MOST_COUNTED.div_ceil(page_size);
    if page > last {
        return Err(Error::not_found("page", format!("{page}; pages go up to {last}, then go on with before")));
    }
    let (found, reach) = monitor
        .ask(move |db| async move {
            let (log, reach) = log.within_reach(&db).await?;
            Ok((log.page(&db, page, page_size).await?, reach))
        })
        .await?;
    let last = found.rows.last().map(|row| row.id);
    let items = Item::of(monitor, found.rows).await?;
    let page = Paged::of(items, (found.count, !found.more), (page, page_size))?;
    // Of a full page the next begins where it ends, whatever was counted: a call may have ended in between.
    let full = page.results.len() as u64 == page_size && reach.is_some();
    let more = page.has_next || !page.count_is_exact || full;
    let next_before = if more { last } else { reach.map(|reach| reach.before) };
    Ok(Requests { page, next_before, looked_back_to: reach.map(|reach| reach.back_to) })
}

async fn requests(asked: Asked) -> Result<Requests> {
    let Asked { monitor, query, .. } = &asked;
    list(monitor, question(monitor, query), query.page(), query.whole("before")).await
}

async fn request(asked: Asked) -> Result<Item> {
    let id = asked.id("request")?;
    let row = RequestLog::find(&asked.monitor.inside.db, id).await?;
    let row = row.ok_or_else(|| Error::not_found("request", id))?;
    let mut items = Item::of(&asked.monitor, vec![row]).await?;
    items.pop().ok_or_else(|| Error::not_found("request", id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_codes_and_statuses_are_all_there() {
        for (number, name) in CODES.iter().enumerate() {
            assert_eq!(code_name(Code::from_i32(number as i32)), *name);
        }
        assert!(State::ALL.iter().all(|state| STATUSES.contains(&state.as_str())));
    }
}
