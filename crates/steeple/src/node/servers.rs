//! All servers of the site, and who of them lives.

use std::cmp::Reverse;

use chrono::TimeDelta;
use schemars::JsonSchema;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use serde::Serialize;

use super::{
    Served,
    host::process_exists,
    hostname,
    table::{Column, Entity, Model},
};
use crate::{Db, Result, clock};

/// Heartbeats that a living server may miss.
const MISSED: i64 = 3;
/// How far the clocks of two hosts may be apart.
pub(super) const CLOCKS: i64 = 5;
/// Most servers that are looked at: those that said something last, so that none that lives is left out for those that are
/// gone.
const MOST: u64 = 1000;

/// How the living are told from the dead.
#[derive(Debug, Clone)]
pub struct Liveness {
    /// Processes on this host are asked for; `None`: the heartbeat alone decides.
    host: Option<String>,
}

impl Liveness {
    /// By heartbeat alone, as in production.
    pub fn by_heartbeat() -> Self {
        Self { host: None }
    }

    /// By heartbeat, and on this host by process id too, as in development.
    pub fn by_process() -> Self {
        Self { host: Some(hostname()) }
    }

    fn lives(&self, row: &Model, now: clock::Time) -> bool {
        let at_work = matches!(row.status.as_str(), "starting" | "running" | "stopping");
        let patience = TimeDelta::seconds(row.heartbeat_seconds.saturating_mul(MISSED).saturating_add(CLOCKS));
        let here = self.host.as_deref() == Some(row.hostname.as_str());
        at_work && now - row.last_heartbeat <= patience && (!here || process_exists(row.pid))
    }
}

/// A server of the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Server {
    /// `hostname:port:pid`.
    pub instance_id: String,
    /// Made up at each start: tells apart servers with one instance id.
    pub start_token: String,
    /// The site's name.
    pub site: String,
    /// The site's version.
    pub version: String,
    /// The address it listens on, without the port.
    pub host: String,
    /// The port it listens on.
    pub port: i32,
    /// Both.
    pub address: String,
    /// Where its HTTP listener is; null when that is off.
    pub http_address: Option<String>,
    /// Its process id.
    pub pid: i64,
    /// Its host's name.
    pub hostname: String,
    /// What it said last: `starting`, `running`, `stopping`, `stopped` or `error`.
    pub status: String,
    /// It said so lately, and its process is there where that can be known.
    pub is_running: bool,
    /// Why it ended, for `error`.
    pub error_message: Option<String>,
    /// Threads that run calls.
    pub max_workers: i32,
    /// Serves reflection.
    pub enable_reflection: bool,
    /// Serves health.
    pub enable_health_check: bool,
    /// What it serves.
    pub services: Vec<Served>,
    /// Calls under way at its last heartbeat.
    pub in_flight: i64,
    /// Closed calls that got no row in the request log, up to its last heartbeat.
    pub log_dropped: i64,
    /// When it started.
    pub started_at: clock::Time,
    /// When it last said anything.
    pub last_heartbeat: clock::Time,
    /// When it ended; null for one that runs, or went without a word.
    pub stopped_at: Option<clock::Time>,
    /// How long it has run, in seconds; how long it ran, for one that is gone.
    pub uptime_seconds: i64,
    /// The same for people: `1d 2h 3m 4s`.
    pub uptime_display: String,
}

impl Server {
    fn of(row: Model, liveness: &Liveness, now: clock::Time) -> Self {
        let is_running = liveness.lives(&row, now);
        let end = if is_running { now } else { row.stopped_at.unwrap_or(row.last_heartbeat) };
        let uptime_seconds = (end - row.started_at).num_seconds().max(0);
        Self {
            is_running,
            uptime_seconds,
            uptime_display: display(uptime_seconds),
            services: serde_json::from_str(&row.registered_services).unwrap_or_default(),
            instance_id: row.instance_id,
            start_token: row.start_token,
            site: row.site,
            version: row.version,
            host: row.host,
            port: row.port,
            address: row.address,
            http_address: row.http_address,
            pid: row.pid,
            hostname: row.hostname,
            status: row.status,
            error_message: row.error_message,
            max_workers: row.max_workers,
            enable_reflection: row.enable_reflection,
            enable_health_check: row.enable_health_check,
            in_flight: row.in_flight,
            log_dropped: row.log_dropped,
            started_at: row.started_at,
            last_heartbeat: row.last_heartbeat,
            stopped_at: row.stopped_at,
        }
    }

    /// Whether it ran at some time from `from` until before `until`.
    fn ran(&self, from: clock::Time, until: clock::Time) -> bool {
        let end = self.started_at + TimeDelta::seconds(self.uptime_seconds);
        self.started_at < until && end >= from
    }
}

/// `1d 2h 3m 4s`, from the largest unit that is not zero.
fn display(seconds: i64) -> String {
    let parts = [(seconds / 86_400, 'd'), (seconds / 3600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let first = parts.iter().position(|(number, _)| *number > 0).unwrap_or(3);
    parts[first..].iter().map(|(number, unit)| format!("{number}{unit}")).collect::<Vec<_>>().join(" ")
}

/// Every server that is known, those that run first, then the newest first.
///
/// # Errors
/// The database's.
pub async fn list(db: &Db, liveness: &Liveness) -> Result<Vec<Server>> {
    let now = clock::now();
    let rows = Entity::find().order_by_desc(Column::LastHeartbeat).limit(MOST).all(db).await?;
    let mut servers: Vec<_> = rows.into_iter().map(|row| Server::of(row, liveness, now)).collect();
    servers.sort_by_key(|server| (!server.is_running, Reverse(server.started_at)));
    Ok(servers)
}

/// Something that happened to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// It started.
    Started,
    /// It ended in order.
    Stopped,
    /// It ended otherwise: with an error, or without a word.
    Error,
}

/// When what happened to which server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Event {
    /// When.
    pub timestamp: clock::Time,
    /// What.
    pub event_type: EventKind,
    /// Which server.
    pub instance_id: String,
    /// Its address.
    pub server_address: String,
    /// Its process id.
    pub server_pid: i64,
    /// How long it had run by then, in seconds.
    pub uptime_seconds: i64,
    /// Why, for an error.
    pub error_message: Option<String>,
}

/// What happened to servers since `since`, newest first.
///
/// # Errors
/// The database's.
pub async fn events(db: &Db, liveness: &Liveness, since: clock::Time) -> Result<Vec<Event>> {
    let now = clock::now();
    let rows = Entity::find().filter(Column::LastHeartbeat.gte(since)).order_by_desc(Column::LastHeartbeat);
    let rows = rows.limit(MOST).all(db).await?;
    let mut events = Vec::new();
    for server in rows.into_iter().map(|row| Server::of(row, liveness, now)) {
        let event = |timestamp, event_type, uptime_seconds, error_message| Event {
            timestamp,
            event_type,
            instance_id: server.instance_id.clone(),
            server_address: server.address.clone(),
            server_pid: server.pid,
            uptime_seconds,
            error_message,
        };
        events.push(event(server.started_at, EventKind::Started, 0, None));
        if server.is_running {
            continue;
        }
        let uptime = server.uptime_seconds;
        events.push(match (server.stopped_at, &server.error_message) {
            (Some(at), None) => event(at, EventKind::Stopped, uptime, None),
            (Some(at), why) => event(at, EventKind::Error, uptime, why.clone()),
            (None, _) => {
                let why = "it has gone without a word".to_owned();
                event(server.last_heartbeat, EventKind::Error, uptime, Some(why))
            }
        });
    }
    events.retain(|event| event.timestamp >= since);
    events.sort_by_key(|event| Reverse(event.timestamp));
    Ok(events)
}

/// The servers that ran in one part of a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Uptime {
    /// When the part begins.
    pub timestamp: clock::Time,
    /// How many servers ran.
    pub server_count: usize,
    /// Which, by instance id.
    pub servers: Vec<String>,
}

/// Which of `servers` ran in each part of `seconds` from `from` until now.
pub fn uptime(servers: &[Server], from: clock::Time, seconds: i64) -> Vec<Uptime> {
    let now = clock::now().timestamp();
    let seconds = seconds.max(1);
    let first = from.timestamp() - from.timestamp().rem_euclid(seconds);
    let at = |second| chrono::DateTime::from_timestamp(second, 0).unwrap_or_default();
    let part = |start: i64| {
        let ran = servers.iter().filter(|server| server.ran(at(start), at(start + seconds)));
        let servers: Vec<_> = ran.map(|server| server.instance_id.clone()).collect();
        Uptime { timestamp: at(start), server_count: servers.len(), servers }
    };
    (first..=now).step_by(seconds as usize).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_reads_well() {
        assert_eq!(display(0), "0s");
        assert_eq!(display(61), "1m 1s");
        assert_eq!(display(86_400 + 3600), "1d 1h 0m 0s");
    }
}
