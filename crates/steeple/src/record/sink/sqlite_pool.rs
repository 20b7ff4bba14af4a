//! SQLite in memory: through the pool's only connection, row by row. For tests and trials, not for load.

use sqlx::{Sqlite, SqliteConnection, SqlitePool, query::Query, sqlite::SqliteArguments};

use super::{
    Batch, SWEEP,
    sqlite::{CALLERS, DELETE, DELETE_CALLERS, DELETE_STATS, INSERT, LAST_ID, STATS, UPDATE, first_id},
};
use crate::record::{
    Call,
    callers::CallerRow,
    row::{Row, Scratch, written},
    tally::StatsRow,
};

pub(in crate::record) struct Sink {
    pool: SqlitePool,
}

impl Sink {
    pub(super) fn new(pool: SqlitePool) -> Self {
        Self { pool }
    }

    pub(super) async fn write(&mut self, batch: &Batch<'_>) -> Result<Vec<i64>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let mut ids = Vec::new();
        let mut id = first_id(sqlx::query_scalar(LAST_ID).fetch_one(&mut *transaction).await?);
        for call in batch.closed {
            let updated = match written(call) {
                Some(id) => update(&mut transaction, id, call).await? == 1,
                None => false,
            };
            if !updated {
                insert(&mut transaction, id.take(), call).await?;
            }
        }
        for call in batch.pending {
            ids.push(insert(&mut transaction, id.take(), call).await?);
        }
        for row in batch.stats {
            bind_stats(sqlx::query(STATS), row).execute(&mut *transaction).await?;
        }
        for row in batch.callers {
            bind_callers(sqlx::query(CALLERS), row).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(ids)
    }

    pub(super) async fn delete_before(&mut self, micros: i64) -> Result<u64, sqlx::Error> {
        Ok(sqlx::query(DELETE).bind(SWEEP).bind(micros).execute(&self.pool).await?.rows_affected())
    }

    pub(super) async fn delete_stats_before(&mut self, period: i64, second: i64) -> Result<(), sqlx::Error> {
        sqlx::query(DELETE_STATS).bind(period).bind(second).execute(&self.pool).await.map(drop)
    }

    pub(super) async fn delete_callers_before(&mut self, second: i64) -> Result<(), sqlx::Error> {
        sqlx::query(DELETE_CALLERS).bind(second).execute(&self.pool).await.map(drop)
    }
}

async fn insert(connection: &mut SqliteConnection, id: Option<i64>, call: &Call) -> Result<i64, sqlx::Error> {
    let mut scratch = Scratch::default();
    let row = Row::of(call, &mut scratch);
    let done = sqlx::query(INSERT)
        .bind(id)
        .bind(row.request_id.to_owned())
        .bind(row.service_name.to_owned())
        .bind(row.method_name.to_owned())
        .bind(row.method_key)
        .bind(row.request_size)
        .bind(row.response_size)
        .bind(row.request_messages)
        .bind(row.response_messages)
        .bind(row.code)
        .bind(row.error_message.map(String::from))
        .bind(row.duration_us)
        .bind(row.user_id)
        .bind(row.api_key_id)
        .bind(row.user_agent.map(String::from))
        .bind(row.peer.map(String::from))
        .bind(row.created_at)
        .execute(connection)
        .await?;
    Ok(done.last_insert_rowid())
}

async fn update(connection: &mut SqliteConnection, id: i64, call: &Call) -> Result<u64, sqlx::Error> {
    let mut scratch = Scratch::default();
    let row = Row::of(call, &mut scratch);
    let done = sqlx::query(UPDATE)
        .bind(row.request_size)
        .bind(row.response_size)
        .bind(row.request_messages)
        .bind(row.response_messages)
        .bind(row.code)
        .bind(row.error_message.map(String::from))
        .bind(row.duration_us)
        .bind(row.user_id)
        .bind(row.api_key_id)
        .bind(id)
        .bind(row.request_id.to_owned())
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

fn bind_stats<'q>(query: Query<'q, Sqlite, SqliteArguments>, row: &StatsRow) -> Query<'q, Sqlite, SqliteArguments> {
    query
        .bind(row.period)
        .bind(row.starts_at)
        .bind(row.service_name.clone())
        .bind(row.method_name.clone())
        .bind(row.grpc_code)
        .bind(row.node)
        .bind(row.calls)
        .bind(row.duration_us)
        .bind(row.request_bytes)
        .bind(row.response_bytes)
        .bind(row.last_us)
        .bind(row.histogram.clone())
}

fn bind_callers<'q>(query: Query<'q, Sqlite, SqliteArguments>, row: &CallerRow) -> Query<'q, Sqlite, SqliteArguments> {
    query
        .bind(row.starts_at)
        .bind(row.user_id)
        .bind(row.api_key_id)
        .bind(row.grpc_code)
        .bind(row.node)
        .bind(row.calls)
        .bind(row.duration_us)
        .bind(row.request_bytes)
        .bind(row.response_bytes)
        .bind(row.last_us)
}
