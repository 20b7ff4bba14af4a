//! `monitor/servers/`: the servers of the site.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Monitor,
    endpoint::{Asked, Endpoint, get},
    query::{Kind, Parameter, parameter},
};
use crate::{
    clock,
    error::{Error, Result},
    node::{self, Server},
};

const ONE: &[Parameter] =
    &[parameter("start_token", Kind::Text, "Of several with this id, the one with this token, not the first.")];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("monitor/servers/", "The servers of the site, those that run first", &[], servers),
        get("monitor/servers/{id}/", "One server, by its instance id", ONE, server),
    ]
}

/// The servers of the site.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Servers {
    /// How many there are.
    #[serde(flatten)]
    pub counted: Counted,
    /// Those that run first, then the newest first.
    pub servers: Vec<Server>,
}

/// How many servers there are.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the names are the original's")]
pub(crate) struct Counted {
    /// All that are known.
    pub total_servers: usize,
    /// That run.
    pub running_servers: usize,
    /// That ended in order.
    pub stopped_servers: usize,
    /// That ended otherwise: with an error, or without a word.
    pub error_servers: usize,
}

impl Counted {
    pub fn of(servers: &[Server]) -> Self {
        let running_servers = servers.iter().filter(|server| server.is_running).count();
        let stopped_servers = servers.iter().filter(|server| server.status == "stopped").count();
        let total_servers = servers.len();
        let error_servers = total_servers - running_servers - stopped_servers;
        Self { total_servers, running_servers, stopped_servers, error_servers }
    }
}

/// The servers of the site.
///
/// # Errors
/// The database's.
pub(crate) async fn all(monitor: &Monitor) -> Result<Servers> {
    let servers = node::list(&monitor.inside.db, &monitor.liveness).await?;
    Ok(Servers { counted: Counted::of(&servers), servers })
}

/// The first of these servers with this id, or the one with this token as well.
pub(crate) fn find(servers: Vec<Server>, id: &str, start_token: Option<&str>) -> Option<Server> {
    let right = |server: &Server| start_token.is_none_or(|token| server.start_token == token);
    servers.into_iter().find(|server| server.instance_id == id && right(server))
}

/// The server that answers: its row, or what it knows of itself when that is not there.
pub(crate) fn this(monitor: &Monitor, servers: &[Server]) -> Server {
    let inside = &monitor.inside;
    let row = servers.iter().find(|server| server.start_token == inside.node.start_token());
    row.cloned().unwrap_or_else(|| Server {
        instance_id: inside.node.instance_id().to_owned(),
        start_token: inside.node.start_token().to_owned(),
        site: inside.site.name().to_owned(),
        version: inside.site.version().to_owned(),
        host: inside.grpc.ip().to_string(),
        port: inside.grpc.port().into(),
        address: inside.grpc.to_string(),
        http_address: inside.http.map(|http| http.to_string()),
        pid: std::process::id().into(),
        hostname: node::hostname(),
        status: "running".to_owned(),
        is_running: true,
        error_message: None,
        max_workers: i32::try_from(inside.config.server.workers()).unwrap_or(i32::MAX),
        enable_reflection: inside.config.server.reflection,
        enable_health_check: inside.config.server.health,
        services: Vec::new(),
        in_flight: inside.in_flight() as i64,
        log_dropped: 0,
        started_at: clock::now(),
        last_heartbeat: clock::now(),
        stopped_at: None,
        uptime_seconds: 0,
        uptime_display: "0s".to_owned(),
    })
}

async fn servers(asked: Asked) -> Result<Servers> {
    all(&asked.monitor).await
}

async fn server(asked: Asked) -> Result<Server> {
    let id = asked.part("id");
    let servers = node::list(&asked.monitor.inside.db, &asked.monitor.liveness).await?;
    let found = find(servers, id, asked.query.text("start_token"));
    found.ok_or_else(|| Error::not_found("server", id.chars().take(300).collect::<String>()))
}
