//! Where rows go: one way for each kind of database, all with the same promise.
//!
//! Takes a [`Batch`], writes it in one transaction or not at all, and says of a failure whether the database is away
//! (try again) or refuses the data (never will). Used by the recorder's thread alone, which may block here.
//!
//! Must never: retry, or keep anything of a batch that failed.

mod mysql;
mod postgres;
mod sqlite;
mod sqlite_pool;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use sqlx::{mysql::MySqlConnectOptions, postgres::PgConnectOptions, sqlite::SqlitePool};
use tokio::runtime::{Handle, Runtime};

use super::{Call, callers::CallerRow, tally::StatsRow};
use crate::{
    Db,
    db::{Pool, refuses_data},
};

/// Longest time for one transaction, and for making a connection, on a database at the other end of a network.
const PATIENCE: Duration = Duration::from_secs(10);
/// Rows that one pass of [`Sink::delete_before`] looks at.
const SWEEP: i64 = 2000;

/// What one transaction writes.
#[derive(Default)]
pub(super) struct Batch<'a> {
    /// Closed calls. One that has a row is updated, another gets one.
    pub closed: &'a [Arc<Call>],
    /// Running calls without a row.
    pub pending: &'a [Arc<Call>],
    /// Rows of statistics, each replacing its older self.
    pub stats: &'a [StatsRow],
    /// Rows of callers' statistics, likewise.
    pub callers: &'a [CallerRow],
}

/// Why a batch was not written.
#[derive(Debug)]
pub(super) struct Failure {
    /// The data was refused: the same batch will be refused again. Otherwise the database is away.
    pub data: bool,
    text: String,
}

impl Failure {
    fn away(cause: impl fmt::Display) -> Self {
        Self { data: false, text: cause.to_string() }
    }

    fn data(cause: impl fmt::Display) -> Self {
        Self { data: true, text: cause.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A database to write to, known but not connected.
pub(super) enum Target {
    SqliteFile(PathBuf),
    /// In memory there is only the one connection of the pool. It belongs to the server's runtime.
    SqlitePool(SqlitePool, Handle),
    Postgres(Arc<PgConnectOptions>),
    MySql(Arc<MySqlConnectOptions>),
}

impl Target {
    /// The database that `db` works on. `None` within a transaction.
    pub(super) fn of(db: &Db) -> Option<Self> {
        Some(match db.pool()? {
            Pool::Sqlite(pool) => {
                let file = pool.connect_options().get_filename().to_owned();
                // The pool has connected, so a database that is a file exists.
                if file.exists() { Self::SqliteFile(file) } else { Self::SqlitePool(pool.clone(), Handle::current()) }
            }
            Pool::Postgres(pool) => Self::Postgres(pool.connect_options()),
            Pool::MySql(pool) => Self::MySql(pool.connect_options()),
        })
    }

    pub(super) fn connect(&self) -> Result<Sink, Failure> {
        Ok(match self {
            Self::SqliteFile(file) => Sink::Sqlite(sqlite::Sink::open(file)?),
            Self::SqlitePool(pool, handle) => Sink::SqlitePool(sqlite_pool::Sink::new(pool.clone()), handle.clone()),
            Self::Postgres(options) => {
                let runtime = runtime()?;
                let sink = patiently(&runtime, postgres::Sink::connect(options))?;
                Sink::Postgres(Box::new(sink), runtime)
            }
            Self::MySql(options) => {
                let runtime = runtime()?;
                let sink = patiently(&runtime, mysql::Sink::connect(options))?;
                Sink::MySql(Box::new(sink), runtime)
            }
        })
    }
}

/// A connection to write by. After a failure that is not the data's, connect anew.
pub(super) enum Sink {
    Sqlite(sqlite::Sink),
    SqlitePool(sqlite_pool::Sink, Handle),
    Postgres(Box<postgres::Sink>, Runtime),
    MySql(Box<mysql::Sink>, Runtime),
}

impl Sink {
    /// Writes all of `batch`, or nothing. Gives the ids of the pending rows, in their order.
    pub(super) fn write(&mut self, batch: &Batch<'_>) -> Result<Vec<i64>, Failure> {
        match self {
            Self::Sqlite(sink) => sink.write(batch),
            Self::SqlitePool(sink, handle) => handle.block_on(sink.write(batch)).map_err(of_sqlx),
            Self::Postgres(sink, runtime) => patiently(runtime, sink.write(batch)),
            Self::MySql(sink, runtime) => patiently(runtime, sink.write(batch)),
        }
    }

    /// Deletes some of the rows that began before `micros`; tells whether there may be more.
    pub(super) fn delete_before(&mut self, micros: i64) -> Result<bool, Failure> {
        let deleted = match self {
            Self::Sqlite(sink) => sink.delete_before(micros),
            Self::SqlitePool(sink, handle) => handle.block_on(sink.delete_before(micros)).map_err(of_sqlx),
            Self::Postgres(sink, runtime) => patiently(runtime, sink.delete_before(micros)),
            Self::MySql(sink, runtime) => patiently(runtime, sink.delete_before(micros)),
        }?;
        Ok(deleted == SWEEP as u64)
    }

    /// Deletes the statistics of one period that began before `second`.
    pub(super) fn delete_stats_before(&mut self, period: i64, second: i64) -> Result<(), Failure> {
        match self {
            Self::Sqlite(sink) => sink.delete_stats_before(period, second),
            Self::SqlitePool(sink, handle) => {
                handle.block_on(sink.delete_stats_before(period, second)).map_err(of_sqlx)
            }
            Self::Postgres(sink, runtime) => patiently(runtime, sink.delete_stats_before(period, second)),
            Self::MySql(sink, runtime) => patiently(runtime, sink.delete_stats_before(period, second)),
        }
    }

    /// Deletes the statistics of callers that began before `second`.
    pub(super) fn delete_callers_before(&mut self, second: i64) -> Result<(), Failure> {
        match self {
            Self::Sqlite(sink) => sink.delete_callers_before(second),
            Self::SqlitePool(sink, handle) => handle.block_on(sink.delete_callers_before(second)).map_err(of_sqlx),
            Self::Postgres(sink, runtime) => patiently(runtime, sink.delete_callers_before(second)),
            Self::MySql(sink, runtime) => patiently(runtime, sink.delete_callers_before(second)),
        }
    }
}

/// The connection's own runtime: the server's must not carry the writing, and may end before it.
fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::away)
}

/// A server that has gone without a word must not hold the thread for ever.
fn patiently<T>(runtime: &Runtime, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Failure> {
    runtime.block_on(async {
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(done) => done.map_err(of_sqlx),
            Err(_) => Err(Failure::away(format_args!("no answer within {PATIENCE:?}"))),
        }
    })
}

fn of_sqlx(error: sqlx::Error) -> Failure {
    if refuses_data(&error) { Failure::data(error) } else { Failure::away(error) }
}
