//! What the calls of a time amount to, without looking at one of them.
//!
//! The recorder adds every closed call to a row per minute and a row per hour, method, code and node in
//! `steeple_request_stats`, in the transaction that writes the call's own row. A question adds up the full hours and,
//! at its beginning, the minutes; a million calls cost it no more than a thousand. Percentiles come from merged
//! histograms and are wrong by at most 1 %; everything else is exact.
//!
//! Minutes are kept for [`MINUTE_DAYS`], hours for [`HOUR_DAYS`]. Must never: read the log itself.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use serde::Serialize;
use tonic::Code;

use super::{
    State,
    histogram::{Codec, Histogram},
    tally::{HOUR, MINUTE},
};
use crate::{Db, Error, Result};

/// Days for which the numbers of each minute are kept.
pub const MINUTE_DAYS: i64 = 7;
/// Days for which the numbers of each hour are kept.
pub const HOUR_DAYS: i64 = 400;
/// The longest time that can be asked for, in hours: a year.
pub const LONGEST_HOURS: u32 = 8760;

/// What the calls that ended in the last `hours` amount to. Calls that still run are not counted.
///
/// The time begins at a full minute; when it lies more than [`MINUTE_DAYS`] ago, at a full hour.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// The hours that were asked for.
    pub hours: u32,
    /// The numbers of all calls.
    #[serde(flatten)]
    pub all: Numbers,
    /// The numbers of each method that was called, by service and name.
    pub methods: Vec<MethodNumbers>,
}

impl std::ops::Deref for Statistics {
    type Target = Numbers;

    fn deref(&self) -> &Numbers {
        &self.all
    }
}

/// The numbers of one method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodNumbers {
    /// The full name: `crypto.CryptoService`; `(other)` for made-up paths.
    pub service_name: String,
    /// `GetCoin`.
    pub method_name: String,
    /// Its numbers.
    #[serde(flatten)]
    pub numbers: Numbers,
}

/// The numbers of a set of calls. Durations are in milliseconds, and 0 when there was no call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Numbers {
    /// Calls that ended.
    pub total: u64,
    /// With OK.
    pub successful: u64,
    /// With any code but OK, CANCELLED and DEADLINE_EXCEEDED.
    pub errors: u64,
    /// With CANCELLED.
    pub cancelled: u64,
    /// With DEADLINE_EXCEEDED.
    pub timeout: u64,
    /// Per cent of `total` that was successful, two decimals; 0 when there was no call.
    pub success_rate: f64,
    /// The mean, exact to the microsecond.
    pub avg_duration_ms: f64,
    /// Half of all calls took no longer.
    pub p50_duration_ms: f64,
    /// 95 % of all calls took no longer.
    pub p95_duration_ms: f64,
    /// 99 % of all calls took no longer.
    pub p99_duration_ms: f64,
    /// Bytes that came in.
    pub request_bytes: u64,
    /// Bytes that went out.
    pub response_bytes: u64,
}

#[derive(FromQueryResult)]
struct Part {
    service_name: String,
    method_name: String,
    grpc_code: i16,
    calls: i64,
    duration_us: i64,
    request_bytes: i64,
    response_bytes: i64,
    histogram: Vec<u8>,
}

/// The statistics of `hours` up to `now`, in seconds since 1970.
pub(super) async fn read(db: &Db, hours: u32, now: i64) -> Result<Statistics> {
    if !(1..=LONGEST_HOURS).contains(&hours) {
        return Err(Error::invalid("hours", format!("must be between 1 and {LONGEST_HOURS}")));
    }
    let (minutes_from, hours_from) = edges(hours, now);
    let sql =
        "SELECT service_name, method_name, grpc_code, calls, duration_us, request_bytes, response_bytes, histogram \
               FROM steeple_request_stats WHERE (period = 3600 AND starts_at >= {b}) \
               OR (period = 60 AND starts_at >= {a} AND starts_at < {b})"
            .replace("{a}", &minutes_from.to_string())
            .replace("{b}", &hours_from.to_string());
    let parts = Part::find_by_statement(Statement::from_string(db.get_database_backend(), sql)).all(db).await?;

    let mut codec = Codec::new();
    let mut methods = BTreeMap::<(String, String), Sum>::new();
    for part in parts {
        let histogram = codec.decode(&part.histogram);
        let sum = methods.entry((part.service_name, part.method_name)).or_default();
        sum.count(part.grpc_code, part.calls as u64);
        sum.duration_us += part.duration_us as u64;
        sum.numbers.request_bytes += part.request_bytes as u64;
        sum.numbers.response_bytes += part.response_bytes as u64;
        if let Some(histogram) = histogram {
            sum.histogram.add(&histogram);
        } else {
            tracing::warn!("a histogram in steeple_request_stats cannot be read; percentiles leave it out");
        }
    }
    let mut all = Sum::default();
    for sum in methods.values() {
        all.add(sum);
    }
    let methods = methods.into_iter().map(|((service_name, method_name), sum)| MethodNumbers {
        service_name,
        method_name,
        numbers: sum.numbers(),
    });
    Ok(Statistics { hours, all: all.numbers(), methods: methods.collect() })
}

/// Where the minutes begin, and where the hours do that follow them.
fn edges(hours: u32, now: i64) -> (i64, i64) {
    let from = now - i64::from(hours) * HOUR;
    if from < now - MINUTE_DAYS * 86_400 {
        let hour = from - from.rem_euclid(HOUR);
        return (hour, hour);
    }
    let next_hour = from + (-from).rem_euclid(HOUR);
    (from - from.rem_euclid(MINUTE), next_hour)
}

struct Sum {
    numbers: Numbers,
    duration_us: u64,
    histogram: Histogram,
}

impl Default for Sum {
    fn default() -> Self {
        Self { numbers: Numbers::default(), duration_us: 0, histogram: Histogram::new() }
    }
}

impl Sum {
    fn count(&mut self, code: i16, calls: u64) {
        let numbers = &mut self.numbers;
        numbers.total += calls;
        *match State::of(Code::from_i32(code.into())) {
            State::Success => &mut numbers.successful,
            State::Cancelled => &mut numbers.cancelled,
            State::Timeout => &mut numbers.timeout,
            State::Error | State::Pending => &mut numbers.errors,
        } += calls;
    }

    fn add(&mut self, other: &Self) {
        let (sum, part) = (&mut self.numbers, &other.numbers);
        sum.total += part.total;
        sum.successful += part.successful;
        sum.errors += part.errors;
        sum.cancelled += part.cancelled;
        sum.timeout += part.timeout;
        sum.request_bytes += part.request_bytes;
        sum.response_bytes += part.response_bytes;
        self.duration_us += other.duration_us;
        self.histogram.add(&other.histogram);
    }

    fn numbers(&self) -> Numbers {
        let mut numbers = self.numbers;
        if numbers.total > 0 {
            let share = numbers.successful as f64 / numbers.total as f64;
            numbers.success_rate = (share * 10_000.0).round() / 100.0;
            numbers.avg_duration_ms = (self.duration_us as f64 / numbers.total as f64).round() / 1000.0;
        }
        let quantile = |quantile| self.histogram.quantile_ms(quantile).unwrap_or_default();
        numbers.p50_duration_ms = quantile(0.50);
        numbers.p95_duration_ms = quantile(0.95);
        numbers.p99_duration_ms = quantile(0.99);
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_fill_the_time_up_to_the_first_full_hour() {
        let hour = 500_000 * HOUR;
        assert_eq!(edges(1, hour + 90), (hour - 3600 + 60, hour));
        assert_eq!(edges(24, hour + 3599), (hour - 23 * 3600 - 60, hour - 23 * 3600));
        assert_eq!(edges(1, hour), (hour - 3600, hour - 3600));
        assert_eq!(edges(24 * 30, hour + 90), (hour - 24 * 30 * 3600, hour - 24 * 30 * 3600));
    }
}
