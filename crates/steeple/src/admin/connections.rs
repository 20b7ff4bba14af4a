//! The clients that keep streams open, on every node, and what happened to each.

use axum::response::Response;
use minijinja::{Value, context, value::Serde};

use super::{
    asked::Asked,
    fields::{Fields, escaped},
    shown,
};
use crate::{
    clock,
    error::{Error, Result},
    stream::{Connection, Connections, Status},
};

/// Rows of a page, and events of a client.
const ROWS: usize = 50;
const EVENTS: u64 = 100;

/// `GET /connections`.
pub(super) async fn list(asked: Asked) -> Result<Response> {
    let db = &asked.admin().inside().db;
    let given = |name: &str| Some(asked.query.get(name).trim()).filter(|text| !text.is_empty());
    let status = match given("status") {
        None => None,
        Some(name) => {
            let known = Status::ALL.into_iter().find(|status| status.as_str() == name);
            Some(known.ok_or_else(|| Error::invalid("status", "is none"))?)
        }
    };
    let mut question = status.map_or_else(Connections::known, |status| Connections::known().with_status(status));
    if let Some(service) = given("service") {
        question = question.of_service(service);
    }
    if let Some(beginning) = given("name") {
        question = question.named(beginning);
    }
    let count = question.clone().count(db).await?;
    if let Some(before) = given("before") {
        question =
            question.before(before.parse().map_err(|_| Error::invalid("before", "must be the number of a row"))?);
    }
    let mut clients = question.limit(ROWS as u64 + 1).all(db).await?;
    let more = clients.len() > ROWS;
    clients.truncate(ROWS);
    let kept =
        ["status", "service", "name"].into_iter().filter_map(|name| Some((name.to_owned(), given(name)?.to_owned())));
    let (kept, page): (Fields, _) = (kept.collect(), asked.to("/connections"));
    let next = clients.last().filter(|_| more).map(|last| kept.with("before", &last.id.to_string()).at(&page));
    let words = if count == 1 { "client" } else { "clients" };
    let values = context! {
        clients => clients.iter().map(|client| told(&asked, client)).collect::<Vec<_>>(),
        statuses => Status::ALL.map(Status::as_str).to_vec(),
        asked => kept.values(),
        filtered => kept.pairs().next().is_some(),
        counted => format!("{} {words}", shown::number(count as f64)),
        online => shown::number(Connections::online().count(db).await? as f64),
        first_href => given("before").map(|_| kept.at(&page)),
        next_href => next,
    };
    asked.page("connections.html", "Connections", values)
}

/// A client, with what its status means now and where its page is.
fn told(asked: &Asked, client: &Connection) -> Value {
    let (tone, text) = match client.status.as_str() {
        "connected" if client.is_online(clock::now()) => ("good", "connected"),
        // Its node has said nothing for long.
        "connected" => ("bad", "node lost"),
        "reconnecting" => ("warn", "reconnecting"),
        _ => ("off", "disconnected"),
    };
    let path = format!("/connections/{}/{}", escaped(&client.service), escaped(&client.client_id));
    context! { href => asked.to(&path), tone => tone, state => text, ..Serde(client) }
}

/// `GET /connections/{service}/{client}`.
pub(super) async fn one(asked: Asked) -> Result<Response> {
    let db = &asked.admin().inside().db;
    let (service, name) = (asked.part("service"), asked.part("client"));
    let short = |text: &str| text.chars().take(100).collect::<String>();
    let found = Connections::find(db, service, name).await?;
    let client = found.ok_or_else(|| Error::not_found("client", format!("{} of {}", short(name), short(service))))?;
    let events = Connections::events(db, service, name, EVENTS).await?;
    let values = context! { client => told(&asked, &client), events => Serde(&events) };
    asked.page("connection.html", &client.client_id, values)
}
