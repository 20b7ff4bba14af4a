//! Statistics are what counting the rows by hand gives, whatever was called, on every database.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc, time::Duration};

use proptest::{
    collection::vec,
    option::weighted,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::runtime::Runtime;
use tonic::Code;

use super::{span::down, *};
use crate::{
    method::Method,
    record::{
        Call, Caller, RequestLog, RequestLogRow, State,
        callers::Callers,
        databases::Database,
        migrations,
        sink::{Batch, Sink, Target},
        tally::{DAY, HOUR, Tally},
    },
};

const METHODS: [&str; 4] = ["/a.One/Get", "/a.One/List", "/a.Two/Get", "/b.Three/Watch"];

/// One made-up call.
#[derive(Debug, Clone)]
struct Made {
    method: usize,
    code: i32,
    duration_us: u64,
    ended_ago: i64,
    caller: Option<(i64, i64)>,
    bytes: (u64, u64),
    node: usize,
}

fn made() -> impl Strategy<Value = Made> {
    let duration = prop_oneof![1_u64..5000, 5000_u64..2_000_000, 2_000_000_u64..90_000_000];
    let code = prop_oneof![6 => Just(0), 1 => Just(1), 1 => Just(4), 3 => 2..17_i32];
    let ago = prop_oneof![0..2 * HOUR, 0..3 * DAY, 0..70 * DAY];
    let caller = weighted(0.6, (1..4_i64, 0..3_i64));
    (0..METHODS.len(), code, duration, ago, caller, (0..5000_u64, 0..5000_u64), 0..2_usize).prop_map(
        |(method, code, duration_us, ended_ago, caller, bytes, node)| Made {
            method,
            code,
            duration_us,
            ended_ago,
            caller,
            bytes,
            node,
        },
    )
}

/// A call as it would have been recorded.
fn call(made: &Made, now: i64) -> Arc<Call> {
    let method = Method { input: "a.Request".to_owned(), ..Method::other(METHODS[made.method]) };
    let ended_us = (now - made.ended_ago) * 1_000_000;
    let duration = Duration::from_micros(made.duration_us);
    let call = Call::past(Arc::new(method), ended_us - made.duration_us as i64, duration, Code::from_i32(made.code));
    if let Some((user, key)) = made.caller {
        call.authenticated(Caller { user_id: Some(user), api_key_id: Some(key).filter(|key| *key > 0) });
    }
    call.count_request(made.bytes.0, 1);
    call.count_response(made.bytes.1, 1);
    Arc::new(call)
}

/// Two nodes write what they counted, in three batches, so that rows of statistics are replaced.
fn write(sink: &mut Sink, calls: &[(usize, Arc<Call>)]) {
    let mut nodes = [1, 2].map(|node| (Tally::new(node), Callers::new(node)));
    for calls in calls.chunks(calls.len().div_ceil(3).max(1)) {
        for (node, call) in calls {
            nodes[*node].0.add(call);
            nodes[*node].1.add(call, i64::MIN);
        }
        let closed: Vec<_> = calls.iter().map(|(_, call)| call.clone()).collect();
        sink.write(&Batch { closed: &closed, ..Batch::default() }).expect("rows are taken");
        for (tally, callers) in &mut nodes {
            let (stats, callers_rows) = (tally.rows(), callers.rows(true));
            sink.write(&Batch { stats: &stats, callers: &callers_rows, ..Batch::default() }).expect("sums are taken");
            tally.settled();
            callers.settled();
        }
    }
}

/// What counting by hand gives.
#[derive(Default)]
struct Brute {
    counts: [u64; 5],
    durations: Vec<u64>,
    bytes: (u64, u64),
}

impl Brute {
    fn add(&mut self, row: &RequestLogRow) {
        let state = row.state().expect("a known status");
        self.counts[0] += 1;
        self.counts[State::ALL.iter().position(|known| *known == state).expect("one of them")] += 1;
        self.durations.push(row.duration_us.expect("it has ended") as u64);
        self.bytes.0 += row.request_size as u64;
        self.bytes.1 += row.response_size as u64;
    }

    fn of<'r>(rows: impl IntoIterator<Item = &'r RequestLogRow>) -> Self {
        let mut brute = Self::default();
        rows.into_iter().for_each(|row| brute.add(row));
        brute.durations.sort_unstable();
        brute
    }

    fn counts(&self, counts: &Counts) {
        let told = [counts.total, counts.successful, counts.errors, counts.cancelled, counts.timeout];
        assert_eq!(told, self.counts);
        assert_eq!((counts.request_bytes, counts.response_bytes), self.bytes);
        let mean = self.durations.iter().sum::<u64>() as f64 / self.durations.len().max(1) as f64;
        assert!((counts.avg_duration_ms * 1000.0 - mean).abs() <= 1.0, "{} for {mean}", counts.avg_duration_ms);
    }

    fn numbers(&self, numbers: &Numbers) {
        self.counts(&numbers.counts);
        let near = |told: f64, share: f64| {
            let index = ((share * self.durations.len() as f64).ceil() as usize).max(1) - 1;
            let exact = self.durations.get(index).map_or(0.0, |us| *us as f64 / 1000.0);
            assert!((told - exact).abs() <= exact * 0.02, "{share}: {told} for {exact}");
        };
        near(numbers.min_duration_ms, 0.0);
        near(numbers.p50_duration_ms, 0.50);
        near(numbers.p95_duration_ms, 0.95);
        near(numbers.p99_duration_ms, 0.99);
        near(numbers.max_duration_ms, 1.0);
    }
}

fn ended(row: &RequestLogRow) -> i64 {
    row.completed_at.expect("it has ended").timestamp()
}

fn since(rows: &[RequestLogRow], from: i64) -> Vec<&RequestLogRow> {
    rows.iter().filter(|row| ended(row) >= from).collect()
}

async fn agree(db: &Db, rows: &[RequestLogRow], hours: u32) {
    let question = Question::last(hours).expect("hours within bounds");
    let counted = since(rows, question.span().minutes);

    let statistics = question.statistics(db).await.expect("statistics");
    Brute::of(counted.iter().copied()).numbers(&statistics.all);
    let mut by_method = BTreeMap::<_, Vec<&RequestLogRow>>::new();
    for row in &counted {
        by_method.entry((row.service_name.clone(), row.method_name.clone())).or_default().push(row);
    }
    assert_eq!(statistics.methods.len(), by_method.len());
    for (method, (name, rows)) in statistics.methods.iter().zip(&by_method) {
        assert_eq!((&method.service_name, &method.method_name), (&name.0, &name.1));
        assert_eq!(Some(method.last_activity_at), rows.iter().filter_map(|row| row.completed_at).max());
        Brute::of(rows.iter().copied()).numbers(&method.numbers);
    }
    for service in &statistics.services {
        let rows = counted.iter().filter(|row| row.service_name == service.service_name);
        Brute::of(rows.copied()).numbers(&service.numbers);
    }
    let one = question.clone().service("a.One").method("Get").statistics(db).await.expect("statistics");
    let rows_of_one = counted.iter().filter(|row| row.service_name == "a.One" && row.method_name == "Get");
    Brute::of(rows_of_one.copied()).numbers(&one.all);

    let errors = question.errors(db).await.expect("errors");
    assert_eq!(
        (errors.total_calls, errors.total_errors),
        (counted.len() as u64, counted.iter().filter(|row| row.status != "success").count() as u64)
    );
    for error in &errors.errors {
        let same = |row: &&&RequestLogRow| {
            (&row.service_name, &row.method_name) == (&error.service_name, &error.method_name)
                && row.grpc_status_code.as_ref() == Some(&error.error_code)
        };
        assert_eq!(error.count, counted.iter().filter(same).count() as u64);
    }
    assert!(errors.errors.is_sorted_by(|a, b| a.count >= b.count));

    for interval in Interval::ALL.into_iter().filter(|interval| hours <= interval.most_hours()) {
        for service in [None, Some("a.One")] {
            let question = service.map_or(question.clone(), |name| question.clone().service(name));
            let timeline = question.timeline(db, interval).await.expect("a timeline");
            let first = down(question.now - i64::from(hours) * HOUR, interval.seconds());
            let starts: Vec<_> = timeline.buckets.iter().map(|bucket| bucket.timestamp.timestamp()).collect();
            assert_eq!(starts, (first..=question.now).step_by(interval.seconds() as usize).collect::<Vec<_>>());
            for (bucket, start) in timeline.buckets.iter().zip(starts) {
                let within = |row: &&RequestLogRow| {
                    (start..start + interval.seconds()).contains(&ended(row))
                        && service.is_none_or(|name| row.service_name == name)
                };
                Brute::of(rows.iter().filter(within)).numbers(&bucket.numbers);
            }
        }
    }

    if i64::from(hours) <= HOUR_DAYS * 24 {
        let counted = since(rows, down(question.now - i64::from(hours) * HOUR, HOUR));
        let users = question.users(db, 100).await.expect("users");
        assert_eq!(users.iter().map(|user| user.counts.total).sum::<u64>(), {
            counted.iter().filter(|row| row.user_id.is_some()).count() as u64
        });
        for user in &users {
            Brute::of(counted.iter().filter(|row| row.user_id == Some(user.user_id)).copied()).counts(&user.counts);
        }
        for key in question.api_keys(db, 100).await.expect("keys") {
            Brute::of(counted.iter().filter(|row| row.api_key_id == Some(key.api_key_id)).copied()).counts(&key.counts);
        }
    }

    let slowest = RequestLog::recent(hours).slowest(db, 7).await.expect("the slowest");
    let created = clock::now() - chrono::TimeDelta::hours(hours.into());
    let mut durations: Vec<_> =
        rows.iter().filter(|row| row.created_at >= created).filter_map(|row| row.duration_us).collect();
    durations.sort_unstable_by_key(|us| std::cmp::Reverse(*us));
    durations.truncate(7);
    assert_eq!(slowest.iter().filter_map(|row| row.duration_us).collect::<Vec<_>>(), durations);
}

fn on(database: Option<Database>) {
    let Some(database) = database else { return };
    let runtime = Runtime::new().expect("a runtime");
    let (db, target) = runtime.block_on(async {
        let db = database.connect().await;
        crate::db::migrate::up(&db, &migrations()).await.expect("the tables");
        let target = Target::of(&db).expect("no transaction");
        (db, target)
    });
    let sink = RefCell::new(target.connect().expect("the database answers"));
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    let hours = prop_oneof![1..4_u32, 1..100_u32, 100..1700_u32];
    let agreed = runner.run(&(vec(made(), 0..120), vec(hours, 3)), |(made, hours)| {
        let now = clock::now().timestamp();
        let calls: Vec<_> = made.iter().map(|made| (made.node, call(made, now))).collect();
        write(&mut sink.borrow_mut(), &calls);
        runtime.block_on(async {
            let rows = RequestLog::all_time().limit(1000).all(&db).await.expect("rows");
            assert_eq!(rows.len(), calls.len());
            for hours in hours {
                agree(&db, &rows, hours).await;
            }
            let log = match db.backend() {
                sea_orm::DbBackend::Sqlite => "steeple_request_call",
                _ => "steeple_request_log",
            };
            for table in [log, "steeple_request_stats", "steeple_caller_stats"] {
                db.execute_unprepared(&format!("DELETE FROM {table}")).await.expect("empty");
            }
        });
        Ok(())
    });
    runtime.block_on(db.close());
    agreed.unwrap_or_else(|error| panic!("{error}"));
}

/// Made on a runtime of its own: the sinks bring theirs, which must not run within another.
fn made_by(make: impl Future<Output = Option<Database>>) -> Option<Database> {
    Runtime::new().expect("a runtime").block_on(make)
}

#[test]
fn statistics_are_what_counting_the_rows_gives_on_sqlite() {
    on(made_by(Database::sqlite()));
}

#[test]
fn statistics_are_what_counting_the_rows_gives_on_postgres() {
    on(made_by(Database::postgres()));
}

#[test]
fn statistics_are_what_counting_the_rows_gives_on_mysql() {
    on(made_by(Database::mysql()));
}

#[test]
fn what_is_too_long_is_refused() {
    for hours in [0, LONGEST_HOURS + 1, u32::MAX] {
        assert_eq!(Question::last(hours).unwrap_err().message(), "hours: must be between 1 and 8760");
    }
    assert_eq!(Interval::Minute.most_hours(), 24);
    assert_eq!((Interval::for_hours(48), Interval::for_hours(49)), (Interval::Hour, Interval::Day));
}
