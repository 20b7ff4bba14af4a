//! `connections/`: clients that stay connected, on whatever node, and what happened to them.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Monitor,
    endpoint::{Asked, Endpoint, get},
    names::Names,
    paged::Paged,
    query::{Kind, PAGE, PAGE_SIZE, Parameter, parameter},
};
use crate::{
    clock,
    error::{Error, Result},
    stream::{Connection, Connections, Event, Status},
};

const STATUSES: [&str; 3] = ["connected", "reconnecting", "disconnected"];
const LIST: &[Parameter] = &[
    parameter("service", Kind::Text, "Only clients of this service, by the service_name of its hub."),
    parameter("node", Kind::Text, "Only clients of this node."),
    parameter("status", Kind::Choice(&STATUSES, None), "Only clients with this status."),
    parameter("client", Kind::Text, "Only clients whose name begins so."),
    parameter("user_id", Kind::Whole(0, i64::MAX, None), "Only clients whose caller is this user."),
    PAGE,
    PAGE_SIZE,
];
const ONE: &[Parameter] = &[parameter("limit", Kind::Whole(1, 1000, Some(100)), "At most so many events, the newest.")];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("connections/", "The clients that are known, those first seen last first", LIST, connections),
        get("connections/{service}/{client}/", "One client, and what happened to it, newest first", ONE, connection),
    ]
}

/// A client.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Client {
    /// Its row.
    #[serde(flatten)]
    pub row: Connection,
    /// Connected now, as far as its node has said lately.
    pub is_online: bool,
    /// The name of the API key it came with; null without one.
    pub api_key_name: Option<String>,
}

/// A client, and what happened to it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct History {
    /// The client.
    #[serde(flatten)]
    pub client: Client,
    /// What happened, newest first.
    pub events: Vec<Event>,
}

impl Client {
    /// The rows, with what is known of their keys.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(monitor: &Monitor, rows: Vec<Connection>) -> Result<Vec<Self>> {
        let names = Names::of(monitor, [], rows.iter().filter_map(|row| row.api_key_id)).await?;
        let now = clock::now();
        let client =
            |row: Connection| Self { is_online: row.is_online(now), api_key_name: names.key(row.api_key_id), row };
        Ok(rows.into_iter().map(client).collect())
    }
}

/// One client, and at most `limit` of its events.
///
/// # Errors
/// NOT_FOUND, or the database's.
pub(crate) async fn history(monitor: &Monitor, service: &str, client: &str, limit: u64) -> Result<History> {
    let db = &monitor.inside.db;
    let unknown = || Error::not_found("client", client.chars().take(100).collect::<String>());
    let row = Connections::find(db, service, client).await?.ok_or_else(unknown)?;
    let events = Connections::events(db, service, client, limit).await?;
    let client = Client::of(monitor, vec![row]).await?.pop().ok_or_else(unknown)?;
    Ok(History { client, events })
}

async fn connections(asked: Asked) -> Result<Paged<Client>> {
    let Asked { monitor, query, .. } = &asked;
    let mut question = Connections::known();
    if let Some(service) = query.text("service") {
        question = question.of_service(service);
    }
    if let Some(node) = query.text("node") {
        question = question.at_node(node);
    }
    if let Some(status) = Status::ALL.into_iter().find(|status| query.choice("status") == Some(status.as_str())) {
        question = question.with_status(status);
    }
    if let Some(beginning) = query.text("client") {
        question = question.named(beginning);
    }
    if let Some(id) = query.whole("user_id") {
        question = question.of_user(id);
    }
    let (page, page_size) = query.page();
    let db = &monitor.inside.db;
    let count = question.clone().count(db).await?;
    let rows = question.skip((page - 1) * page_size).limit(page_size).all(db).await?;
    Paged::of(Client::of(monitor, rows).await?, (count, true), (page, page_size))
}

async fn connection(asked: Asked) -> Result<History> {
    let limit = asked.query.whole("limit").and_then(|limit| u64::try_from(limit).ok()).unwrap_or(100);
    history(&asked.monitor, asked.part("service"), asked.part("client"), limit).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_can_be_asked_for() {
        assert_eq!(Status::ALL.map(Status::as_str), STATUSES);
    }
}
