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

use chrono::TimeDelta;
use sea_orm::{
    ColumnTrait as _, Condition, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::{
    State, stats,
    table::{Column, Entity, Model},
};
use crate::{Db, Result, clock};

/// One row of the log.
pub type RequestLogRow = Model;

/// How many rows [`RequestLog::all`] gives when no limit is set.
pub const DEFAULT_LIMIT: u64 = 100;

/// A question to the log, narrowed step by step.
#[derive(Debug, Clone)]
#[must_use = "a question is asked by `all` or `count`"]
pub struct RequestLog {
    condition: Condition,
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
        Self { condition: Condition::all(), limit: DEFAULT_LIMIT }
    }

    /// Calls that began in the last `hours`.
    pub fn recent(hours: u32) -> Self {
        Self::all_time().since(clock::now() - TimeDelta::hours(hours.into()))
    }

    /// Calls that began at `time` or later.
    pub fn since(self, time: clock::Time) -> Self {
        self.only(Column::CreatedAt.gte(time))
    }

    /// Calls that began before `time`.
    pub fn until(self, time: clock::Time) -> Self {
        self.only(Column::CreatedAt.lt(time))
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
            _ => question.only(sea_orm::sea_query::Expr::cust("status <> 'success'")),
        }
    }

    /// Calls to this service, by its full name: `crypto.CryptoService`.
    pub fn by_service(self, service: &str) -> Self {
        self.only(Column::ServiceName.eq(service))
    }

    /// Calls to methods of this name: `GetCoin`.
    pub fn by_method(self, method: &str) -> Self {
        self.only(Column::MethodName.eq(method))
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
    pub fn by_request_id(self, id: &str) -> Self {
        self.only(Column::RequestId.eq(id))
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
        Entity::find().filter(self.condition).order_by_desc(Column::Id).limit(self.limit).all(db).await
    }

    /// How many rows there are; the limit does not count.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(self, db: &Db) -> Result<u64, DbErr> {
        Entity::find().filter(self.condition).count(db).await
    }

    /// What the calls of the last `hours` (1 to 8760) amount to; see [`stats::Statistics`].
    ///
    /// # Errors
    /// INVALID_ARGUMENT for other hours, else the database's.
    pub async fn get_statistics(db: &Db, hours: u32) -> Result<stats::Statistics> {
        stats::read(db, hours, clock::now().timestamp()).await
    }
}
