//! `connections/`: clients that stay connected, on whatever node, what happened to them, and commands to them.
//!
//! A command goes through the site's own method, as a call of whoever asks: the rule of that method decides, and the call
//! is on record with its caller.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Monitor,
    endpoint::{Asked, Endpoint, get, post},
    explorer::{self, Asker, Called, Caller},
    names::Names,
    paged::Paged,
    query::{Kind, PAGE, PAGE_SIZE, Parameter, parameter},
    services::served,
};
use crate::{
    auth::Principal,
    clock,
    error::{Error, Result},
    invoke::client_command,
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
        get("connections/{service}/{client}/commands/", "The commands that a client can be sent", &[], commands),
        post("connections/{service}/{client}/commands/", "Send a client a command", send),
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

/// What a client can be sent.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Commands {
    /// The full name of the gRPC service that sends them.
    pub service: String,
    /// By name; empty for a service without methods for it.
    pub commands: Vec<Known>,
}

/// One kind of command.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Known {
    /// The field of the command's message.
    pub name: String,
    /// A command to fill in: every field with its default.
    pub example: Value,
}

/// A command to send.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// The command, as JSON of its message.
    pub command: Value,
    /// Wait until the client has acknowledged it.
    #[serde(default = "yes")]
    pub wait: bool,
    /// How long that may take, from 1 to 60000 milliseconds.
    #[serde(default = "explorer::patience")]
    pub timeout_ms: u64,
}

fn yes() -> bool {
    true
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
    let row = find(monitor, service, client).await?;
    let events = Connections::events(&monitor.inside.db, service, client, limit).await?;
    let known = Client::of(monitor, vec![row]).await?.pop();
    Ok(History { client: known.ok_or_else(|| Error::not_found("client", client))?, events })
}

/// What this client can be sent.
///
/// # Errors
/// The descriptors do not decode.
pub(crate) fn known(monitor: &Monitor, client: &Connection) -> Result<Commands> {
    let service = client.grpc_service().to_owned();
    let known = client_command::known(monitor.pool()?, &service);
    let commands = known.into_iter().map(|(name, example)| Known { name, example }).collect();
    Ok(Commands { service, commands })
}

/// Sends a client a command, as a call of whoever asks.
///
/// # Errors
/// INVALID_ARGUMENT for what cannot be sent. How the call ends, and what the client says, is in the answer.
pub(crate) async fn order(monitor: &Monitor, asker: Asker<'_>, client: &Connection, order: Order) -> Result<Called> {
    let Order { command, wait, timeout_ms } = order;
    let wanted = explorer::Wanted {
        service: client.grpc_service().to_owned(),
        method: client_command::method(wait).to_owned(),
        payload: client_command::request(&client.client_id, command),
        metadata: std::collections::BTreeMap::new(),
        timeout_ms,
    };
    let caller = Caller::Asker { client: &client.client_id };
    let mut called = explorer::make(monitor, asker, caller, wanted).await?;
    if let Some(failure) = called.response.as_ref().and_then(client_command::failure) {
        called.success = false;
        called.error = Some(failure);
    }
    Ok(called)
}

/// Why this caller may not send this client commands; `None`: they may. That the service has no method for it is told when
/// it is called.
pub(crate) fn refuses(monitor: &Monitor, caller: &Principal, client: &Connection) -> Option<Error> {
    let service = served(monitor).find(|planned| planned.found.name == client.grpc_service())?;
    let sends = service.methods.iter().find(|planned| planned.method.name == client_command::method(true))?;
    sends.decision.access.check(caller).err()
}

/// A client's row.
///
/// # Errors
/// NOT_FOUND, or the database's.
pub(crate) async fn find(monitor: &Monitor, service: &str, client: &str) -> Result<Connection> {
    let row = Connections::find(&monitor.inside.db, service, client).await?;
    row.ok_or_else(|| Error::not_found("client", client.chars().take(100).collect::<String>()))
}

async fn commands(asked: Asked) -> Result<Commands> {
    known(&asked.monitor, &find(&asked.monitor, asked.part("service"), asked.part("client")).await?)
}

async fn send(asked: Asked, wanted: Order) -> Result<Called> {
    let client = find(&asked.monitor, asked.part("service"), asked.part("client")).await?;
    order(&asked.monitor, asked.asker(), &client, wanted).await
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
