//! `monitor/overview/`: everything at a glance.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Monitor,
    endpoint::{Asked, Endpoint, get},
    query::{Parameter, hours},
    servers::{self, Counted},
    services::served,
};
use crate::{
    error::Result,
    node,
    record::stats::{MethodNumbers, Numbers, Question, ServiceNumbers, Statistics},
};

const PARAMETERS: &[Parameter] = &[hours(8760)];
/// Methods of each kind that are told.
const TOP: usize = 5;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![get("monitor/overview/", "Everything at a glance", PARAMETERS, overview)]
}

/// Everything at a glance.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Overview {
    /// The numbers of all calls.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// The hours that were asked for.
    pub period_hours: u32,
    /// Calls under way on all servers.
    pub in_flight: i64,
    /// Closed calls that got no row in the request log, on the servers that run.
    pub log_dropped: i64,
    /// The methods that were called most.
    pub top_methods: Vec<MethodNumbers>,
    /// The methods with the highest 95th percentile.
    pub slowest_methods: Vec<MethodNumbers>,
    /// How many servers there are.
    pub servers: Counted,
    /// The server that answers.
    pub server: ThisServer,
}

/// The server that answers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ThisServer {
    /// What it said of itself.
    #[serde(flatten)]
    pub server: node::Server,
    /// How many services it serves.
    pub registered_services_count: usize,
    /// Its services with what was called of them, on all servers.
    pub service_numbers: Vec<ServiceSummary>,
}

/// A service at a glance.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ServiceSummary {
    /// Its own name: `CryptoService`.
    pub name: String,
    /// With its package: `crypto.CryptoService`.
    pub full_name: String,
    /// How many methods it has.
    pub methods_count: usize,
    /// Calls that ended.
    pub request_count: u64,
    /// With an error.
    pub error_count: u64,
    /// Per cent that succeeded; 0 when there was no call.
    pub success_rate: f64,
}

/// Everything at a glance.
///
/// # Errors
/// INVALID_ARGUMENT for hours out of bounds; else the database's.
pub(crate) async fn of(monitor: &Monitor, hours: u32) -> Result<Overview> {
    let db = &monitor.inside.db;
    let Statistics { all, services, methods, .. } = Question::last(hours)?.statistics(db).await?;
    let servers = node::list(db, &monitor.liveness).await?;
    let running = || servers.iter().filter(|server| server.is_running);
    let ranked = |rank: fn(&MethodNumbers) -> f64| {
        let mut ranked = methods.clone();
        ranked.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
        ranked.truncate(TOP);
        ranked
    };
    let mut server = servers::this(monitor, &servers);
    server.in_flight = monitor.inside.in_flight() as i64;
    let service_numbers = served(monitor).map(|planned| {
        let called = services.iter().find(|called| called.service_name == planned.found.name);
        summary(planned.found.name, planned.methods.len(), called)
    });
    Ok(Overview {
        period_hours: hours,
        in_flight: running().map(|server| server.in_flight).sum(),
        log_dropped: running().map(|server| server.log_dropped).sum(),
        top_methods: ranked(|method| method.total as f64),
        slowest_methods: ranked(|method| method.p95_duration_ms),
        numbers: all,
        servers: Counted::of(&servers),
        server: ThisServer {
            registered_services_count: server.services.len(),
            service_numbers: service_numbers.collect(),
            server,
        },
    })
}

fn summary(full_name: &str, methods_count: usize, called: Option<&ServiceNumbers>) -> ServiceSummary {
    ServiceSummary {
        name: full_name.rsplit('.').next().unwrap_or(full_name).to_owned(),
        full_name: full_name.to_owned(),
        methods_count,
        request_count: called.map_or(0, |called| called.total),
        error_count: called.map_or(0, |called| called.errors),
        success_rate: called.map_or(0.0, |called| called.success_rate),
    }
}

async fn overview(asked: Asked) -> Result<Overview> {
    of(&asked.monitor, asked.query.hours()).await
}
