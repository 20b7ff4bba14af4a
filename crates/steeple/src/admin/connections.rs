//! The clients that keep streams open, on every node, what happened to each, and a form that sends one a command.

use axum::{http::StatusCode, response::Response};
use minijinja::{Value, context, value::Serde};

use super::{
    asked::Asked,
    failure,
    fields::{Fields, escaped},
    shown,
};
use crate::{
    clock,
    error::{Code, Error, Result},
    monitor::{
        connections::{self as clients, Order},
        explorer::Asker,
    },
    stream::{Connection, Connections, Status},
};

/// Rows of a page, and events of a client.
const ROWS: usize = 50;
const EVENTS: u64 = 100;
/// How long whoever sends a command waits for its ack, in milliseconds.
const PATIENCE_MS: u64 = 10_000;

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
    context! { href => asked.to(&path(client)), online => client.is_online(clock::now()), tone => tone, state => text, ..Serde(client) }
}

fn path(client: &Connection) -> String {
    format!("/connections/{}/{}", escaped(&client.service), escaped(&client.client_id))
}

/// `GET /connections/{service}/{client}`. With `?command=ping` the form begins with an example of that command.
pub(super) async fn one(asked: Asked) -> Result<Response> {
    let client = clients::find(&asked.admin().monitor, asked.part("service"), asked.part("client")).await?;
    let form = Fields::default().with("wait", "on");
    filled(&asked, StatusCode::OK, &client, &form, context! {}).await
}

/// `POST /connections/{service}/{client}`: sends a command, and shows what became of it.
pub(super) async fn send(asked: Asked) -> Result<Response> {
    let monitor = &asked.admin().monitor;
    let client = clients::find(monitor, asked.part("service"), asked.part("client")).await?;
    let ordered = match wanted(&asked.form) {
        Ok(order) => {
            let principal = asked.principal();
            clients::order(monitor, Asker { principal: &principal, from: asked.shell.from }, &client, order).await
        }
        Err(error) => Err(error),
    };
    let (status, result) = match ordered {
        Ok(called) => {
            let answer = called.response.as_ref().and_then(|answer| serde_json::to_string_pretty(answer).ok());
            (StatusCode::OK, context! { called => Serde(&called), answer => answer })
        }
        Err(error) if error.code() == Code::InvalidArgument => {
            (StatusCode::BAD_REQUEST, context! { wrong => failure::sentence(error.message()) })
        }
        Err(error) => return Err(error),
    };
    filled(&asked, status, &client, &asked.form, result).await
}

fn wanted(form: &Fields) -> Result<Order> {
    let command = serde_json::from_str(form.get("command"));
    let command = command.map_err(|error| Error::invalid("command", format!("the command is no JSON: {error}")))?;
    Ok(Order { command, wait: form.given("wait").is_some(), timeout_ms: PATIENCE_MS })
}

/// A client's page, with the form as it is filled in and what became of the last command.
async fn filled(
    asked: &Asked,
    status: StatusCode,
    client: &Connection,
    form: &Fields,
    result: Value,
) -> Result<Response> {
    let monitor = &asked.admin().monitor;
    let known = clients::known(monitor, client)?;
    let events = Connections::events(&asked.admin().inside().db, &client.service, &client.client_id, EVENTS).await?;
    let page = asked.to(&path(client));
    let chosen =
        known.commands.iter().find(|known| known.name == asked.query.get("command")).or(known.commands.first());
    let command = form.given("command").map(str::to_owned);
    let command = command.or_else(|| serde_json::to_string_pretty(&chosen?.example).ok());
    let offers = known.commands.iter().map(|known| {
        let href = format!("{}#command", Fields::default().with("command", &known.name).at(&page));
        let current = form.given("command").is_none() && chosen.is_some_and(|chosen| chosen.name == known.name);
        context! { name => known.name.as_str(), href => href, current => current }
    });
    let values = context! {
        client => told(asked, client),
        events => Serde(&events),
        offers => offers.collect::<Vec<_>>(),
        refused => clients::refuses(monitor, &asked.principal(), client).map(|error| failure::sentence(error.message())),
        form => context! { action => page, command => command, wait => form.given("wait").is_some() },
        ..result
    };
    asked.page_with(status, "connection.html", &client.client_id, values)
}
