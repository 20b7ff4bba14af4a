//! PostgreSQL: new rows by `COPY`, and for what changes rows one statement for any number of them, with an array for each
//! column (`UNNEST`).

mod copy;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};

use super::{Batch, SWEEP};
use crate::record::{
    Call,
    callers::CallerRow,
    row::{Row, Scratch, written},
    tally::StatsRow,
};

const IDS: &str = "SELECT nextval(pg_get_serial_sequence('steeple_request_log', 'id')) FROM generate_series(1, $1)";
const UPDATE: &str = "UPDATE steeple_request_log AS log SET request_size = new.request_size, \
    response_size = new.response_size, request_messages = new.request_messages, \
    response_messages = new.response_messages, status = new.status, grpc_status_code = new.grpc_status_code, \
    error_message = new.error_message, duration_ms = new.duration_ms, duration_us = new.duration_us, \
    user_id = new.user_id, api_key_id = new.api_key_id, is_authenticated = new.is_authenticated, \
    completed_at = new.completed_at FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], \
    $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::boolean[], \
    $13::timestamptz[], $14::bigint[], $15::text[]) AS new (request_size, response_size, request_messages, \
    response_messages, status, grpc_status_code, error_message, duration_ms, duration_us, user_id, api_key_id, \
    is_authenticated, completed_at, id, request_id) WHERE log.id = new.id AND log.request_id = new.request_id \
    RETURNING log.id";
const STATS: &str = "INSERT INTO steeple_request_stats (period, starts_at, service_name, method_name, grpc_code, node, \
    calls, duration_us, request_bytes, response_bytes, last_us, histogram) SELECT * FROM UNNEST($1::integer[], $2::bigint[], \
    $3::text[], $4::text[], $5::smallint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], \
    $11::bigint[], $12::bytea[]) ON CONFLICT (period, starts_at, service_name, method_name, grpc_code, node) DO UPDATE SET \
    calls = excluded.calls, duration_us = excluded.duration_us, request_bytes = excluded.request_bytes, \
    response_bytes = excluded.response_bytes, last_us = excluded.last_us, histogram = excluded.histogram";
const DELETE: &str = "DELETE FROM steeple_request_log WHERE id IN (SELECT id FROM (SELECT id, created_at \
    FROM steeple_request_log ORDER BY id LIMIT $1) AS oldest WHERE created_at < $2)";
const CALLERS: &str = "INSERT INTO steeple_caller_stats (starts_at, user_id, api_key_id, grpc_code, node, calls, \
    duration_us, request_bytes, response_bytes, last_us) SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], \
    $4::smallint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]) \
    ON CONFLICT (starts_at, user_id, api_key_id, grpc_code, node) DO UPDATE SET calls = excluded.calls, \
    duration_us = excluded.duration_us, request_bytes = excluded.request_bytes, \
    response_bytes = excluded.response_bytes, last_us = excluded.last_us";
const DELETE_CALLERS: &str = "DELETE FROM steeple_caller_stats WHERE starts_at < $1";
const DELETE_STATS: &str = "DELETE FROM steeple_request_stats WHERE period = $1 AND starts_at < $2";

pub(in crate::record) struct Sink {
    connection: PgConnection,
}

impl Sink {
    pub(super) async fn connect(options: &PgConnectOptions) -> Result<Self, sqlx::Error> {
        Ok(Self { connection: PgConnection::connect_with(options).await? })
    }

    pub(super) async fn write(&mut self, batch: &Batch<'_>) -> Result<Vec<i64>, sqlx::Error> {
        let mut transaction = self.connection.begin().await?;
        let (known, mut new): (Vec<_>, Vec<_>) = batch.closed.iter().partition(|call| written(call).is_some());
        if !known.is_empty() {
            let found = update(&mut transaction, &known).await?;
            // A row that retention took while its call ran is written anew.
            new.extend(known.iter().filter(|call| written(call).is_none_or(|id| !found.contains(&id))));
        }
        insert(&mut transaction, &new, None).await?;
        let mut ids = Vec::new();
        if !batch.pending.is_empty() {
            ids = sqlx::query_scalar(IDS).bind(batch.pending.len() as i32).fetch_all(&mut *transaction).await?;
            insert(&mut transaction, &batch.pending.iter().collect::<Vec<_>>(), Some(&ids)).await?;
        }
        stats(&mut transaction, batch.stats).await?;
        callers(&mut transaction, batch.callers).await?;
        transaction.commit().await?;
        Ok(ids)
    }

    pub(super) async fn delete_before(&mut self, micros: i64) -> Result<u64, sqlx::Error> {
        let deleted = sqlx::query(DELETE).bind(SWEEP).bind(time(micros)).execute(&mut self.connection).await?;
        Ok(deleted.rows_affected())
    }

    pub(super) async fn delete_stats_before(&mut self, period: i64, second: i64) -> Result<(), sqlx::Error> {
        sqlx::query(DELETE_STATS).bind(period as i32).bind(second).execute(&mut self.connection).await.map(drop)
    }

    pub(super) async fn delete_callers_before(&mut self, second: i64) -> Result<(), sqlx::Error> {
        sqlx::query(DELETE_CALLERS).bind(second).execute(&mut self.connection).await.map(drop)
    }
}

async fn insert(connection: &mut PgConnection, calls: &[&Arc<Call>], ids: Option<&[i64]>) -> Result<(), sqlx::Error> {
    let mut scratches = scratches(calls.len());
    copy::insert(connection, &rows(calls, &mut scratches), ids).await
}

/// Gives the ids of the rows that were still there.
async fn update(connection: &mut PgConnection, calls: &[&Arc<Call>]) -> Result<Vec<i64>, sqlx::Error> {
    let mut scratches = scratches(calls.len());
    let rows = rows(calls, &mut scratches);
    sqlx::query_scalar(UPDATE)
        .bind(column(&rows, |row| row.request_size))
        .bind(column(&rows, |row| row.response_size))
        .bind(column(&rows, |row| row.request_messages))
        .bind(column(&rows, |row| row.response_messages))
        .bind(column(&rows, |row| row.status))
        .bind(column(&rows, |row| row.grpc_status_code))
        .bind(column(&rows, |row| row.error_message.as_deref()))
        .bind(column(&rows, |row| row.duration_ms))
        .bind(column(&rows, |row| row.duration_us))
        .bind(column(&rows, |row| row.user_id))
        .bind(column(&rows, |row| row.api_key_id))
        .bind(column(&rows, |row| row.is_authenticated))
        .bind(column(&rows, |row| row.completed_at.map(time)))
        .bind(calls.iter().map(|call| written(call).unwrap_or_default()).collect::<Vec<_>>())
        .bind(column(&rows, |row| row.request_id))
        .fetch_all(connection)
        .await
}

async fn stats(connection: &mut PgConnection, rows: &[StatsRow]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(STATS)
        .bind(column(rows, |row| row.period))
        .bind(column(rows, |row| row.starts_at))
        .bind(column(rows, |row| &*row.service_name))
        .bind(column(rows, |row| &*row.method_name))
        .bind(column(rows, |row| row.grpc_code))
        .bind(column(rows, |row| row.node))
        .bind(column(rows, |row| row.calls))
        .bind(column(rows, |row| row.duration_us))
        .bind(column(rows, |row| row.request_bytes))
        .bind(column(rows, |row| row.response_bytes))
        .bind(column(rows, |row| row.last_us))
        .bind(column(rows, |row| &*row.histogram))
        .execute(connection)
        .await
        .map(drop)
}

async fn callers(connection: &mut PgConnection, rows: &[CallerRow]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(CALLERS)
        .bind(column(rows, |row| row.starts_at))
        .bind(column(rows, |row| row.user_id))
        .bind(column(rows, |row| row.api_key_id))
        .bind(column(rows, |row| row.grpc_code))
        .bind(column(rows, |row| row.node))
        .bind(column(rows, |row| row.calls))
        .bind(column(rows, |row| row.duration_us))
        .bind(column(rows, |row| row.request_bytes))
        .bind(column(rows, |row| row.response_bytes))
        .bind(column(rows, |row| row.last_us))
        .execute(connection)
        .await
        .map(drop)
}

fn scratches(count: usize) -> Vec<Scratch> {
    std::iter::repeat_with(Scratch::default).take(count).collect()
}

fn rows<'a>(calls: &[&'a Arc<Call>], scratches: &'a mut [Scratch]) -> Vec<Row<'a>> {
    calls.iter().zip(scratches).map(|(call, scratch)| Row::of(call, scratch)).collect()
}

fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}
