//! `stats`: what the calls of the last hours amount to.

use std::process::ExitCode;

use super::{
    Failure,
    out::{Out, counted, table},
};
use crate::{
    config::Config,
    record::{
        RequestLog,
        stats::{LONGEST_HOURS, Numbers, Statistics},
    },
};

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- stats
  cargo run -- stats --hours 168 --json";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The last HOURS, at most a year
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_HOURS)))]
    hours: u32,
}

pub(super) async fn run(config: Config, arguments: &Arguments, out: Out) -> Result<ExitCode, Failure> {
    let db = super::log_database(&config).await?;
    let statistics = RequestLog::get_statistics(&db, arguments.hours).await?;
    db.close().await;
    out.either(&statistics, || text(&statistics));
    Ok(ExitCode::SUCCESS)
}

fn text(statistics: &Statistics) -> String {
    let hours = counted(statistics.hours as usize, "hour");
    if statistics.all.total == 0 {
        return format!("no calls in the last {hours}");
    }
    let methods = statistics
        .methods
        .iter()
        .map(|method| line(format!("{}/{}", method.service_name, method.method_name), &method.numbers));
    let all = line(format!("all of the last {hours}"), &statistics.all);
    let headings =
        ["method", ">calls", ">success", ">errors", ">cancelled", ">timeout", ">mean", ">p50", ">p95", ">p99"];
    table(headings, methods.chain([all]))
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
