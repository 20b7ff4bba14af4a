//! `connections`: clients that stay connected, and what happened to one.

use std::process::ExitCode;

use serde_json::json;

use super::{
    Failure,
    out::{Out, printable, table},
};
use crate::{
    clock,
    config::Config,
    db::{self, Db},
    stream::{self, Connection, Connections, Event},
};

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- connections
  cargo run -- connections --all --service crypto
  cargo run -- connections agent-7 --json";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only this client, with what happened to it
    client: Option<String>,
    /// Also clients that are away
    #[arg(long)]
    all: bool,
    /// Only clients of this service, by the service_name of its hub
    #[arg(long)]
    service: Option<String>,
    /// Only clients of this node
    #[arg(long)]
    node: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
}

pub(super) async fn run(config: Config, arguments: &Arguments, out: Out) -> Result<ExitCode, Failure> {
    let db = database(&config).await?;
    let mut question =
        if arguments.all || arguments.client.is_some() { Connections::known() } else { Connections::online() };
    if let Some(service) = &arguments.service {
        question = question.of_service(service);
    }
    if let Some(node) = &arguments.node {
        question = question.at_node(node);
    }
    let Some(client) = &arguments.client else {
        let rows = question.limit(arguments.limit).all(&db).await?;
        db.close().await;
        out.either(&rows, || if rows.is_empty() { "no client is connected".to_owned() } else { text(&rows) });
        return Ok(ExitCode::SUCCESS);
    };
    let mut known = vec![];
    for row in question.called(client).all(&db).await? {
        let events = Connections::events(&db, &row.service, client, arguments.limit).await?;
        known.push((row, events));
    }
    db.close().await;
    if known.is_empty() {
        return Err(Failure(format!("no client {client} is known")));
    }
    let value: Vec<_> = known.iter().map(|(row, events)| json!({ "client": row, "events": events })).collect();
    out.either(&value, || {
        let parts: Vec<_> = known
            .iter()
            .map(|(row, events)| format!("{}\n\n{}", text(std::slice::from_ref(row)), history(events)))
            .collect();
        parts.join("\n\n")
    });
    Ok(ExitCode::SUCCESS)
}

/// The database with the tables of clients in it.
async fn database(config: &Config) -> Result<Db, Failure> {
    let db = Db::connect(&config.database, 1).await?;
    if db::migrate::pending(&db, &stream::migrations()).await?.is_empty() {
        return Ok(db);
    }
    db.close().await;
    let address = db::redacted(&config.database.url);
    Err(Failure(format!("there are no tables of clients in {address} yet: run `migrate`, or `run` in development")))
}

fn text(rows: &[Connection]) -> String {
    let now = clock::now();
    let lines = rows.iter().map(|row| {
        let status = if row.status == "connected" && !row.is_online(now) { "node lost" } else { &row.status };
        [
            printable(&row.client_id).into_owned(),
            row.service.clone(),
            status.to_owned(),
            row.cause.clone().unwrap_or_default(),
            row.connected_at.format("%F %T").to_string(),
            row.last_seen_at.format("%F %T").to_string(),
            row.round_trip_us.map_or_else(String::new, |micros| format!("{:.1} ms", micros as f64 / 1000.0)),
            row.messages_received.to_string(),
            row.commands_sent.to_string(),
            row.errors.to_string(),
            printable(&row.version).into_owned(),
            row.principal.clone(),
            row.node.clone(),
        ]
    });
    let headings = [
        "client",
        "service",
        "status",
        "cause",
        "connected (UTC)",
        "last seen",
        ">round trip",
        ">messages",
        ">commands",
        ">errors",
        "version",
        "user",
        "node",
    ];
    table(headings, lines)
}

fn history(events: &[Event]) -> String {
    let lines = events.iter().map(|event| {
        [
            event.created_at.format("%F %T%.3f").to_string(),
            event.kind.clone(),
            event.cause.clone().unwrap_or_default(),
            printable(event.detail.as_deref().unwrap_or_default()).into_owned(),
            event.node.clone(),
        ]
    });
    table(["time (UTC)", "event", "cause", "detail", "node"], lines)
}
