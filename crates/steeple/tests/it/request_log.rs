//! The request log: every call has its row, its place in the statistics and its line, whatever the database does.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, and not in what they call")]

mod database_away;
mod questions;
mod schema;
mod statistics;
mod tail;
mod writing;

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use steeple::{
    Code, Db,
    method::Method,
    record::{Call, Caller, Config, Metrics, Recorder, RequestId, RequestLog, Slot, config::ConsoleLines, migrations},
};

use crate::databases::Database;

/// Long enough for any machine; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A quick log without console lines.
fn config() -> Config {
    Config { console: ConsoleLines::Off, flush_interval: Duration::from_millis(20), ..Config::default() }
}

/// A migrated database.
async fn migrated(database: &Database) -> Db {
    let db = database.connect().await;
    steeple::db::migrate::up(&db, &migrations()).await.expect("the tables of the request log");
    db
}

fn start(config: &Config, db: &Db) -> Arc<Recorder> {
    Recorder::start(config, db, &Metrics::new()).expect("the log starts")
}

fn method(path: &str) -> Arc<Method> {
    // Known to a catalog, so that its statistics go by its own name.
    Arc::new(Method { input: "crypto.GetCoinRequest".to_owned(), ..Method::other(path) })
}

fn get_coin() -> Arc<Method> {
    method("/crypto.CryptoService/GetCoin")
}

fn open(recorder: &Recorder, method: &Arc<Method>) -> (Arc<Call>, Slot) {
    let agent = http::HeaderValue::from_static("grpc-test/1.0");
    let peer = "192.0.2.7:4711".parse().ok();
    let call = Arc::new(Call::open(RequestId::of(None), Arc::clone(method), peer, Some(agent)));
    let slot = recorder.open(&call);
    (call, slot)
}

fn close(recorder: &Recorder, (call, slot): (Arc<Call>, Slot), code: Code, message: Option<&str>) {
    assert!(call.close(code, message));
    recorder.close(call, slot);
}

/// `calls` finished calls of GetCoin.
fn make_calls(recorder: &Recorder, calls: usize, code: Code) {
    let method = get_coin();
    for _ in 0..calls {
        let open = open(recorder, &method);
        open.0.count_request(12, 1);
        open.0.count_response(34, 2);
        close(recorder, open, code, (code != Code::Ok).then_some("no such coin"));
    }
}

/// Where rows are kept: on SQLite `steeple_request_log` is a view.
fn table(db: &Db) -> &'static str {
    if db.backend() == DbBackend::Sqlite { "steeple_request_call" } else { "steeple_request_log" }
}

/// Takes the table away.
async fn hide(db: &Db) {
    execute(db, &format!("ALTER TABLE {} RENAME TO gone", table(db))).await;
}

/// Gives it back.
async fn restore(db: &Db) {
    execute(db, &format!("ALTER TABLE gone RENAME TO {}", table(db))).await;
}

async fn rows(db: &Db) -> u64 {
    RequestLog::all_time().count(db).await.expect("rows can be counted")
}

async fn execute(db: &Db, sql: &str) {
    db.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// One number from the database.
async fn number(db: &Db, sql: &str) -> i64 {
    let statement = Statement::from_string(db.backend(), sql);
    let row = db.query_one_raw(statement).await.expect("an answer").expect("a row");
    row.try_get_by_index::<i64>(0).expect("a number")
}

/// Waits until `condition` holds.
async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never happened: {what}"));
}

/// Console lines that a test can read.
#[derive(Clone, Default)]
struct Console(Arc<Mutex<Vec<u8>>>);

impl Console {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
