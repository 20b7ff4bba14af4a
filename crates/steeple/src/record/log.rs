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
mod parts;
#[cfg(test)]
mod plans;
mod reach;
mod tail;
mod way;

use chrono::TimeDelta;
use sea_orm::{
    ColumnTrait as _, Condition, DbBackend, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QuerySelect as _,
    sea_query::{Alias, Expr, ExprTrait as _, SimpleExpr},
};
use tonic::Code;
use uuid::Uuid;

use self::way::Way;
pub use self::{
    page::Page,
    parts::Parts,
    reach::Reach,
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
/// By how many microseconds the clock of a caller who makes such ids as well may be ahead.
const FOREIGN_CLOCK: i64 = 3_600_000_000;
/// Microseconds within which a call's row is written, unless the database was away.
const NEARLY_ALWAYS: i64 = 10_000_000;

/// The condition of the index on the status, in the words of its migration.
const NOT_SUCCESS: &str = "status <> 'success'";
/// The index on durations begins here, in microseconds: what is quicker is nobody's concern. The migration says the same.
const SLOW: i64 = 100_000;

/// How many rows [`RequestLog::all`] gives when no limit is set.
pub const DEFAULT_LIMIT: u64 = 100;

/// A question to the log, narrowed step by step.
#[derive(Debug, Clone)]
#[must_use = "a question is asked by `all` or `count`"]
pub struct RequestLog {
    /// What a call's first row says for good.
    condition: Condition,
    /// What is certain only once the call has ended.
    outcome: Condition,
    since: Option<clock::Time>,
    until: Option<clock::Time>,
    service: Option<String>,
    method: Option<String>,
    request_id: Option<String>,
    client_ip: Option<String>,
    code: Option<Code>,
    /// Asks for durations that have an index.
    slow: bool,
    /// Asks for a text of failures.
    text: bool,
    /// Asks for failures alone.
    failed: bool,
    /// Asks for those that an index has in the order of their ids.
    narrowed: Option<SimpleExpr>,
    /// Asks for something that has none.
    unindexed: bool,
    /// Only rows older than this one.
    before: Option<i64>,
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
            outcome: Condition::all(),
            since: None,
            until: None,
            service: None,
            method: None,
            request_id: None,
            client_ip: None,
            code: None,
            slow: false,
            text: false,
            failed: false,
            narrowed: None,
            unindexed: false,
            before: None,
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
        let failed = self.failed || reach::FAILED.contains(&state);
        let question = Self { failed, ..self }.once_ended(Column::Status.eq(state.as_str()));
        match state {
            State::Success => question,
            // A planner uses the partial index on the status only when the statement's text, without its parameters,
            // implies the index's condition.
            _ => question.once_ended(Expr::cust(NOT_SUCCESS)),
        }
    }

    /// Calls to this service, by its full name: `crypto.CryptoService`.
    pub fn by_service(mut self, service: &str) -> Self {
        self.service = Some(service.to_owned());
        self
    }

    /// Calls to methods of this name: `GetCoin`. Without a service no index helps, and rare methods take a while; see
    /// [`within_reach`](Self::within_reach).
    pub fn by_method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Calls of this user (`auth_user.id`).
    pub fn by_user(self, id: i64) -> Self {
        Self { narrowed: Some(Column::UserId.eq(id)), ..self }.once_ended(Column::UserId.eq(id))
    }

    /// Calls with this API key (`steeple_api_key.id`).
    pub fn by_api_key(self, id: i64) -> Self {
        Self { narrowed: Some(Column::ApiKeyId.eq(id)), ..self }.once_ended(Column::ApiKeyId.eq(id))
    }

    /// Calls with this request id; callers may repeat theirs. One that is a UUID of version 7 names its moment, and is
    /// looked for from an hour before on.
    pub fn by_request_id(mut self, id: &str) -> Self {
        self.request_id = Some(id.to_owned());
        self
    }

    /// Calls that carried a credential that held.
    pub fn authenticated(self) -> Self {
        self.once_ended(Column::IsAuthenticated.eq(true))
    }

    /// Calls that took at least `milliseconds`.
    pub fn slow(mut self, milliseconds: u32) -> Self {
        let least = i64::from(milliseconds) * 1000;
        if least >= SLOW {
            self.slow = true;
        } else {
            self.unindexed = true;
        }
        self.once_ended(Column::DurationUs.gte(least))
    }

    /// Rows older than the row `id`: the next page after the one that ended with it.
    pub fn before(mut self, id: i64) -> Self {
        self.before = Some(self.before.map_or(id, |before| Ord::min(before, id)));
        self
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

    fn once_ended(mut self, condition: impl Into<Condition>) -> Self {
        self.outcome = self.outcome.add(condition);
        self
    }

    /// The rows, newest first. Of a request id that is a UUID of version 7 those of the moment that it names; later ones,
    /// by a caller who repeats it, when there are none.
    ///
    /// # Errors
    /// The database's.
    pub async fn all(self, db: &Db) -> Result<Vec<RequestLogRow>, DbErr> {
        if let Some(near) = self.near(db.backend()) {
            let rows = self.listed(db.backend(), Way::Usual).filter(near).limit(self.limit).all(db).await?;
            if !rows.is_empty() {
                return Ok(rows);
            }
        }
        let way = self.way(db).await?;
        self.listed(db.backend(), way).limit(self.limit).all(db).await
    }

    /// How many rows there are; the limit does not count.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(self, db: &Db) -> Result<u64, DbErr> {
        Entity::find().filter(self.condition(db.backend(), Way::Usual)).count(db).await
    }

    /// Everything that was asked for, in the words that let this database go this way.
    fn condition(&self, backend: DbBackend, way: Way) -> Condition {
        let (lasting, ended) = (self.lasting(backend, way), self.ended(backend, way));
        if ended.is_empty() { lasting } else { lasting.add(ended) }
    }

    /// What was asked for that a call's end does not change.
    fn lasting(&self, backend: DbBackend, way: Way) -> Condition {
        let sqlite = backend == DbBackend::Sqlite;
        let mut condition = self.condition.clone();
        if let Some(id) = self.before {
            condition = condition.add(Column::Id.lt(id));
        }
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
                None if way == Way::ByIds => condition,
                None if sqlite => condition.add(way::methods_within(&keys)),
                None => condition.add(Column::MethodKey.between(*keys.start(), *keys.end())),
            };
            condition = condition.add(Column::ServiceName.eq(service.as_str()));
        }
        if let Some(method) = &self.method {
            condition = condition.add(Column::MethodName.eq(method.as_str()));
        }
        if let Some(address) = &self.client_ip {
            condition = if sqlite {
                // What the view makes of every row's peer costs more than to compare with it: address, colon, port.
                let host = if address.contains(':') { format!("[{address}]") } else { address.clone() };
                condition.add(Column::Peer.gte(format!("{host}:"))).add(Column::Peer.lt(format!("{host};")))
            } else {
                condition.add(Column::ClientIp.eq(address.as_str()))
            };
        }
        if let Some(id) = &self.request_id {
            condition = condition.add(Column::RequestId.eq(id.as_str()));
            condition = match (begun(id), backend) {
                // The row is written after its call began, and ids are moments of writing.
                (Some(micros), DbBackend::Sqlite) => condition.add(Column::Id.gte(micros - FOREIGN_CLOCK)),
                (Some(micros), DbBackend::Postgres) => {
                    condition.add(Column::CreatedAt.gte(moment(micros - FOREIGN_CLOCK)))
                }
                // Ids that look as if they were made here have no index: they say when, and would cost every call.
                (None, DbBackend::Sqlite | DbBackend::Postgres) if is_indexed(id) => {
                    condition.add(Expr::cust("(length(request_id) <> 36 OR substr(request_id, 15, 1) <> '7')"))
                }
                _ => condition,
            };
        }
        condition
    }

    /// What was asked for of a call's end, or that may be unknown before it.
    fn ended(&self, backend: DbBackend, way: Way) -> Condition {
        let mut condition = self.outcome.clone();
        if let Some(code) = self.code {
            condition = if backend == DbBackend::Sqlite {
                condition.add(Expr::col(Alias::new("code")).eq(code as i16))
            } else {
                condition.add(Column::GrpcStatusCode.eq(code_name(code)))
            };
        }
        if way != Way::ByIds {
            if self.slow {
                // In the words of the index.
                condition = condition.add(Expr::cust(format!("duration_us >= {SLOW}")));
            }
            if self.text {
                let failed = reach::FAILED.map(State::as_str);
                condition = condition.add(Column::Status.is_in(failed));
            }
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

/// Whether the index has an id, see its migration.
fn is_indexed(request_id: &str) -> bool {
    request_id.chars().count() != 36 || request_id.chars().nth(14) != Some('7')
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
