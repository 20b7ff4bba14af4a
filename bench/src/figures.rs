//! From samples of single rounds to what is told: medians, ratios of the same round, and criteria.
//!
//! The machine's own load moves whole rounds up and down, so two sides are compared within a round and the median is
//! taken of the ratios; a ratio of two medians would compare different minutes.
//!
//! Must never: leave out a round.

use std::time::Duration;

use serde::Serialize;

/// One side in one round.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Sample {
    /// Good calls per second.
    pub calls_per_second: f64,
    /// Median latency, milliseconds.
    pub p50_ms: f64,
    /// 99th percentile of latency, milliseconds.
    pub p99_ms: f64,
    /// Processor time of the server per call, microseconds.
    pub cpu_micros: f64,
    /// Processor time of the load client per call, microseconds: it runs on the same cores.
    pub client_micros: f64,
    /// Resident memory of the server after the calls, MiB.
    pub resident_mib: f64,
    /// Resident memory of the server at its highest, MiB.
    pub peak_mib: f64,
    /// Calls made in this round, warm-up included.
    pub calls: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Rows of the request log that this round added, for a side that logs.
    pub rows: Option<u64>,
}

/// One side over all rounds, in the order the rounds ran.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// What it is called in tables.
    pub name: String,
    /// One sample a round.
    pub rounds: Vec<Sample>,
}

impl Series {
    /// The median of one figure.
    pub fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        Spread::of(self.rounds.iter().map(figure)).median
    }

    /// How one figure relates to the same figure of `base`, round by round.
    pub fn against(&self, base: &Self, figure: impl Fn(&Sample) -> f64, relation: impl Fn(f64, f64) -> f64) -> Spread {
        Spread::of(self.rounds.iter().zip(&base.rounds).map(|(mine, its)| relation(figure(mine), figure(its))))
    }

    /// Calls made in all rounds.
    pub fn calls(&self) -> u64 {
        self.rounds.iter().map(|round| round.calls).sum()
    }

    /// Calls that failed in all rounds.
    pub fn failed(&self) -> u64 {
        self.rounds.iter().map(|round| round.failed).sum()
    }

    /// Rows written in all rounds; `None` for a side that does not log.
    pub fn rows(&self) -> Option<u64> {
        self.rounds.iter().map(|round| round.rows).sum()
    }
}

/// Mine over its.
pub fn ratio(mine: f64, its: f64) -> f64 {
    mine / its
}

/// Mine less its.
pub fn difference(mine: f64, its: f64) -> f64 {
    mine - its
}

/// The middle of some values, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one, or the mean of the middle two.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    /// Of no values, all three are NaN, which passes no criterion.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (Some(&least), Some(&most)) = (values.first(), values.last()) else {
            return Self { median: f64::NAN, least: f64::NAN, most: f64::NAN };
        };
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Self { median, least, most }
    }
}

/// A limit the issue sets, and what was measured against it.
#[derive(Debug, Clone, Serialize)]
pub struct Criterion {
    /// What is judged.
    pub what: String,
    /// The figure, with its unit and spread.
    pub measured: String,
    /// The limit in words: "at least 0.85".
    pub limit: String,
    /// Whether it holds.
    pub holds: bool,
}

impl Criterion {
    /// Holds when the median is `limit` or more.
    pub fn at_least(what: impl Into<String>, spread: Spread, limit: f64) -> Self {
        Self {
            what: what.into(),
            measured: spread_text(spread),
            limit: format!("at least {limit:.2}"),
            holds: spread.median >= limit,
        }
    }

    /// Holds when the median is `limit` or less.
    pub fn at_most(what: impl Into<String>, spread: Spread, limit: f64) -> Self {
        Self {
            what: what.into(),
            measured: spread_text(spread),
            limit: format!("at most {limit:.2}"),
            holds: spread.median <= limit,
        }
    }

    /// Holds when both counts are the same.
    pub fn equal(what: impl Into<String>, measured: u64, expected: u64) -> Self {
        Self {
            what: what.into(),
            measured: measured.to_string(),
            limit: format!("exactly {expected}"),
            holds: measured == expected,
        }
    }
}

/// `1.02 (0.98 to 1.10)`, or the figure alone when there was but one.
pub fn spread_text(spread: Spread) -> String {
    let Spread { median, least, most } = spread;
    if least.total_cmp(&most).is_eq() {
        format!("{median:.2}")
    } else {
        format!("{median:.2} ({least:.2} to {most:.2})")
    }
}

/// A duration in milliseconds.
pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Bytes in MiB.
pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(speeds: &[f64]) -> Series {
        let rounds = speeds.iter().map(|&speed| Sample { calls_per_second: speed, calls: 10, ..Sample::default() });
        Series { name: "x".into(), rounds: rounds.collect() }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Spread::of([4.0, 1.0, 3.0, 2.0]), Spread { median: 2.5, least: 1.0, most: 4.0 });
        assert_eq!(Spread::of([9.0, 1.0, 2.0]), Spread { median: 2.0, least: 1.0, most: 9.0 });
    }

    #[test]
    fn sides_are_compared_within_a_round() {
        // The second round ran on a machine half as fast: the sides still relate as 0.9 there.
        let (mine, base) = (series(&[90.0, 45.0, 80.0]), series(&[100.0, 50.0, 100.0]));
        let spread = mine.against(&base, |round| round.calls_per_second, ratio);
        assert_eq!(spread, Spread { median: 0.9, least: 0.8, most: 0.9 });
        assert!((mine.median(|round| round.calls_per_second) - 80.0).abs() < f64::EPSILON);
        assert_eq!(mine.calls(), 30);
    }

    #[test]
    fn nothing_measured_passes_nothing() {
        let nothing = Spread::of([]);
        assert!(!Criterion::at_least("speed", nothing, 0.0).holds);
        assert!(!Criterion::at_most("time", nothing, f64::MAX).holds);
    }

    #[test]
    fn limits_include_their_own_value() {
        assert!(Criterion::at_least("speed", Spread::of([0.85]), 0.85).holds);
        assert!(Criterion::at_most("time", Spread::of([1.1]), 1.1).holds);
        assert!(!Criterion::at_most("time", Spread::of([1.11]), 1.1).holds);
    }

    #[test]
    fn rows_are_counted_only_where_a_side_logs() {
        let mut logging = series(&[1.0, 1.0]);
        assert_eq!(logging.rows(), None);
        logging.rounds[0].rows = Some(10);
        logging.rounds[1].rows = Some(9);
        assert_eq!(logging.rows(), Some(19));
        assert!(!Criterion::equal("rows", 19, logging.calls()).holds);
    }
}
