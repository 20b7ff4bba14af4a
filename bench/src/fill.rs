//! `bench fill`: the traces of many calls in a SQLite database, in the two tables where the recorder would have left
//! them: a row each in `steeple_request_log`, and their sums per minute and per hour in `steeple_request_stats`.
//!
//! Which method a call went to, how it ended and how long it took follows from its number, by the same arithmetic in
//! Rust for the sums and in SQL for the rows.
//!
//! Must never: write another encoding than the recorder's. What it fills is read back by Steeple's own functions, and
//! their totals are checked.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use hdrhistogram::{
    Histogram,
    serialization::{Serializer as _, V2Serializer},
};
use sqlx::{
    ConnectOptions, Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use steeple::method::method_key;

use crate::Outcome;

/// Methods that are called; the first more often than the last.
const METHODS: i64 = 20;
/// What 95 % of all calls do not exceed, in milliseconds: durations are 100 µs and the square of a number that is spread
/// evenly below a million, over five million.
pub const P95_MS: f64 = 0.1 + 0.95 * 0.95 * 200.0;
const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

/// What `bench fill` may be told.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// A migrated SQLite database, `sqlite://…`
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
struct Trace {
    method: i64,
    code: i64,
    duration_us: i64,
}

impl Trace {
    /// The same arithmetic as in [`ROWS`].
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
        }
    }
}

const ROWS: &str = "
    WITH RECURSIVE number (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM number WHERE i + 1 < ?2),
    spread (i, s) AS (SELECT i, i * 7919 % 1000003 FROM number),
    trace (i, method, code, us, at) AS (
        SELECT i, s * s % 10007 * 20 / 10007 * (s % 20) / 20,
            CASE WHEN i % 499 = 7 THEN 13 WHEN i % 97 = 5 THEN 5 ELSE 0 END,
            100 + s * s / 5000000, ?4 + i * ?5 / ?3
        FROM spread)
    INSERT INTO steeple_request_call (id, request_id, service_name, method_name, method_key, request_size, response_size,
        request_messages, response_messages, code, error_message, duration_us, user_agent, peer, created_us)
    SELECT ?4 * 1000000 + i * (?5 * 1000000) / ?3, printf('%08x-0000-7000-8000-%012x', at, i), 'bench.Filled',
        'Method' || method, json_extract(?6, '$[' || method || ']'), 100, 200, 1, 1, code,
        CASE code WHEN 0 THEN NULL ELSE 'filled in by the bench' END, us, 'steeple-bench', '127.0.0.1:40000',
        at * 1000000
    FROM trace";

const SUM: &str = "
    INSERT INTO steeple_request_stats (period, starts_at, service_name, method_name, grpc_code, node, calls, duration_us,
        request_bytes, response_bytes, histogram)
    VALUES (?1, ?2, 'bench.Filled', 'Method' || ?3, ?4, 1, ?5, ?6, 100 * ?5, 200 * ?5, ?7)";

/// Rows of one transaction.
const BATCH: i64 = 500_000;

/// Fills the database.
pub async fn fill(options: &Options) -> Outcome<()> {
    let &Options { calls, hours, .. } = options;
    let seconds = hours * HOUR;
    let from = steeple::clock::now().timestamp() - seconds;
    let mut database = options
        .url
        .parse::<SqliteConnectOptions>()?
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging()
        .connect()
        .await?;
    if !options.sums_only {
        let keys: Vec<_> = (0..METHODS).map(|method| method_key("bench.Filled", &format!("Method{method}"))).collect();
        let keys = serde_json::to_string(&keys)?;
        for first in (0..calls).step_by(BATCH as usize) {
            let end = calls.min(first + BATCH);
            let insert = sqlx::query(ROWS).bind(first).bind(end).bind(calls).bind(from).bind(seconds).bind(&keys);
            insert.execute(&mut database).await?;
        }
    }
    let mut sums = Sums::default();
    let mut work = database.begin().await?;
    for number in 0..calls {
        let at = from + number * seconds / calls;
        for (period, starts_at, sum) in sums.passed(at) {
            sum.write(&mut work, period, starts_at).await?;
        }
        sums.add(&Trace::of(number));
    }
    for (period, starts_at, sum) in sums.passed(i64::MAX) {
        sum.write(&mut work, period, starts_at).await?;
    }
    work.commit().await?;
    database.close().await?;
    Ok(())
}

/// The sums of the minute and of the hour that are under way.
#[derive(Default)]
struct Sums {
    minute: (i64, BTreeMap<(i64, i64), Sum>),
    hour: (i64, BTreeMap<(i64, i64), Sum>),
}

impl Sums {
    /// What is complete at this time, as (seconds, start, sum); the time moves on.
    fn passed(&mut self, at: i64) -> Vec<(i64, i64, Sum)> {
        let mut passed = Vec::new();
        for (period, (starts_at, sums)) in [(MINUTE, &mut self.minute), (HOUR, &mut self.hour)] {
            if at >= starts_at.saturating_add(period) {
                passed.extend(std::mem::take(sums).into_values().map(|sum| (period, *starts_at, sum)));
                *starts_at = at - at.rem_euclid(period);
            }
        }
        passed
    }

    fn add(&mut self, trace: &Trace) {
        for sums in [&mut self.minute.1, &mut self.hour.1] {
            sums.entry((trace.method, trace.code)).or_insert_with(|| Sum::new(trace)).add(trace.duration_us);
        }
    }
}

/// Calls of one method with one code, within one minute or hour.
struct Sum {
    method: i64,
    code: i64,
    calls: i64,
    duration_us: i64,
    durations: Histogram<u64>,
}

impl Sum {
    fn new(trace: &Trace) -> Self {
        // Two digits, growing: as the recorder keeps them.
        let durations = Histogram::new(2).expect("two digits are in the accepted range");
        Self { method: trace.method, code: trace.code, calls: 0, duration_us: 0, durations }
    }

    fn add(&mut self, duration_us: i64) {
        self.calls += 1;
        self.duration_us += duration_us;
        // Not the saturating way of recording, which does not grow.
        self.durations.record(duration_us.unsigned_abs()).expect("a histogram that grows takes any duration");
    }

    async fn write(&self, database: &mut SqliteConnection, period: i64, starts_at: i64) -> Outcome<()> {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&self.durations, &mut bytes).map_err(|error| format!("{error:?}"))?;
        let insert = sqlx::query(SUM).bind(period).bind(starts_at).bind(self.method).bind(self.code);
        insert.bind(self.calls).bind(self.duration_us).bind(bytes).execute(database).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
        }
        let mut durations: Vec<_> = (0..100_000).map(|number| Trace::of(number).duration_us).collect();
        durations.sort_unstable();
        assert!((durations[95_000] as f64 / 1e3 - P95_MS).abs() < 0.5, "{}", durations[95_000]);
        assert!((10..=METHODS as usize).contains(&methods.len()), "{methods:?}");
        assert!((500..5_000).contains(&failed), "{failed}");
    }

    #[test]
    fn sums_are_handed_over_when_their_time_has_passed() {
        let mut sums = Sums::default();
        assert!(sums.passed(7200).is_empty());
        sums.add(&Trace::of(0));
        sums.add(&Trace::of(1));
        let passed: Vec<_> =
            sums.passed(7260).into_iter().map(|(period, start, sum)| (period, start, sum.calls)).collect();
        assert_eq!(passed.iter().map(|(_, _, calls)| calls).sum::<i64>(), 2);
        assert!(passed.iter().all(|&(period, start, _)| (period, start) == (60, 7200)));
        sums.add(&Trace::of(2));
        let rest: Vec<_> =
            sums.passed(i64::MAX).into_iter().map(|(period, start, sum)| (period, start, sum.calls)).collect();
        let of = |period| rest.iter().filter(|sum| sum.0 == period).map(|sum| sum.2).sum::<i64>();
        assert_eq!((of(60), of(3600)), (1, 3));
    }
}
