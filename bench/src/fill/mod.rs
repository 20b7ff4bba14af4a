//! `bench fill`: the traces of many calls in a SQLite or PostgreSQL database, in the tables where the recorder would have
//! left them: a row each in `steeple_request_log`, their sums per minute, hour and day in `steeple_request_stats`, and per
//! hour and user in `steeple_caller_stats`.
//!
//! Which method a call went to, how it ended, how long it took and whose it was follows from its number, by the same
//! arithmetic in Rust for the sums and in SQL for the rows.
//!
//! Must never: write another encoding than the recorder's. What it fills is read back by Steeple's own functions, and
//! their totals are checked.

mod sums;
mod target;

use clap::Args;

use self::{sums::Sums, target::Target};
use crate::Outcome;

/// Methods that are called; the first more often than the last.
const METHODS: i64 = 20;
/// Users who call; every second call is one of theirs.
pub const USERS: i64 = 1000;
/// What 95 % of all calls do not exceed, in milliseconds: durations are 100 µs and the square of a number that is spread
/// evenly below a million, over five million.
pub const P95_MS: f64 = 0.1 + 0.95 * 0.95 * 200.0;
const HOUR: i64 = 3600;
/// Rows of one transaction.
const BATCH: i64 = 500_000;

/// What `bench fill` may be told.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// A migrated database, `sqlite://…` or `postgres://…`
    #[arg(long)]
    pub url: String,
    /// Calls to leave traces of
    #[arg(long, default_value_t = 1_000_000)]
    pub calls: i64,
    /// Hours up to now over which they are spread evenly
    #[arg(long, default_value_t = 24)]
    pub hours: i64,
    /// Fill in the sums alone, without a row for each call
    #[arg(long)]
    pub sums_only: bool,
}

/// The traces of one call, from its number.
#[derive(Debug, Clone, Copy)]
struct Trace {
    method: i64,
    code: i64,
    duration_us: i64,
    user: Option<i64>,
}

impl Trace {
    /// The same arithmetic as in the statements of [`target`].
    fn of(number: i64) -> Self {
        let spread = number * 7919 % 1_000_003;
        Self {
            method: spread * spread % 10_007 * METHODS / 10_007 * (spread % METHODS) / METHODS,
            code: match number {
                _ if number % 499 == 7 => 13,
                _ if number % 97 == 5 => 5,
                _ => 0,
            },
            duration_us: 100 + spread * spread / 5_000_000,
            user: (number % 2 == 0).then_some(1 + number / 2 % USERS),
        }
    }
}

/// Fills the database.
pub async fn fill(options: &Options) -> Outcome<()> {
    let &Options { calls, hours, .. } = options;
    let seconds = hours * HOUR;
    let from = steeple::clock::now().timestamp() - seconds;
    let mut target = Target::connect(&options.url).await?;
    if !options.sums_only {
        for first in (0..calls).step_by(BATCH as usize) {
            target.rows((first, calls.min(first + BATCH)), calls, (from, seconds)).await?;
        }
    }
    target.begin().await?;
    let mut sums = Sums::default();
    for number in 0..calls {
        let at = from + number * seconds / calls;
        let (passed, users) = sums.passed(at);
        target.sums(passed, users).await?;
        sums.add(&Trace::of(number), at);
    }
    let (passed, users) = sums.passed(i64::MAX);
    target.sums(passed, users).await?;
    target.finish().await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn calls_spread_over_methods_and_ends() {
        let mut methods = BTreeMap::<i64, u32>::new();
        let mut failed = 0;
        for number in 0..100_000 {
            let trace = Trace::of(number);
            *methods.entry(trace.method).or_default() += 1;
            failed += u32::from(trace.code != 0);
            assert!((100..=200_200).contains(&trace.duration_us));
            assert!(trace.user.is_none_or(|user| (1..=USERS).contains(&user)));
        }
        let mut durations: Vec<_> = (0..100_000).map(|number| Trace::of(number).duration_us).collect();
        durations.sort_unstable();
        assert!((durations[95_000] as f64 / 1e3 - P95_MS).abs() < 0.5, "{}", durations[95_000]);
        assert!((10..=METHODS as usize).contains(&methods.len()), "{methods:?}");
        assert!((500..5_000).contains(&failed), "{failed}");
    }
}
