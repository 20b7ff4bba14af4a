//! SQLite by its own C interface: prepared statements and borrowed values, because a general driver costs more per row
//! than SQLite itself.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, TransactionBehavior};

use super::{Batch, Failure, SWEEP};
use crate::{
    clock,
    record::{
        Call,
        callers::CallerRow,
        row::{Row, Scratch, written},
        tally::StatsRow,
    },
};

/// Short, because the thread has a back-off of its own and console lines to print.
const BUSY: Duration = Duration::from_millis(500);

pub(super) const INSERT: &str = "INSERT INTO steeple_request_call (id, request_id, service_name, method_name, method_key, \
    request_size, response_size, request_messages, response_messages, code, error_message, duration_us, user_id, \
    api_key_id, user_agent, peer, created_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
/// Parameters of one row of [`INSERT`].
const PARAMETERS: usize = 17;
/// Rows of one statement: the table and its indexes are opened once for so many.
const MANY: usize = 16;
pub(super) const UPDATE: &str = "UPDATE steeple_request_call SET request_size = ?, response_size = ?, \
    request_messages = ?, response_messages = ?, code = ?, error_message = ?, duration_us = ?, user_id = ?, \
    api_key_id = ? WHERE id = ? AND request_id = ?";
pub(super) const STATS: &str = "INSERT INTO steeple_request_stats (period, starts_at, service_name, method_name, \
    grpc_code, node, calls, duration_us, request_bytes, response_bytes, last_us, histogram) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (period, starts_at, service_name, method_name, grpc_code, node) DO UPDATE SET calls = excluded.calls, \
    duration_us = excluded.duration_us, request_bytes = excluded.request_bytes, \
    response_bytes = excluded.response_bytes, last_us = excluded.last_us, histogram = excluded.histogram";
pub(super) const CALLERS: &str = "INSERT INTO steeple_caller_stats (starts_at, user_id, api_key_id, grpc_code, node, \
    calls, duration_us, request_bytes, response_bytes, last_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (starts_at, user_id, api_key_id, grpc_code, node) DO UPDATE SET calls = excluded.calls, \
    duration_us = excluded.duration_us, request_bytes = excluded.request_bytes, \
    response_bytes = excluded.response_bytes, last_us = excluded.last_us";
/// The id that a new row would get, less one.
pub(super) const LAST_ID: &str = "SELECT max(id) FROM steeple_request_call";
/// Rows come in the order of time, so the oldest are the first: no need to search.
pub(super) const DELETE: &str = "DELETE FROM steeple_request_call WHERE id IN (SELECT id FROM (SELECT id, created_us \
    FROM steeple_request_call ORDER BY id LIMIT ?) AS oldest WHERE created_us < ?)";
pub(super) const DELETE_STATS: &str = "DELETE FROM steeple_request_stats WHERE period = ? AND starts_at < ?";
pub(super) const DELETE_CALLERS: &str = "DELETE FROM steeple_caller_stats WHERE starts_at < ?";

pub(in crate::record) struct Sink {
    connection: Connection,
    insert_many: String,
}

impl Sink {
    pub(super) fn open(file: &Path) -> Result<Self, Failure> {
        // Never creates the file: a database that went away must not come back empty.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags).map_err(failure)?;
        connection.busy_timeout(BUSY).map_err(failure)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(failure)?;
        Ok(Self { connection, insert_many: insert_many() })
    }

    pub(super) fn write(&mut self, batch: &Batch<'_>) -> Result<Vec<i64>, Failure> {
        self.try_write(batch).map_err(failure)
    }

    fn try_write(&mut self, batch: &Batch<'_>) -> rusqlite::Result<Vec<i64>> {
        let Self { connection, insert_many } = self;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut ids = Vec::new();
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            let mut insert_many = transaction.prepare_cached(insert_many)?;
            let mut id = first_id(transaction.query_row(LAST_ID, (), |row| row.get(0))?);
            let mut update = None;
            let mut scratch = Scratch::default();
            let mut new = Vec::with_capacity(batch.closed.len());
            for call in batch.closed {
                if let Some(id) = written(call) {
                    let update = match &mut update {
                        Some(update) => update,
                        none => none.insert(transaction.prepare_cached(UPDATE)?),
                    };
                    if update_row(update, id, &Row::of(call, &mut scratch))? == 1 {
                        continue;
                    }
                }
                new.push(call);
            }
            let (many, rest) = new.as_chunks::<MANY>();
            for calls in many {
                for (place, call) in calls.iter().enumerate() {
                    bind_row(&mut insert_many, place, id.take(), call, &mut scratch)?;
                }
                insert_many.raw_execute()?;
            }
            for call in rest {
                bind_row(&mut insert, 0, id.take(), call, &mut scratch)?;
                insert.raw_execute()?;
            }
            for call in batch.pending {
                bind_row(&mut insert, 0, id.take(), call, &mut scratch)?;
                insert.raw_execute()?;
                ids.push(transaction.last_insert_rowid());
            }
            if !batch.stats.is_empty() {
                let mut stats = transaction.prepare_cached(STATS)?;
                for row in batch.stats {
                    stats_row(&mut stats, row)?;
                }
            }
            if !batch.callers.is_empty() {
                let mut callers = transaction.prepare_cached(CALLERS)?;
                for row in batch.callers {
                    caller_row(&mut callers, row)?;
                }
            }
        }
        transaction.commit()?;
        Ok(ids)
    }

    pub(super) fn delete_before(&mut self, micros: i64) -> Result<u64, Failure> {
        self.connection.execute(DELETE, (SWEEP, micros)).map(|rows| rows as u64).map_err(failure)
    }

    pub(super) fn delete_stats_before(&mut self, period: i64, second: i64) -> Result<(), Failure> {
        self.connection.execute(DELETE_STATS, (period, second)).map(drop).map_err(failure)
    }

    pub(super) fn delete_callers_before(&mut self, second: i64) -> Result<(), Failure> {
        self.connection.execute(DELETE_CALLERS, (second,)).map(drop).map_err(failure)
    }
}

/// [`INSERT`] with [`MANY`] rows.
fn insert_many() -> String {
    let (_, row) = INSERT.split_once("VALUES ").expect("an insert has values");
    format!("{INSERT}{}", format!(", {row}").repeat(MANY - 1))
}

/// The id of the first row of a transaction: the present, unless the ids are ahead of it. The others get the next ones
/// from SQLite itself.
pub(super) fn first_id(last: Option<i64>) -> Option<i64> {
    let now = clock::now().timestamp_micros();
    (now > last.unwrap_or_default()).then_some(now)
}

/// Binds one row of an insert, the one at `place`.
fn bind_row(
    insert: &mut Statement<'_>,
    place: usize,
    id: Option<i64>,
    call: &Call,
    scratch: &mut Scratch,
) -> rusqlite::Result<()> {
    let row = Row::of(call, scratch);
    let at = place * PARAMETERS;
    insert.raw_bind_parameter(at + 1, id)?;
    insert.raw_bind_parameter(at + 2, row.request_id)?;
    insert.raw_bind_parameter(at + 3, row.service_name)?;
    insert.raw_bind_parameter(at + 4, row.method_name)?;
    insert.raw_bind_parameter(at + 5, row.method_key)?;
    insert.raw_bind_parameter(at + 6, row.request_size)?;
    insert.raw_bind_parameter(at + 7, row.response_size)?;
    insert.raw_bind_parameter(at + 8, row.request_messages)?;
    insert.raw_bind_parameter(at + 9, row.response_messages)?;
    insert.raw_bind_parameter(at + 10, row.code)?;
    insert.raw_bind_parameter(at + 11, row.error_message.as_deref())?;
    insert.raw_bind_parameter(at + 12, row.duration_us)?;
    insert.raw_bind_parameter(at + 13, row.user_id)?;
    insert.raw_bind_parameter(at + 14, row.api_key_id)?;
    insert.raw_bind_parameter(at + 15, row.user_agent.as_deref())?;
    insert.raw_bind_parameter(at + 16, row.peer)?;
    insert.raw_bind_parameter(at + 17, row.created_at)?;
    Ok(())
}

fn update_row(update: &mut Statement<'_>, id: i64, row: &Row<'_>) -> rusqlite::Result<usize> {
    update.raw_bind_parameter(1, row.request_size)?;
    update.raw_bind_parameter(2, row.response_size)?;
    update.raw_bind_parameter(3, row.request_messages)?;
    update.raw_bind_parameter(4, row.response_messages)?;
    update.raw_bind_parameter(5, row.code)?;
    update.raw_bind_parameter(6, row.error_message.as_deref())?;
    update.raw_bind_parameter(7, row.duration_us)?;
    update.raw_bind_parameter(8, row.user_id)?;
    update.raw_bind_parameter(9, row.api_key_id)?;
    update.raw_bind_parameter(10, id)?;
    update.raw_bind_parameter(11, row.request_id)?;
    update.raw_execute()
}

fn stats_row(stats: &mut Statement<'_>, row: &StatsRow) -> rusqlite::Result<()> {
    stats.raw_bind_parameter(1, row.period)?;
    stats.raw_bind_parameter(2, row.starts_at)?;
    stats.raw_bind_parameter(3, &*row.service_name)?;
    stats.raw_bind_parameter(4, &*row.method_name)?;
    stats.raw_bind_parameter(5, row.grpc_code)?;
    stats.raw_bind_parameter(6, row.node)?;
    stats.raw_bind_parameter(7, row.calls)?;
    stats.raw_bind_parameter(8, row.duration_us)?;
    stats.raw_bind_parameter(9, row.request_bytes)?;
    stats.raw_bind_parameter(10, row.response_bytes)?;
    stats.raw_bind_parameter(11, row.last_us)?;
    stats.raw_bind_parameter(12, &*row.histogram)?;
    stats.raw_execute().map(drop)
}

fn caller_row(callers: &mut Statement<'_>, row: &CallerRow) -> rusqlite::Result<()> {
    callers.raw_bind_parameter(1, row.starts_at)?;
    callers.raw_bind_parameter(2, row.user_id)?;
    callers.raw_bind_parameter(3, row.api_key_id)?;
    callers.raw_bind_parameter(4, row.grpc_code)?;
    callers.raw_bind_parameter(5, row.node)?;
    callers.raw_bind_parameter(6, row.calls)?;
    callers.raw_bind_parameter(7, row.duration_us)?;
    callers.raw_bind_parameter(8, row.request_bytes)?;
    callers.raw_bind_parameter(9, row.response_bytes)?;
    callers.raw_bind_parameter(10, row.last_us)?;
    callers.raw_execute().map(drop)
}

fn failure(error: rusqlite::Error) -> Failure {
    let refused = [ErrorCode::ConstraintViolation, ErrorCode::TypeMismatch, ErrorCode::TooBig];
    match error.sqlite_error_code() {
        Some(code) if refused.contains(&code) => Failure::data(error),
        _ => Failure::away(error),
    }
}
