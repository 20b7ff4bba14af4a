//! `services/`: what is served, and how it is called.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Monitor,
    endpoint::{Asked, Endpoint, get},
    paged::Paged,
    query::{PAGE, PAGE_SIZE, Parameter, hours},
};
use crate::{
    auth::Access,
    clock,
    error::{Error, Result},
    method::Shape,
    record::{
        RequestLog,
        stats::{Numbers, Question, Statistics},
    },
    server::{PlannedMethod, PlannedService},
};

const LIST: &[Parameter] = &[hours(8760), PAGE, PAGE_SIZE];
const ONE: &[Parameter] = &[hours(8760)];
/// Errors that are told of a service.
const RECENT: u64 = 5;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("services/", "The services that are served", LIST, services),
        get("services/{name}/", "One service, by its full name", ONE, service),
        get("services/{name}/methods/", "The methods of a service, with their numbers", ONE, methods),
    ]
}

/// Every service that is served.
pub(crate) fn served(monitor: &Monitor) -> impl Iterator<Item = &PlannedService> {
    monitor.inside.plan.services.iter()
}

/// A service that is served.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Service {
    /// Its own name: `CryptoService`.
    pub name: String,
    /// With its package: `crypto.CryptoService`.
    pub full_name: String,
    /// The package: `crypto`.
    pub package: String,
    /// The label of its app.
    pub app: String,
    /// How many methods it has.
    pub methods_count: usize,
    /// Calls that ended.
    pub total_requests: u64,
    /// Per cent that succeeded; 0 when there was no call.
    pub success_rate: f64,
    /// The mean duration in milliseconds; 0 when there was no call.
    pub avg_duration_ms: f64,
    /// When the last call ended; null when there was none in that time.
    pub last_activity_at: Option<clock::Time>,
}

/// A service with everything that is known of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Detail {
    /// Its own name: `CryptoService`.
    pub name: String,
    /// With its package: `crypto.CryptoService`.
    pub full_name: String,
    /// The package: `crypto`.
    pub package: String,
    /// The label of its app.
    pub app: String,
    /// The comment above it in its proto.
    pub description: String,
    /// The file and line of the implementation, as the site's sources have it.
    pub file_path: String,
    /// The type that implements it.
    pub class_name: String,
    /// Its methods.
    pub methods: Vec<Method>,
    /// Its numbers.
    pub stats: Stats,
    /// Its last calls that failed in the hours asked for, newest first.
    pub recent_errors: Vec<RecentError>,
}

/// The numbers of a service.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Stats {
    /// Calls that ended.
    pub total_requests: u64,
    /// Calls that ended in the last day.
    pub last_24h_requests: u64,
    /// The rest.
    #[serde(flatten)]
    pub numbers: Numbers,
}

/// A call that failed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RecentError {
    /// The row of the request log.
    pub id: i64,
    /// Its method.
    pub method: String,
    /// What the log says of it.
    pub error_message: Option<String>,
    /// The code it ended with.
    pub grpc_status_code: Option<String>,
    /// When it began.
    pub occurred_at: clock::Time,
}

/// A method that is served.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Method {
    /// Its own name: `GetCoin`.
    pub name: String,
    /// Its path on the wire: `/crypto.CryptoService/GetCoin`.
    pub full_name: String,
    /// The request message.
    pub request_type: String,
    /// The response message.
    pub response_type: String,
    /// `unary`, `client_streaming`, `server_streaming` or `bidirectional`.
    pub streaming: &'static str,
    /// Whether a caller needs a credential.
    pub auth_required: bool,
    /// What a caller must be.
    pub access: String,
    /// Which rule says so.
    pub access_from: String,
    /// The comment above it in its proto.
    pub description: String,
    /// Marked `deprecated` in its proto.
    pub deprecated: bool,
    /// The rooms a call goes through, in order.
    pub chain: Vec<String>,
}

impl Method {
    pub fn of(planned: &PlannedMethod) -> Self {
        let method = &planned.method;
        let shape: Shape = method.shape;
        Self {
            name: method.name.clone(),
            full_name: method.path.clone(),
            request_type: method.input.clone(),
            response_type: method.output.clone(),
            streaming: shape.as_str(),
            auth_required: planned.decision.access != Access::Public,
            access: planned.decision.access.to_string(),
            access_from: planned.decision.access_from.clone(),
            description: method.comment.clone(),
            deprecated: method.deprecated,
            chain: planned.chain.iter().map(Arc::<str>::as_ref).map(str::to_owned).collect(),
        }
    }
}

/// The methods of a service.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the names are the original's")]
pub(crate) struct Methods {
    /// The full name.
    pub service_name: String,
    /// Its methods, in the order of its proto.
    pub methods: Vec<MethodWithNumbers>,
    /// How many there are.
    pub total_methods: usize,
}

/// A method with its numbers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MethodWithNumbers {
    /// The service's full name.
    pub service_name: String,
    /// What it is.
    #[serde(flatten)]
    pub method: Method,
    /// How it was called.
    pub stats: Numbers,
}

fn names(full_name: &str) -> (String, String) {
    let (package, name) = full_name.rsplit_once('.').unwrap_or(("", full_name));
    (package.to_owned(), name.to_owned())
}

/// The services that are served, with their numbers.
///
/// # Errors
/// The database's.
pub(crate) async fn list(monitor: &Monitor, hours: u32) -> Result<Vec<Service>> {
    let statistics = Question::last(hours)?.statistics(&monitor.inside.db).await?;
    let service = |planned: &PlannedService| {
        let called = statistics.services.iter().find(|called| called.service_name == planned.found.name);
        let (package, name) = names(planned.found.name);
        Service {
            name,
            full_name: planned.found.name.to_owned(),
            package,
            app: planned.found.app.to_owned(),
            methods_count: planned.methods.len(),
            total_requests: called.map_or(0, |called| called.total),
            success_rate: called.map_or(0.0, |called| called.success_rate),
            avg_duration_ms: called.map_or(0.0, |called| called.avg_duration_ms),
            last_activity_at: called.map(|called| called.last_activity_at),
        }
    };
    Ok(served(monitor).map(service).collect())
}

/// The service with this full name.
///
/// # Errors
/// NOT_FOUND.
pub(crate) fn find<'m>(monitor: &'m Monitor, name: &str) -> Result<&'m PlannedService> {
    let found = served(monitor).find(|planned| planned.found.name == name);
    found.ok_or_else(|| Error::not_found("service", name.chars().take(200).collect::<String>()))
}

/// A service with everything that is known of it.
///
/// # Errors
/// NOT_FOUND, or the database's.
pub(crate) async fn detail(monitor: &Monitor, name: &str, hours: u32) -> Result<Detail> {
    let planned = find(monitor, name)?;
    let db = &monitor.inside.db;
    let numbers = Question::last(hours)?.service(name).statistics(db).await?.all;
    let last_24h_requests = match hours {
        24 => numbers.total,
        // Counts alone: no durations are read for them.
        _ => Question::last(24)?.service(name).errors(db).await?.total_calls,
    };
    let failed = RequestLog::recent(hours).by_service(name).errors().limit(RECENT);
    let failed = monitor.ask(move |db| async move { failed.all(&db).await }).await?;
    let recent_errors = failed.into_iter().map(|row| RecentError {
        id: row.id,
        method: row.method_name,
        error_message: row.error_message,
        grpc_status_code: row.grpc_status_code,
        occurred_at: row.created_at,
    });
    let (package, own) = names(name);
    Ok(Detail {
        name: own,
        full_name: name.to_owned(),
        package,
        app: planned.found.app.to_owned(),
        description: planned.comment.clone(),
        file_path: planned.found.at.to_owned(),
        class_name: planned.found.implementation.to_owned(),
        methods: planned.methods.iter().map(Method::of).collect(),
        stats: Stats { total_requests: numbers.total, last_24h_requests, numbers },
        recent_errors: recent_errors.collect(),
    })
}

/// The methods of a service, with their numbers.
///
/// # Errors
/// NOT_FOUND, or the database's.
pub(crate) async fn methods_of(monitor: &Monitor, name: &str, hours: u32) -> Result<Methods> {
    let planned = find(monitor, name)?;
    let Statistics { methods, .. } = Question::last(hours)?.service(name).statistics(&monitor.inside.db).await?;
    let with_numbers = |planned: &PlannedMethod| {
        let called = methods.iter().find(|called| called.method_name == planned.method.name);
        let stats = called.map(|called| called.numbers).unwrap_or_default();
        MethodWithNumbers { service_name: name.to_owned(), method: Method::of(planned), stats }
    };
    let methods: Vec<_> = planned.methods.iter().map(with_numbers).collect();
    Ok(Methods { service_name: name.to_owned(), total_methods: methods.len(), methods })
}

async fn services(asked: Asked) -> Result<Paged<Service>> {
    Paged::slice(list(&asked.monitor, asked.query.hours()).await?, asked.query.page())
}

async fn service(asked: Asked) -> Result<Detail> {
    detail(&asked.monitor, asked.part("name"), asked.query.hours()).await
}

async fn methods(asked: Asked) -> Result<Methods> {
    methods_of(&asked.monitor, asked.part("name"), asked.query.hours()).await
}
