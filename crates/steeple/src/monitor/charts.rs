//! `charts/`: the same numbers in the shapes of charts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Monitor,
    endpoint::{Asked, Endpoint, get},
    query::{Parameter, hours},
};
use crate::{
    clock,
    error::Result,
    node::{self, Event, EventKind, Uptime},
    record::stats::{Bucket, ErrorNumbers, Errors, Interval, Question, Statistics, Timeline},
};

const HOURS: &[Parameter] = &[hours(720)];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("charts/server-uptime/", "How many servers ran", HOURS, get_server_uptime),
        get("charts/request-volume/", "How many calls ended, and how many succeeded", HOURS, get_request_volume),
        get("charts/response-time/", "How long calls took", HOURS, get_response_time),
        get("charts/service-activity/", "Which services were called", HOURS, get_service_activity),
        get("charts/server-lifecycle/", "When servers started and ended", HOURS, get_server_lifecycle),
        get("charts/error-distribution/", "Which codes failed calls ended with", HOURS, get_error_distribution),
        get("charts/dashboard/", "All of these but the lifecycle", HOURS, get_dashboard),
    ]
}

/// How many servers ran.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ServerUptime {
    pub title: &'static str,
    pub data_points: Vec<Uptime>,
    pub period_hours: u32,
    pub granularity: Interval,
    pub total_servers: usize,
    pub currently_running: usize,
}

/// How many calls ended, and how many succeeded.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RequestVolume {
    pub title: &'static str,
    pub data_points: Vec<Volume>,
    pub period_hours: u32,
    pub granularity: Interval,
    /// Of all points.
    pub total_requests: u64,
    /// Per cent of all points' calls that succeeded.
    pub avg_success_rate: f64,
}

/// The calls of one bucket.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Volume {
    pub timestamp: clock::Time,
    pub total_requests: u64,
    pub successful_requests: u64,
    /// All that did not end with OK.
    pub failed_requests: u64,
    pub success_rate: f64,
}

/// How long calls took.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ResponseTime {
    pub title: &'static str,
    pub data_points: Vec<Durations>,
    pub period_hours: u32,
    pub granularity: Interval,
    /// Of all points.
    pub overall_avg_ms: f64,
    /// Of all points.
    pub overall_p95_ms: f64,
}

/// The durations of one bucket, in milliseconds.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Durations {
    pub timestamp: clock::Time,
    pub avg_duration_ms: f64,
    pub p50_duration_ms: f64,
    pub p95_duration_ms: f64,
    pub p99_duration_ms: f64,
    pub min_duration_ms: f64,
    pub max_duration_ms: f64,
}

/// Which services were called, the busiest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ServiceActivity {
    pub title: &'static str,
    pub services: Vec<Activity>,
    pub period_hours: u32,
    pub total_services: usize,
    /// Null when none was called.
    pub most_active_service: Option<String>,
}

/// The calls of one service.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Activity {
    pub service_name: String,
    pub request_count: u64,
    pub success_rate: f64,
    pub avg_duration_ms: f64,
}

/// When servers started and ended, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ServerLifecycle {
    pub title: &'static str,
    pub events: Vec<Event>,
    pub period_hours: u32,
    pub total_events: usize,
    pub restart_count: usize,
    pub error_count: usize,
}

/// Which codes failed calls ended with, most frequent first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ErrorDistribution {
    pub title: &'static str,
    pub error_types: Vec<ErrorNumbers>,
    pub period_hours: u32,
    pub total_errors: u64,
    /// The code that most calls ended with, whatever their method. Null when no call failed.
    pub most_common_error: Option<String>,
}

/// All charts but the lifecycle.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Dashboard {
    pub server_uptime: ServerUptime,
    pub request_volume: RequestVolume,
    pub response_time: ResponseTime,
    pub service_activity: ServiceActivity,
    pub error_distribution: ErrorDistribution,
    pub period_hours: u32,
    pub generated_at: clock::Time,
}

fn since(hours: u32) -> clock::Time {
    clock::now() - chrono::TimeDelta::hours(hours.into())
}

/// How many servers ran.
///
/// # Errors
/// The database's.
pub(crate) async fn server_uptime(monitor: &Monitor, hours: u32) -> Result<ServerUptime> {
    let granularity = Interval::for_hours(hours);
    let servers = node::list(&monitor.inside.db, &monitor.liveness).await?;
    let data_points = node::uptime(&servers, since(hours), granularity.seconds());
    Ok(ServerUptime {
        title: "Server uptime",
        data_points,
        period_hours: hours,
        granularity,
        total_servers: servers.len(),
        currently_running: servers.iter().filter(|server| server.is_running).count(),
    })
}

/// When servers started and ended.
///
/// # Errors
/// The database's.
pub(crate) async fn server_lifecycle(monitor: &Monitor, hours: u32) -> Result<ServerLifecycle> {
    let events = node::events(&monitor.inside.db, &monitor.liveness, since(hours)).await?;
    let count = |kind| events.iter().filter(|event| event.event_type == kind).count();
    Ok(ServerLifecycle {
        title: "Server lifecycle",
        period_hours: hours,
        total_events: events.len(),
        restart_count: count(EventKind::Started),
        error_count: count(EventKind::Error),
        events,
    })
}

/// How many calls ended, and how long they took, by bucket.
///
/// # Errors
/// The database's.
pub(crate) async fn calls(monitor: &Monitor, hours: u32) -> Result<(RequestVolume, ResponseTime, ServiceActivity)> {
    let (question, granularity) = (Question::last(hours)?, Interval::for_hours(hours));
    // The figures beside the points are those of the points, whose first is a whole bucket.
    let Timeline { all, buckets, .. } = question.timeline(&monitor.inside.db, granularity).await?;
    let Statistics { mut services, .. } = question.statistics(&monitor.inside.db).await?;
    let volume = |bucket: &Bucket| Volume {
        timestamp: bucket.timestamp,
        total_requests: bucket.total,
        successful_requests: bucket.successful,
        failed_requests: bucket.total - bucket.successful,
        success_rate: bucket.success_rate,
    };
    let durations = |bucket: &Bucket| Durations {
        timestamp: bucket.timestamp,
        avg_duration_ms: bucket.avg_duration_ms,
        p50_duration_ms: bucket.p50_duration_ms,
        p95_duration_ms: bucket.p95_duration_ms,
        p99_duration_ms: bucket.p99_duration_ms,
        min_duration_ms: bucket.min_duration_ms,
        max_duration_ms: bucket.max_duration_ms,
    };
    services.sort_by_key(|service| std::cmp::Reverse(service.total));
    let activity = services.iter().map(|service| Activity {
        service_name: service.service_name.clone(),
        request_count: service.total,
        success_rate: service.success_rate,
        avg_duration_ms: service.avg_duration_ms,
    });
    Ok((
        RequestVolume {
            title: "Request volume",
            data_points: buckets.iter().map(volume).collect(),
            period_hours: hours,
            granularity,
            total_requests: all.total,
            avg_success_rate: all.success_rate,
        },
        ResponseTime {
            title: "Response time",
            data_points: buckets.iter().map(durations).collect(),
            period_hours: hours,
            granularity,
            overall_avg_ms: all.avg_duration_ms,
            overall_p95_ms: all.p95_duration_ms,
        },
        ServiceActivity {
            title: "Service activity",
            services: activity.collect(),
            period_hours: hours,
            total_services: services.len(),
            most_active_service: services.first().map(|service| service.service_name.clone()),
        },
    ))
}

/// Which codes failed calls ended with.
///
/// # Errors
/// The database's.
pub(crate) async fn error_distribution(monitor: &Monitor, hours: u32) -> Result<ErrorDistribution> {
    let Errors { total_errors, errors, .. } = Question::last(hours)?.errors(&monitor.inside.db).await?;
    Ok(ErrorDistribution {
        title: "Error distribution",
        period_hours: hours,
        total_errors,
        most_common_error: most_common(&errors),
        error_types: errors,
    })
}

/// The code with the highest sum over its methods; of several the first by name.
fn most_common(errors: &[ErrorNumbers]) -> Option<String> {
    let mut codes = BTreeMap::<&str, u64>::new();
    for error in errors {
        *codes.entry(&error.error_code).or_default() += error.count;
    }
    codes.into_iter().rev().max_by_key(|(_, count)| *count).map(|(code, _)| code.to_owned())
}

async fn get_server_uptime(asked: Asked) -> Result<ServerUptime> {
    server_uptime(&asked.monitor, asked.query.hours()).await
}

async fn get_request_volume(asked: Asked) -> Result<RequestVolume> {
    Ok(calls(&asked.monitor, asked.query.hours()).await?.0)
}

async fn get_response_time(asked: Asked) -> Result<ResponseTime> {
    Ok(calls(&asked.monitor, asked.query.hours()).await?.1)
}

async fn get_service_activity(asked: Asked) -> Result<ServiceActivity> {
    Ok(calls(&asked.monitor, asked.query.hours()).await?.2)
}

async fn get_server_lifecycle(asked: Asked) -> Result<ServerLifecycle> {
    server_lifecycle(&asked.monitor, asked.query.hours()).await
}

async fn get_error_distribution(asked: Asked) -> Result<ErrorDistribution> {
    error_distribution(&asked.monitor, asked.query.hours()).await
}

async fn get_dashboard(asked: Asked) -> Result<Dashboard> {
    let (monitor, hours) = (&asked.monitor, asked.query.hours());
    let (request_volume, response_time, service_activity) = calls(monitor, hours).await?;
    Ok(Dashboard {
        server_uptime: server_uptime(monitor, hours).await?,
        request_volume,
        response_time,
        service_activity,
        error_distribution: error_distribution(monitor, hours).await?,
        period_hours: hours,
        generated_at: clock::now(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_common_error_is_summed_over_methods() {
        let error = |code: &str, method: &str, count| ErrorNumbers {
            error_code: code.to_owned(),
            service_name: "a.B".to_owned(),
            method_name: method.to_owned(),
            count,
            percentage: 0.0,
        };
        let errors = [error("INTERNAL", "One", 5), error("NOT_FOUND", "One", 4), error("NOT_FOUND", "Two", 3)];
        assert_eq!(most_common(&errors).as_deref(), Some("NOT_FOUND"));
        assert_eq!(most_common(&errors[..2]).as_deref(), Some("INTERNAL"));
        assert_eq!(most_common(&[error("B", "One", 2), error("A", "Two", 2)]).as_deref(), Some("A"));
        assert_eq!(most_common(&[]), None);
    }
}
