//! The request log: by filter, a page after another, one call with everything known of it, and calls as they end.
//!
//! Filters are the REST API's, and a user or a key may be named as well. A filter that cannot be meant is told beside the
//! form, with the form as it was filled in.

use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use minijinja::{context, value::Serde};

use super::{asked::Asked, failure, fields::Fields, shown};
use crate::{
    auth::api_key::KeyFilter,
    error::{Error, Result},
    monitor::{
        live,
        query::Query,
        requests::{self, CODES, Item, STATUSES},
        services,
    },
    record::{RequestLog, stats::Question},
};

/// Rows of a page.
const ROWS: u64 = 50;
const TIMES: [(&str, &str); 5] =
    [("1", "Last hour"), ("6", "Last 6 hours"), ("24", "Last day"), ("168", "Last week"), ("720", "Last 30 days")];
/// Keys of one name that are looked at.
const ALIKE: u64 = 100;
/// The filters that are shown only when they are asked for.
const SELDOM: [&str; 5] = ["max_ms", "since", "until", "client_ip", "request_id"];
/// What is no filter.
const OTHERS: [&str; 2] = ["before", "more"];

/// `GET /requests`.
pub(super) async fn list(asked: Asked) -> Result<Response> {
    let admin = asked.shell.admin.clone();
    let monitor = &admin.monitor;
    let filters: Fields = asked
        .query
        .pairs()
        .filter(|(name, value)| !OTHERS.contains(name) && !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let found = match question(&asked, &filters).await {
        Ok((query, rest)) => {
            let before = asked.query.get("before");
            let before = match before {
                "" => None,
                text => Some(text.parse().map_err(|_| Error::invalid("before", "must be the number of a row"))?),
            };
            let found = requests::list(monitor, requests::question(monitor, &query), (1, ROWS), before).await?;
            Ok((found, rest))
        }
        Err(error) => Err(error),
    };
    let (status, found, wrong, rest) = match found {
        Ok((found, rest)) => (StatusCode::OK, Some(found), Vec::new(), rest),
        Err(mut error) => {
            let wrong = failure::violations(&mut error);
            if wrong.is_empty() {
                return Err(error);
            }
            (StatusCode::BAD_REQUEST, None, wrong, Fields::default())
        }
    };
    let page = asked.to("/requests");
    let older = found.as_ref().and_then(|found| found.next_before);
    let older =
        older.map(|before| filters.with("more", asked.query.get("more")).with("before", &before.to_string()).at(&page));
    let newest = (!asked.query.get("before").is_empty()).then(|| filters.at(&page));
    let rows = found.as_ref().map(|found| found.page.results.as_slice()).unwrap_or_default();
    let served: Vec<_> = services::served(monitor).collect();
    let service = filters.get("service");
    let of_service = served.iter().filter(|planned| service.is_empty() || planned.found.name == service);
    let methods = of_service.flat_map(|planned| &planned.methods);
    let mut methods: Vec<_> = methods.map(|planned| planned.method.name.clone()).collect();
    methods.sort_unstable();
    methods.dedup();
    let export = rest.to_query();
    let values = context! {
        rows => Serde(rows),
        wrong => wrong,
        asked => filters.values(),
        services => served.iter().map(|planned| planned.found.name).collect::<Vec<_>>(),
        methods => methods,
        statuses => Serde(STATUSES),
        codes => Serde(CODES),
        times => TIMES.iter().map(|(hours, label)| vec![*hours, *label]).collect::<Vec<_>>(),
        known_hours => TIMES.iter().any(|(hours, _)| *hours == filters.get("hours")),
        more => !asked.query.get("more").is_empty() || SELDOM.iter().any(|name| filters.given(name).is_some()),
        more_href => filters.with("more", "1").at(&page),
        filtered => filters.pairs().next().is_some(),
        counted => found.as_ref().map(|found| counted(found, newest.is_some())),
        first_href => newest,
        next_href => older,
        export => if export.is_empty() { String::new() } else { format!("&{export}") },
        tail => filters.to_query(),
    };
    asked.page_with(status, "requests.html", "Requests", values)
}

fn counted(found: &requests::Requests, older: bool) -> String {
    let count = shown::number(found.page.count as f64);
    let words = if found.page.count == 1 && found.page.count_is_exact { "request" } else { "requests" };
    let place = if older { " from here on" } else { "" };
    let place = match found.looked_back_to {
        Some(time) => format!("{place}, back to {} UTC; Older looks further", time.format("%F %T")),
        None => place.to_owned(),
    };
    if found.page.count_is_exact {
        format!("{count} {words}{place}")
    } else {
        format!("More than {count} {words}{place}")
    }
}

/// The question that these filters ask, and the same filters as the REST API knows them.
async fn question(asked: &Asked, filters: &Fields) -> Result<(Query, Fields)> {
    let mut rest = Vec::new();
    for (name, value) in filters.pairs() {
        let (name, value) = match name {
            "user" => ("user_id", user(asked, value).await?.to_string()),
            "key" => ("api_key_id", key(asked, value).await?.to_string()),
            // A browser's own field for a moment has no offset: the page says that it is UTC.
            "since" | "until" => match value.len() {
                16 => (name, format!("{value}:00Z")),
                19 | 23 => (name, format!("{value}Z")),
                _ => (name, value.to_owned()),
            },
            _ => (name, value.to_owned()),
        };
        rest.push((name.to_owned(), value));
    }
    let rest: Fields = rest.into_iter().collect();
    Ok((Query::read(requests::LIVE, &rest.to_query())?, rest))
}

async fn user(asked: &Asked, text: &str) -> Result<i64> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let found = asked.admin().inside().identity.users.by_username(text).await?;
    found.map(|user| user.id.into()).ok_or_else(|| Error::invalid("user", "is nobody's name"))
}

async fn key(asked: &Asked, text: &str) -> Result<i64> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let keys = &asked.admin().inside().identity.keys;
    let alike = keys.page(&KeyFilter { name: Some(text.to_owned()), ..KeyFilter::default() }, 0, ALIKE).await?;
    // Databases find alike what is not the same.
    let mut named = alike.into_iter().filter(|key| key.name == text);
    match (named.next(), named.next()) {
        (Some(key), None) => Ok(key.id),
        (Some(_), Some(_)) => Err(Error::invalid("key", "is the name of several keys: give the number of one")),
        (None, _) => Err(Error::invalid("key", "is no key's name")),
    }
}

/// `GET /requests/live`: calls as they end, as rows of the table, by server-sent events.
pub(super) async fn live(asked: Asked) -> Result<Response> {
    let filters: Fields =
        asked.query.pairs().filter(|(_, value)| !value.is_empty()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    let (query, _) = question(&asked, &filters).await?;
    let admin = asked.shell.admin.clone();
    let monitor = admin.monitor.clone();
    let row = move |item: &Item| {
        let values = context! { rows => Serde([item]) };
        admin.views.render("requests_rows.html", values).ok()
    };
    let log = requests::question(&monitor, &query);
    Ok(live::follow(monitor, asked.headers, log, row).await?.into_response())
}

/// `GET /requests/{id}`.
pub(super) async fn one(asked: Asked) -> Result<Response> {
    let id = asked.id("request")?;
    let monitor = &asked.admin().monitor;
    let db = &monitor.inside.db;
    let row = RequestLog::find(db, id).await?.ok_or_else(|| Error::not_found("request", id))?;
    let item = Item::of(monitor, vec![row]).await?.pop().ok_or_else(|| Error::not_found("request", id))?;
    let (service, method) = (&item.row.service_name, &item.row.method_name);
    let served = services::find(monitor, service).is_ok();
    let usual = if served {
        let all = Question::last(24)?.service(service).method(method).statistics(db).await?.all;
        Some(all).filter(|all| all.total > 0)
    } else {
        None
    };
    let values = context! {
        row => Serde(&item),
        served => served,
        usual => Serde(usual),
    };
    asked.page("request.html", &format!("Request {id}"), values)
}
