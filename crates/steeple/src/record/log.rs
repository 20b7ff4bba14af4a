//! Questions to the request log.
//!
//! Takes filters, gives rows, newest first, and numbers. Rows of a call appear within the flush interval of the
//! recorder; [`get_statistics`](RequestLog::get_statistics) never reads rows. Must never: write.
//!
//! ```no_run
//! # async fn ask(db: &steeple::Db) -> Result<(), Box<dyn std::error::Error>> {
//! use steeple::record::RequestLog;
//!
//! let failures = RequestLog::recent(24)
//!     .errors()
//!     .by_service("crypto.CryptoService")
//!     .by_method("GetCoin")
//!     .limit(20)
//!     .all(db)
//!     .await?;
//! for row in &failures {
//!     println!("{} {} {:?}", row.created_at, row.request_id, row.error_message);
//! }
//! // The next page starts where this one ended.
//! if let Some(last) = failures.last() {
//!     let more = RequestLog::recent(24).errors().before(last.id).limit(20).all(db).await?;
//! #   drop(more);
//! }
//! let slow = RequestLog::recent(1).slow(1000).count(db).await?;
//! let statistics = RequestLog::get_statistics(db, 24).await?;
//! println!("{slow} slow calls, {} % succeeded", statistics.success_rate);
//! # Ok(())
//! # }
//! ```

mod page;
#[cfg(test)]
mod plans;
mod tail;

use chrono::TimeDelta;
use sea_orm::{
    ColumnTrait as _, Condition, DbBackend, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
    sea_query::{Alias, Expr, ExprTrait as _, SimpleExpr},
};
use tonic::Code;
use uuid::Uuid;

pub use self::{
    page::Page,
    tail::{News, Tail},
};
use super::{
    State, code_name, stats,
    table::{Column, Entity, Model},
};
use crate::{
    Db, Result, clock,
    method::{method_key, service_keys},
};

/// One row of the log.
pub type RequestLogRow = Model;

/// By how many microseconds a clock may have been set back between a call's begin and the writing of its row.
const CLOCK_STEP: i64 = 60_000_000;
/// Microseconds within which a call's row is written, unless the database was away.
const NEARLY_ALWAYS: i64 = 10_000_000;

/// How many rows [`RequestLog::all`] gives when no limit is set.
pub const DEFAULT_LIMIT: u64 = 100;

/// A question to the log, narrowed step by step.
#[derive(Debug, Clone)]
#[must_use = "a question is asked by `all` or `count`"]
pub struct RequestLog {
    condition: Condition,
    since: Option<clock::Time>,
    until: Option<clock::Time>,
    service: Option<String>,
    method: Option<String>,
    request_id: Option<String>,
    code: Option<Code>,
    limit: u64,
}

impl Default for RequestLog {
    fn default() -> Self {
        Self::all_time()
    }
}

impl RequestLog {
    /// Every row there is.
    pub fn all_time() -> Self {
        Self {
            condition: Condition::all(),
            since: None,
            until: None,
            service: None,
            method: None,
            request_id: None,
            code: None,
            limit: DEFAULT_LIMIT,
        }
    }

    /// Calls that began in the last `hours`.
    pub fn recent(hours: u32) -> Self {
        Self::all_time().since(clock::now() - TimeDelta::hours(hours.into()))
    }

    /// Calls that began at `time` or later.
    pub fn since(mut self, time: clock::Time) -> Self {
        self.since = Some(self.since.map_or(time, |since| Ord::max(since, time)));
        self
    }

    /// Calls that began before `time`.
    pub fn until(mut self, time: clock::Time) -> Self {
        self.until = Some(self.until.map_or(time, |until| Ord::min(until, time)));
        self
    }

    /// Calls that ended with OK.
    pub fn successful(self) -> Self {
        self.by_status(State::Success)
    }

    /// Calls that failed, but for cancelled ones and timeouts.
    pub fn errors(self) -> Self {
        self.by_status(State::Error)
    }

    /// Calls that were cancelled.
    pub fn cancelled(self) -> Self {
        self.by_status(State::Cancelled)
    }

    /// Calls that ran into their deadline.
    pub fn timeout(self) -> Self {
        self.by_status(State::Timeout)
    }

    /// Calls that still ran when their row was last written.
    pub fn pending(self) -> Self {
        self.by_status(State::Pending)
    }

    /// Calls in this state.
    pub fn by_status(self, state: State) -> Self {
        let question = self.only(Column::Status.eq(state.as_str()));
        match state {
            State::Success => question,
            // A planner uses the partial index on the status only when the statement's text, without its parameters,
            // implies the index's condition.
            _ => question.only(Expr::cust("status <> 'success'")),
        }
    }

    /// Calls to this service, by its full name: `crypto.CryptoService`.
    pub fn by_service(mut self, service: &str) -> Self {
        self.service = Some(service.to_owned());
        self
    }

    /// Calls to methods of this name: `GetCoin`. Without a service no index helps, and rare methods take a while.
    pub fn by_method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Calls of this user (`auth_user.id`).
    pub fn by_user(self, id: i64) -> Self {
        self.only(Column::UserId.eq(id))
    }

    /// Calls with this API key (`steeple_api_key.id`).
    pub fn by_api_key(self, id: i64) -> Self {
        self.only(Column::ApiKeyId.eq(id))
    }

    /// Calls with this request id; callers may repeat theirs.
    pub fn by_request_id(mut self, id: &str) -> Self {
        self.request_id = Some(id.to_owned());
        self
    }

    /// Calls that carried a credential that held.
    pub fn authenticated(self) -> Self {
        self.only(Column::IsAuthenticated.eq(true))
    }

    /// Calls that took at least `milliseconds`.
    pub fn slow(self, milliseconds: u32) -> Self {
        self.only(Column::DurationUs.gte(i64::from(milliseconds) * 1000))
    }

    /// Rows older than the row `id`: the next page after the one that ended with it.
    pub fn before(self, id: i64) -> Self {
        self.only(Column::Id.lt(id))
    }

    /// At most so many rows; [`DEFAULT_LIMIT`] without this.
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = rows;
        self
    }

    fn only(mut self, condition: impl Into<Condition>) -> Self {
        self.condition = self.condition.add(condition);
        self
    }

    /// The rows, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn all(self, db: &Db) -> Result<Vec<RequestLogRow>, DbErr> {
        let limit = self.limit;
        let ask = |condition| Entity::find().filter(condition).order_by_desc(Column::Id).limit(limit).all(db);
        if let Some(near) = self.near(db.backend()) {
            let rows = ask(self.condition(db.backend()).add(near)).await?;
            if !rows.is_empty() {
                return Ok(rows);
            }
        }
        ask(self.condition(db.backend())).await
    }

    /// How many rows there are; the limit does not count.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(self, db: &Db) -> Result<u64, DbErr> {
        Entity::find().filter(self.condition(db.backend())).count(db).await
    }

    /// Everything that was asked for, in the words that let this database use its indexes.
    fn condition(&self, backend: DbBackend) -> Condition {
        let sqlite = backend == DbBackend::Sqlite;
        let mut condition = self.condition.clone();
        let created = || Expr::col(Alias::new("created_us"));
        if let Some(time) = self.since {
            condition = if sqlite {
                let micros = time.timestamp_micros();
                condition.add(Column::Id.gte(micros - CLOCK_STEP)).add(created().gte(micros))
            } else {
                condition.add(Column::CreatedAt.gte(time))
            };
        }
        if let Some(time) = self.until {
            condition = if sqlite {
                condition.add(created().lt(time.timestamp_micros()))
            } else {
                condition.add(Column::CreatedAt.lt(time))
            };
        }
        if let Some(service) = &self.service {
            let keys = service_keys(service);
            condition = match &self.method {
                Some(method) => condition.add(Column::MethodKey.eq(method_key(service, method))),
                None => condition.add(Column::MethodKey.between(*keys.start(), *keys.end())),
            };
            condition = condition.add(Column::ServiceName.eq(service.as_str()));
        }
        if let Some(method) = &self.method {
            condition = condition.add(Column::MethodName.eq(method.as_str()));
        }
        if let Some(code) = self.code {
            condition = if sqlite {
                condition.add(Expr::col(Alias::new("code")).eq(code as i16))
            } else {
                condition.add(Column::GrpcStatusCode.eq(code_name(code)))
            };
        }
        if let Some(id) = &self.request_id {
            condition = condition.add(Column::RequestId.eq(id.as_str()));
            condition = match (begun(id), backend) {
                // The row is written after its call began, and ids are moments of writing.
                (Some(micros), DbBackend::Sqlite) => condition.add(Column::Id.gte(micros - CLOCK_STEP)),
                (Some(micros), DbBackend::Postgres) => {
                    condition.add(Column::CreatedAt.gte(moment(micros - CLOCK_STEP)))
                }
                // Only ids that others made have an index: those made here say when, and would cost every call.
                (None, DbBackend::Sqlite | DbBackend::Postgres) => {
                    condition.add(Expr::cust("substr(request_id, 15, 1) <> '7'"))
                }
                _ => condition,
            };
        }
        condition
    }

    /// Where the row of a request id that was made here nearly always is: written within moments of its call's begin.
    fn near(&self, backend: DbBackend) -> Option<SimpleExpr> {
        let micros = begun(self.request_id.as_deref()?)?;
        match backend {
            DbBackend::Sqlite => Some(Column::Id.lt(micros + NEARLY_ALWAYS)),
            // The same moment, by the same clock.
            DbBackend::Postgres => {
                Some(Column::CreatedAt.between(moment(micros - 1_000_000), moment(micros + 1_000_000)))
            }
            _ => None,
        }
    }

    /// What the calls of the last `hours` (1 to 8760) amount to; see [`stats::Statistics`].
    ///
    /// # Errors
    /// INVALID_ARGUMENT for other hours, else the database's.
    pub async fn get_statistics(db: &Db, hours: u32) -> Result<stats::Statistics> {
        stats::Question::last(hours)?.statistics(db).await
    }
}

fn moment(micros: i64) -> clock::Time {
    clock::Time::from_timestamp_micros(micros).unwrap_or(clock::Time::MIN_UTC)
}

/// The moment in a request id that was made here, a UUID of version 7 (RFC 9562 section 5.7), in microseconds since 1970.
fn begun(request_id: &str) -> Option<i64> {
    let id = Uuid::try_parse(request_id).ok().filter(|id| id.get_version_num() == 7 && request_id.len() == 36)?;
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    i64::try_from(seconds).ok()?.checked_mul(1_000_000)?.checked_add(i64::from(nanos / 1000))
}
