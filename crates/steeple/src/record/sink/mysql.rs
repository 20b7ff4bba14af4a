//! MySQL and MariaDB: inserts of many rows, in few sizes, so that each is prepared once.

use std::{fmt::Write as _, sync::Arc};

use chrono::{DateTime, NaiveDateTime};
use sqlx::{
    AssertSqlSafe, Connection as _, MySql, MySqlConnection,
    mysql::{MySqlArguments, MySqlConnectOptions},
    query::Query,
};

use super::{Batch, SWEEP};
use crate::record::{
    Call,
    callers::CallerRow,
    row::{COLUMNS, Row, Scratch, written},
    tally::StatsRow,
};

/// Rows of one statement. A statement may have 65,535 parameters.
const SIZES: [usize; 3] = [256, 16, 1];

const UPDATE: &str = "UPDATE steeple_request_log SET request_size = ?, response_size = ?, request_messages = ?, \
    response_messages = ?, status = ?, grpc_status_code = ?, error_message = ?, duration_ms = ?, duration_us = ?, \
    user_id = ?, api_key_id = ?, is_authenticated = ?, completed_at = ? WHERE id = ? AND request_id = ?";
const STATS: &str = "INSERT INTO steeple_request_stats (period, starts_at, service_name, method_name, grpc_code, node, \
    calls, duration_us, request_bytes, response_bytes, last_us, histogram) VALUES ";
const STATS_AGAIN: &str = " ON DUPLICATE KEY UPDATE calls = VALUES(calls), duration_us = VALUES(duration_us), \
    request_bytes = VALUES(request_bytes), response_bytes = VALUES(response_bytes), last_us = VALUES(last_us), \
    histogram = VALUES(histogram)";
const CALLERS: &str = "INSERT INTO steeple_caller_stats (starts_at, user_id, api_key_id, grpc_code, node, calls, \
    duration_us, request_bytes, response_bytes, last_us) VALUES ";
const CALLERS_AGAIN: &str = " ON DUPLICATE KEY UPDATE calls = VALUES(calls), duration_us = VALUES(duration_us), \
    request_bytes = VALUES(request_bytes), response_bytes = VALUES(response_bytes), last_us = VALUES(last_us)";
const DELETE: &str = "DELETE FROM steeple_request_log WHERE created_at < ? ORDER BY created_at LIMIT 2000";
const DELETE_STATS: &str = "DELETE FROM steeple_request_stats WHERE period = ? AND starts_at < ?";
const DELETE_CALLERS: &str = "DELETE FROM steeple_caller_stats WHERE starts_at < ?";

pub(in crate::record) struct Sink {
    connection: MySqlConnection,
    inserts: [String; SIZES.len()],
}

impl Sink {
    pub(super) async fn connect(options: &MySqlConnectOptions) -> Result<Self, sqlx::Error> {
        debug_assert!(DELETE.ends_with(&format!("LIMIT {SWEEP}")), "a parameter is not allowed there everywhere");
        Ok(Self { connection: MySqlConnection::connect_with(options).await?, inserts: SIZES.map(insert_of) })
    }

    pub(super) async fn write(&mut self, batch: &Batch<'_>) -> Result<Vec<i64>, sqlx::Error> {
        let Self { connection, inserts } = self;
        let mut transaction = connection.begin().await?;
        let mut new = Vec::with_capacity(batch.closed.len());
        for call in batch.closed {
            let updated = match written(call) {
                Some(id) => update(&mut transaction, id, call).await? == 1,
                None => false,
            };
            if !updated {
                new.push(call);
            }
        }
        let mut rest = &new[..];
        for (size, statement) in SIZES.into_iter().zip(&*inserts) {
            while rest.len() >= size {
                let (calls, more) = rest.split_at(size);
                insert(&mut transaction, statement, calls).await?;
                rest = more;
            }
        }
        let mut ids = Vec::new();
        for call in batch.pending {
            // One by one: only then is the id certain, whatever the server's numbering.
            ids.push(insert(&mut transaction, &inserts[SIZES.len() - 1], &[call]).await?);
        }
        for rows in in_sizes(batch.stats) {
            stats(&mut transaction, rows).await?;
        }
        for rows in in_sizes(batch.callers) {
            callers(&mut transaction, rows).await?;
        }
        transaction.commit().await?;
        Ok(ids)
    }

    pub(super) async fn delete_before(&mut self, micros: i64) -> Result<u64, sqlx::Error> {
        Ok(sqlx::query(DELETE).bind(time(micros)).execute(&mut self.connection).await?.rows_affected())
    }

    pub(super) async fn delete_stats_before(&mut self, period: i64, second: i64) -> Result<(), sqlx::Error> {
        sqlx::query(DELETE_STATS).bind(period).bind(second).execute(&mut self.connection).await.map(drop)
    }

    pub(super) async fn delete_callers_before(&mut self, second: i64) -> Result<(), sqlx::Error> {
        sqlx::query(DELETE_CALLERS).bind(second).execute(&mut self.connection).await.map(drop)
    }
}

fn insert_of(rows: usize) -> String {
    let mut sql = format!("INSERT INTO steeple_request_log ({}) VALUES ", COLUMNS.join(", "));
    let values = vec!["?"; COLUMNS.len()].join(", ");
    for row in 0..rows {
        let _ = write!(sql, "{}({values})", if row == 0 { "" } else { ", " });
    }
    sql
}

/// Gives the id of the first row.
async fn insert(connection: &mut MySqlConnection, statement: &str, calls: &[&Arc<Call>]) -> Result<i64, sqlx::Error> {
    let mut query = sqlx::query(AssertSqlSafe(statement.to_owned()));
    for call in calls {
        query = bind(query, call);
    }
    Ok(query.execute(connection).await?.last_insert_id() as i64)
}

fn bind<'q>(query: Query<'q, MySql, MySqlArguments>, call: &Call) -> Query<'q, MySql, MySqlArguments> {
    let mut scratch = Scratch::default();
    let row = Row::of(call, &mut scratch);
    query
        .bind(row.request_id.to_owned())
        .bind(row.service_name.to_owned())
        .bind(row.method_name.to_owned())
        .bind(row.method_key)
        .bind(row.full_method.to_owned())
        .bind(row.request_size)
        .bind(row.response_size)
        .bind(row.request_messages)
        .bind(row.response_messages)
        .bind(row.status)
        .bind(row.grpc_status_code)
        .bind(row.error_message.map(String::from))
        .bind(row.duration_ms)
        .bind(row.duration_us)
        .bind(row.user_id)
        .bind(row.api_key_id)
        .bind(row.is_authenticated)
        .bind(row.client_ip.map(String::from))
        .bind(row.user_agent.map(String::from))
        .bind(row.peer.map(String::from))
        .bind(time(row.created_at))
        .bind(row.completed_at.map(time))
}

async fn update(connection: &mut MySqlConnection, id: i64, call: &Call) -> Result<u64, sqlx::Error> {
    let mut scratch = Scratch::default();
    let row = Row::of(call, &mut scratch);
    let done = sqlx::query(UPDATE)
        .bind(row.request_size)
        .bind(row.response_size)
        .bind(row.request_messages)
        .bind(row.response_messages)
        .bind(row.status)
        .bind(row.grpc_status_code)
        .bind(row.error_message.map(String::from))
        .bind(row.duration_ms)
        .bind(row.duration_us)
        .bind(row.user_id)
        .bind(row.api_key_id)
        .bind(row.is_authenticated)
        .bind(row.completed_at.map(time))
        .bind(id)
        .bind(row.request_id.to_owned())
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// The rows in parts of few sizes.
fn in_sizes<R>(mut rest: &[R]) -> Vec<&[R]> {
    let mut parts = Vec::new();
    for size in SIZES {
        while rest.len() >= size {
            let (part, more) = rest.split_at(size);
            parts.push(part);
            rest = more;
        }
    }
    parts
}

async fn stats(connection: &mut MySqlConnection, rows: &[StatsRow]) -> Result<(), sqlx::Error> {
    let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; rows.len()].join(", ");
    let mut query = sqlx::query(AssertSqlSafe(format!("{STATS}{values}{STATS_AGAIN}")));
    for row in rows {
        query = query
            .bind(row.period)
            .bind(row.starts_at)
            .bind(&row.service_name)
            .bind(&row.method_name)
            .bind(row.grpc_code)
            .bind(row.node)
            .bind(row.calls)
            .bind(row.duration_us)
            .bind(row.request_bytes)
            .bind(row.response_bytes)
            .bind(row.last_us)
            .bind(&row.histogram);
    }
    query.execute(connection).await.map(drop)
}

async fn callers(connection: &mut MySqlConnection, rows: &[CallerRow]) -> Result<(), sqlx::Error> {
    let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; rows.len()].join(", ");
    let mut query = sqlx::query(AssertSqlSafe(format!("{CALLERS}{values}{CALLERS_AGAIN}")));
    for row in rows {
        query = query
            .bind(row.starts_at)
            .bind(row.user_id)
            .bind(row.api_key_id)
            .bind(row.grpc_code)
            .bind(row.node)
            .bind(row.calls)
            .bind(row.duration_us)
            .bind(row.request_bytes)
            .bind(row.response_bytes)
            .bind(row.last_us);
    }
    query.execute(connection).await.map(drop)
}

fn time(micros: i64) -> NaiveDateTime {
    DateTime::from_timestamp_micros(micros).unwrap_or_default().naive_utc()
}
