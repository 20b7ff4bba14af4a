//! What a set of calls amounts to, and how such sums are added up.

use schemars::JsonSchema;
use serde::Serialize;
use tonic::Code;

use crate::{
    clock,
    record::{State, histogram::Durations},
};

/// How many calls ended, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Counts {
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
    /// Per cent of `total` that was successful, two decimals; 0 when there was no call, and never 100 when one failed.
    pub success_rate: f64,
    /// The mean duration in milliseconds, exact to the microsecond; 0 when there was no call.
    pub avg_duration_ms: f64,
    /// Bytes that came in.
    pub request_bytes: u64,
    /// Bytes that went out.
    pub response_bytes: u64,
}

/// The numbers of a set of calls. Durations are in milliseconds, and 0 when there was no call; all but the mean are
/// within 1 %.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Numbers {
    /// How many, and how they ended.
    #[serde(flatten)]
    pub counts: Counts,
    /// The shortest.
    pub min_duration_ms: f64,
    /// Half of all calls took no longer.
    pub p50_duration_ms: f64,
    /// 95 % of all calls took no longer.
    pub p95_duration_ms: f64,
    /// 99 % of all calls took no longer.
    pub p99_duration_ms: f64,
    /// The longest.
    pub max_duration_ms: f64,
}

impl std::ops::Deref for Numbers {
    type Target = Counts;

    fn deref(&self) -> &Counts {
        &self.counts
    }
}

/// Counts in the making.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tallied {
    counts: Counts,
    duration_us: u64,
}

impl Tallied {
    pub fn add(&mut self, grpc_code: i16, calls: i64, duration_us: i64, (request_bytes, response_bytes): (i64, i64)) {
        let calls = calls.max(0) as u64;
        self.counts.total += calls;
        *match State::of(Code::from_i32(grpc_code.into())) {
            State::Success => &mut self.counts.successful,
            State::Cancelled => &mut self.counts.cancelled,
            State::Timeout => &mut self.counts.timeout,
            State::Error | State::Pending => &mut self.counts.errors,
        } += calls;
        self.duration_us += duration_us.max(0) as u64;
        self.counts.request_bytes += request_bytes.max(0) as u64;
        self.counts.response_bytes += response_bytes.max(0) as u64;
    }

    pub fn counts(&self) -> Counts {
        let mut counts = self.counts;
        if counts.total > 0 {
            counts.success_rate = percent(counts.successful, counts.total);
            counts.avg_duration_ms = (self.duration_us as f64 / counts.total as f64).round() / 1000.0;
        }
        counts
    }

    fn merge(&mut self, other: &Self) {
        let (sum, part) = (&mut self.counts, &other.counts);
        sum.total += part.total;
        sum.successful += part.successful;
        sum.errors += part.errors;
        sum.cancelled += part.cancelled;
        sum.timeout += part.timeout;
        sum.request_bytes += part.request_bytes;
        sum.response_bytes += part.response_bytes;
        self.duration_us += other.duration_us;
    }
}

/// `part` of `whole` in per cent, two decimals. Never 100 unless it is the whole: 99.999 would hide the failure.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    let rounded = (part as f64 / whole as f64 * 10_000.0).round() / 100.0;
    if part < whole { rounded.min(99.99) } else { rounded }
}

/// Microseconds since 1970 as a moment.
pub(super) fn moment(micros: i64) -> clock::Time {
    chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// Numbers in the making.
#[derive(Default)]
pub(super) struct Sum {
    tallied: Tallied,
    last_us: i64,
    durations: Durations,
}

impl Sum {
    pub fn add(&mut self, part: &super::Part) {
        let bytes = (part.request_bytes, part.response_bytes);
        self.tallied.add(part.grpc_code, part.calls, part.duration_us, bytes);
        self.last_us = self.last_us.max(part.last_us);
        if !self.durations.add_encoded(&part.histogram) {
            tracing::warn!("a histogram in steeple_request_stats cannot be read; percentiles leave it out");
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.tallied.merge(&other.tallied);
        self.last_us = self.last_us.max(other.last_us);
        self.durations.merge(&other.durations);
    }

    /// When the last of the calls ended.
    pub fn last(&self) -> clock::Time {
        moment(self.last_us)
    }

    pub fn numbers(&self) -> Numbers {
        let [p50, p95, p99] = self.durations.quantiles_ms([0.50, 0.95, 0.99]).unwrap_or_default();
        let (shortest, longest) = self.durations.extremes_ms().unwrap_or_default();
        Numbers {
            counts: self.tallied.counts(),
            min_duration_ms: shortest,
            p50_duration_ms: p50,
            p95_duration_ms: p95,
            p99_duration_ms: p99,
            max_duration_ms: longest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn a_failure_is_never_rounded_away() {
        let told = [(0, 0), (0, 7), (5, 7), (7, 7), (99_999, 100_000), (u64::MAX - 1, u64::MAX)];
        let rates = told.map(|(part, whole)| percent(part, whole));
        assert_eq!(rates.map(f64::to_bits), [0.0_f64, 0.0, 71.43, 100.0, 99.99, 99.99].map(f64::to_bits));
    }
}
