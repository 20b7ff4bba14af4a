//! `stats`: what the calls of the last hours amount to, and the servers that answered them.

use std::process::ExitCode;

use clap::ValueEnum;

use super::{
    Failure,
    logs::moment,
    out::{Out, counted, table},
};
use crate::{
    Db,
    config::{Config, Environment},
    node::{self, Liveness},
    record::{
        RequestLog,
        stats::{Bucket, Counts, Interval, LONGEST_HOURS, Numbers, Question, Statistics},
    },
};

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- stats
  cargo run -- stats --hours 168 --json
  cargo run -- stats timeline --hours 2 --interval minute --service crypto.CryptoService
  cargo run -- stats slowest --limit 5";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to show
    #[arg(value_enum, default_value = "methods")]
    what: What,
    /// The last HOURS, at most a year
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_HOURS)))]
    hours: u32,
    /// Only calls of this service, by its full name
    #[arg(long)]
    service: Option<String>,
    /// Only calls of this method, by its own name
    #[arg(long)]
    method: Option<String>,
    /// The length of a bucket of the timeline [default: hour up to two days, then day]
    #[arg(long, value_parser = ["minute", "hour", "day"])]
    interval: Option<String>,
    /// At most this many of the slowest calls, users or keys
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    limit: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Each method
    Methods,
    /// Each service
    Services,
    /// Each minute, hour or day
    Timeline,
    /// Which codes failed calls ended with
    Errors,
    /// The calls that took longest
    Slowest,
    /// Who called most
    Users,
    /// Which API keys called most
    Keys,
    /// The servers, and who of them lives
    Servers,
}

pub(super) async fn run(config: Config, arguments: &Arguments, out: Out) -> Result<ExitCode, Failure> {
    let db = super::log_database(&config).await?;
    let shown = show(&db, &config, arguments, out).await;
    db.close().await;
    shown.map(|()| ExitCode::SUCCESS)
}

async fn show(db: &Db, config: &Config, arguments: &Arguments, out: Out) -> Result<(), Failure> {
    let Arguments { what, hours, limit, .. } = *arguments;
    let mut question = Question::last(hours)?;
    if let Some(service) = &arguments.service {
        question = question.service(service);
    }
    if let Some(method) = &arguments.method {
        question = question.method(method);
    }
    match what {
        What::Methods => {
            let found = question.statistics(db).await?;
            out.either(&found, || methods(&found));
        }
        What::Services => {
            let found = question.statistics(db).await?;
            let lines = found.services.iter().map(|service| line(service.service_name.clone(), &service.numbers));
            out.either(&found.services, || numbers("service", lines, &found));
        }
        What::Timeline => {
            let named = arguments.interval.as_deref();
            let interval = Interval::ALL.into_iter().find(|interval| named == Some(interval.as_str()));
            let interval = interval.unwrap_or_else(|| Interval::for_hours(hours));
            let found = question.timeline(db, interval).await?;
            let bucket = |bucket: &Bucket| line(bucket.timestamp.format("%F %H:%M").to_string(), &bucket.numbers);
            out.either(&found, || table(headings("time (UTC)"), found.buckets.iter().map(bucket)));
        }
        What::Errors => {
            let found = question.errors(db).await?;
            let lines = found.errors.iter().map(|error| {
                let method = format!("{}/{}", error.service_name, error.method_name);
                [error.error_code.clone(), method, error.count.to_string(), format!("{:.2} %", error.percentage)]
            });
            out.either(&found, || {
                some(table(["code", "method", ">calls", ">share"], lines), hours, found.errors.len())
            });
        }
        What::Slowest => {
            let mut log = RequestLog::recent(hours);
            if let Some(service) = &arguments.service {
                log = log.by_service(service);
            }
            if let Some(method) = &arguments.method {
                log = log.by_method(method);
            }
            let rows = log.slowest(db, limit).await?;
            out.either(&rows, || some(super::logs::text(&rows), hours, rows.len()));
        }
        What::Users => {
            let found = question.users(db, limit as usize).await?;
            let lines = found.iter().map(|user| caller(user.user_id, &user.counts, user.last_activity_at));
            out.either(&found, || some(table(callers("user"), lines), hours, found.len()));
        }
        What::Keys => {
            let found = question.api_keys(db, limit as usize).await?;
            let lines = found.iter().map(|key| caller(key.api_key_id, &key.counts, key.last_activity_at));
            out.either(&found, || some(table(callers("key"), lines), hours, found.len()));
        }
        What::Servers => servers(db, config, out).await?,
    }
    Ok(())
}

async fn servers(db: &Db, config: &Config, out: Out) -> Result<(), Failure> {
    let liveness = match config.env {
        Environment::Production => Liveness::by_heartbeat(),
        Environment::Development | Environment::Test => Liveness::by_process(),
    };
    let found = node::list(db, &liveness).await?;
    let lines = found.iter().map(|server| {
        [
            server.instance_id.clone(),
            server.address.clone(),
            if server.is_running || server.stopped_at.is_some() { server.status.clone() } else { "gone".to_owned() },
            server.uptime_display.clone(),
            moment(server.last_heartbeat),
            server.in_flight.to_string(),
            server.log_dropped.to_string(),
            server.version.clone(),
        ]
    });
    let headings =
        ["server", "address", "status", ">uptime", "last heartbeat (UTC)", ">in flight", ">dropped rows", "version"];
    out.either(&found, || {
        if found.is_empty() { "no server has run on this database".to_owned() } else { table(headings, lines) }
    });
    Ok(())
}

fn some(table: String, hours: u32, lines: usize) -> String {
    if lines == 0 { format!("none in the last {}", counted(hours as usize, "hour")) } else { table }
}

fn methods(found: &Statistics) -> String {
    let lines = found.methods.iter();
    let lines = lines.map(|method| line(format!("{}/{}", method.service_name, method.method_name), &method.numbers));
    numbers("method", lines, found)
}

fn numbers(heading: &'static str, lines: impl Iterator<Item = [String; 10]>, found: &Statistics) -> String {
    let hours = counted(found.hours as usize, "hour");
    if found.all.total == 0 {
        return format!("no calls in the last {hours}");
    }
    let all = line(format!("all of the last {hours}"), &found.all);
    table(headings(heading), lines.chain([all]))
}

fn headings(first: &'static str) -> [&'static str; 10] {
    [first, ">calls", ">success", ">errors", ">cancelled", ">timeout", ">mean", ">p50", ">p95", ">p99"]
}

fn line(name: String, numbers: &Numbers) -> [String; 10] {
    let ms = |value: f64| format!("{value:.2} ms");
    [
        name,
        numbers.total.to_string(),
        format!("{:.2} %", numbers.success_rate),
        numbers.errors.to_string(),
        numbers.cancelled.to_string(),
        numbers.timeout.to_string(),
        ms(numbers.avg_duration_ms),
        ms(numbers.p50_duration_ms),
        ms(numbers.p95_duration_ms),
        ms(numbers.p99_duration_ms),
    ]
}

fn callers(first: &'static str) -> [&'static str; 6] {
    [first, ">calls", ">success", ">errors", ">mean", "last call (UTC)"]
}

fn caller(id: i64, counts: &Counts, last: crate::clock::Time) -> [String; 6] {
    [
        id.to_string(),
        counts.total.to_string(),
        format!("{:.2} %", counts.success_rate),
        counts.errors.to_string(),
        format!("{:.2} ms", counts.avg_duration_ms),
        moment(last),
    ]
}
