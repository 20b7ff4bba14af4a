//! The counts of each user and each API key.

use std::collections::HashMap;

use schemars::JsonSchema;
use sea_orm::{DbBackend, FromQueryResult};
use serde::Serialize;

use super::{
    Counts, HOUR_DAYS, Question, ask,
    numbers::{Tallied, moment},
    span::down,
};
use crate::{
    Db, Error, Result, clock,
    record::tally::{DAY, HOUR},
};

/// The calls of one user, whatever they proved themselves with.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct UserNumbers {
    /// `auth_user.id`; 0 stands for callers beyond the 100,000 that one process tells apart in an hour.
    pub user_id: i64,
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// When the last call ended.
    pub last_activity_at: clock::Time,
}

/// The calls of one API key.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ApiKeyNumbers {
    /// `steeple_api_key.id`.
    pub api_key_id: i64,
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// When the last call ended.
    pub last_activity_at: clock::Time,
}

#[derive(FromQueryResult)]
struct Summed {
    id: i64,
    grpc_code: i16,
    calls: i64,
    duration_us: i64,
    request_bytes: i64,
    response_bytes: i64,
    last_us: i64,
}

impl Question {
    /// The users who called most, the busiest first, at most `limit`. The time begins at a full hour. Asked of one
    /// service or method it is refused: callers are counted over all.
    ///
    /// # Errors
    /// INVALID_ARGUMENT when it is not about all methods, or goes back further than [`HOUR_DAYS`]; else the database's.
    pub async fn users(&self, db: &Db, limit: usize) -> Result<Vec<UserNumbers>> {
        let callers = self.callers(db, "user_id", "", limit).await?;
        let told = |(user_id, counts, last_activity_at)| UserNumbers { user_id, counts, last_activity_at };
        Ok(callers.into_iter().map(told).collect())
    }

    /// The API keys that called most, the busiest first, at most `limit`. As [`users`](Self::users).
    ///
    /// # Errors
    /// As [`users`](Self::users).
    pub async fn api_keys(&self, db: &Db, limit: usize) -> Result<Vec<ApiKeyNumbers>> {
        let callers = self.callers(db, "api_key_id", " AND api_key_id <> 0", limit).await?;
        let told = |(api_key_id, counts, last_activity_at)| ApiKeyNumbers { api_key_id, counts, last_activity_at };
        Ok(callers.into_iter().map(told).collect())
    }

    async fn callers(
        &self,
        db: &Db,
        column: &str,
        only: &str,
        limit: usize,
    ) -> Result<Vec<(i64, Counts, clock::Time)>> {
        if self.service.is_some() || self.method.is_some() {
            return Err(Error::invalid_argument("callers are counted over all services, not for one"));
        }
        let most = HOUR_DAYS * DAY / HOUR;
        if i64::from(self.hours) > most {
            return Err(Error::invalid("hours", format!("must be between 1 and {most} for callers")));
        }
        let integer = if db.backend() == DbBackend::MySql { "SIGNED" } else { "bigint" };
        let sum = |name| format!("CAST(SUM({name}) AS {integer}) AS {name}");
        let sums = ["calls", "duration_us", "request_bytes", "response_bytes"].map(sum).join(", ");
        let from = down(self.now - i64::from(self.hours) * HOUR, HOUR);
        let sql = format!(
            "SELECT {column} AS id, grpc_code, {sums}, MAX(last_us) AS last_us FROM steeple_caller_stats \
             WHERE starts_at >= {from}{only} GROUP BY {column}, grpc_code"
        );
        let mut callers = HashMap::<i64, (Tallied, i64)>::new();
        for Summed { id, grpc_code, calls, duration_us, request_bytes, response_bytes, last_us } in
            ask::<Summed>(db, sql, vec![]).await?
        {
            let (tallied, last) = callers.entry(id).or_default();
            tallied.add(grpc_code, calls, duration_us, (request_bytes, response_bytes));
            *last = last_us.max(*last);
        }
        let told = |(id, (tallied, last)): (i64, (Tallied, i64))| (id, tallied.counts(), moment(last));
        let mut callers: Vec<_> = callers.into_iter().map(told).collect();
        callers.sort_by_key(|(id, counts, _)| (std::cmp::Reverse(counts.total), *id));
        callers.truncate(limit);
        Ok(callers)
    }
}
