//! `config/config/` and `config/server-info/`: how the server that answers is set up.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Monitor,
    endpoint::{Asked, Endpoint, get},
    servers, services,
};
use crate::{clock, error::Result, node, record::stats::Question};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("config/config/", "How the server is configured, without secrets", &[], config),
        get("config/server-info/", "What the server is and has done in the last day", &[], info),
    ]
}

/// How the server is configured.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Settings {
    /// Its listener.
    pub server: Listener,
    /// How services are found.
    pub framework: Framework,
    /// What is on.
    pub features: Features,
    /// How many services are served.
    pub registered_services: usize,
    /// How many methods they have.
    pub total_methods: usize,
    /// Every key of the configuration as it holds now, by section, without secrets.
    pub sections: serde_json::Value,
}

/// The listener.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Listener {
    /// The address it listens on.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Always true: a server that is off does not answer.
    pub enabled: bool,
    /// Calls that one connection may have open at once.
    pub max_concurrent_streams: u32,
    /// Calls under way at once; null: no limit.
    pub max_concurrent_rpcs: Option<usize>,
}

/// How services are found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Framework {
    /// Always true.
    pub enabled: bool,
    /// Every service that the build found is served.
    pub auto_discover: bool,
    /// Where the build looks for apps.
    pub services_path: &'static str,
    /// The site's interceptors that some method has, in the order in which they run.
    pub interceptors: Vec<String>,
}

/// What is on.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Features {
    /// Callers may send API keys.
    pub api_key_auth: bool,
    /// Calls get rows in the database.
    pub request_logging: bool,
    /// There is `/metrics`.
    pub metrics: bool,
    /// Reflection is served.
    pub reflection: bool,
    /// Health is served.
    pub health_check: bool,
}

/// What the server is and has done in the last day.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Info {
    /// `running`, or what it said last.
    pub server_status: String,
    /// Where calls are answered.
    pub address: String,
    /// When it started.
    pub started_at: clock::Time,
    /// How long it has run, in seconds.
    pub uptime_seconds: i64,
    /// What it serves.
    pub services: Vec<ServiceInfo>,
    /// The rooms of a call, in order: its own, then the site's.
    pub interceptors: Vec<InterceptorInfo>,
    /// What was called on all servers in the last day.
    pub stats: InfoStats,
}

/// A service that is served.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ServiceInfo {
    /// Its own name.
    pub name: String,
    /// With its package.
    pub full_name: String,
    /// The comment above it in its proto.
    pub description: String,
    /// The names of its methods.
    pub methods: Vec<String>,
}

/// A room of a call.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InterceptorInfo {
    /// Its name.
    pub name: String,
    /// Always true: what is not on is not listed.
    pub enabled: bool,
}

/// What was called in the last day.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InfoStats {
    /// Calls that ended.
    pub total_requests: u64,
    /// Per cent that succeeded.
    pub success_rate: f64,
    /// The mean duration in milliseconds.
    pub avg_duration_ms: f64,
}

/// How the server is configured.
pub(crate) fn of(monitor: &Monitor) -> Settings {
    let (inside, config) = (&monitor.inside, &monitor.inside.config);
    let serves = |part: &str| services::served(monitor).any(|planned| planned.found.name.contains(part));
    let own = crate::interceptor::ROOMS;
    Settings {
        server: Listener {
            host: inside.grpc.ip().to_string(),
            port: inside.grpc.port(),
            enabled: true,
            max_concurrent_streams: config.server.max_concurrent_streams,
            max_concurrent_rpcs: Some(config.calls.max_in_flight).filter(|most| *most > 0),
        },
        framework: Framework {
            enabled: true,
            auto_discover: config.apps.auto_register_apps,
            services_path: "src/apps",
            interceptors: rooms(monitor).into_iter().filter(|name| !own.contains(&name.as_str())).collect(),
        },
        features: Features {
            api_key_auth: true,
            request_logging: config.log.enabled,
            metrics: true,
            reflection: serves("grpc.reflection."),
            health_check: serves("grpc.health."),
        },
        registered_services: inside.plan.services.len(),
        total_methods: inside.plan.methods().count(),
        sections: serde_json::to_value(config.redacted()).unwrap_or_default(),
    }
}

/// The names of all rooms that some method has, in order.
fn rooms(monitor: &Monitor) -> Vec<String> {
    let mut names = Vec::<String>::new();
    for name in monitor.inside.plan.methods().flat_map(|planned| &planned.chain) {
        if !names.iter().any(|known| known == &**name) {
            names.push(name.to_string());
        }
    }
    names
}

/// What the server is and has done in the last day.
///
/// # Errors
/// The database's.
pub(crate) async fn info_of(monitor: &Monitor) -> Result<Info> {
    let db = &monitor.inside.db;
    let server = servers::this(monitor, &node::list(db, &monitor.liveness).await?);
    let all = Question::last(24)?.statistics(db).await?.all;
    let service = |planned: &crate::server::PlannedService| ServiceInfo {
        name: planned.found.name.rsplit('.').next().unwrap_or_default().to_owned(),
        full_name: planned.found.name.to_owned(),
        description: planned.comment.clone(),
        methods: planned.methods.iter().map(|planned| planned.method.name.clone()).collect(),
    };
    Ok(Info {
        server_status: server.status,
        address: server.address,
        started_at: server.started_at,
        uptime_seconds: server.uptime_seconds,
        services: services::served(monitor).map(service).collect(),
        interceptors: rooms(monitor).into_iter().map(|name| InterceptorInfo { name, enabled: true }).collect(),
        stats: InfoStats {
            total_requests: all.total,
            success_rate: all.success_rate,
            avg_duration_ms: all.avg_duration_ms,
        },
    })
}

async fn config(asked: Asked) -> Result<Settings> {
    Ok(of(&asked.monitor))
}

async fn info(asked: Asked) -> Result<Info> {
    info_of(&asked.monitor).await
}
