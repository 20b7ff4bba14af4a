//! What the calls of a time amount to, without looking at one of them.
//!
//! The recorder adds every closed call to a row per minute, hour and day, method, code and node in
//! `steeple_request_stats`, in the transaction that writes the call's own row; and, within a second, to a row per hour,
//! user, API key, code and node in `steeple_caller_stats`. A [`Question`] adds up full days and, at its beginning, hours
//! and minutes; a million calls cost it no more than a thousand. Durations other than the mean come from merged
//! histograms and are wrong by at most 1 %; everything else is exact.
//!
//! Minutes are kept for [`MINUTE_DAYS`], hours for [`HOUR_DAYS`], days for [`DAY_DAYS`]. Must never: read the log itself.
//!
//! ```no_run
//! # async fn ask(db: &steeple::Db) -> steeple::Result<()> {
//! use steeple::record::stats::{Interval, Question};
//!
//! let day = Question::last(24)?;
//! let overview = day.statistics(db).await?;
//! let chart = day.timeline(db, Interval::Hour).await?;
//! let slowest_method = overview.methods.iter().max_by(|a, b| a.p95_duration_ms.total_cmp(&b.p95_duration_ms));
//! let of_one_service = day.service("crypto.CryptoService").timeline(db, Interval::Hour).await?;
//! # drop((chart, slowest_method, of_one_service)); Ok(())
//! # }
//! ```

mod callers;
mod errors;
mod numbers;
mod overview;
mod span;
#[cfg(test)]
mod tests;
mod timeline;

use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};

use self::span::Span;
pub use self::{
    callers::{ApiKeyNumbers, UserNumbers},
    errors::{ErrorNumbers, Errors},
    numbers::{Counts, Numbers},
    overview::{MethodNumbers, ServiceNumbers, Statistics},
    timeline::{Bucket, Interval, MOST_BUCKETS, Timeline},
};
use crate::{Db, Error, Result, clock};

/// Days for which the numbers of each minute are kept.
pub const MINUTE_DAYS: i64 = 7;
/// Days for which the numbers of each hour are kept.
pub const HOUR_DAYS: i64 = 60;
/// Days for which the numbers of each day are kept.
pub const DAY_DAYS: i64 = 400;
/// The longest time that can be asked for, in hours: a year.
pub const LONGEST_HOURS: u32 = 8760;

/// A question to the statistics: of which time, and of which calls. Calls count when they ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    hours: u32,
    now: i64,
    service: Option<String>,
    method: Option<String>,
}

impl Question {
    /// The calls that ended in the last `hours`, 1 to [`LONGEST_HOURS`].
    ///
    /// # Errors
    /// INVALID_ARGUMENT for other hours.
    pub fn last(hours: u32) -> Result<Self> {
        if !(1..=LONGEST_HOURS).contains(&hours) {
            return Err(Error::invalid("hours", format!("must be between 1 and {LONGEST_HOURS}")));
        }
        Ok(Self { hours, now: clock::now().timestamp(), service: None, method: None })
    }

    /// Only calls to this service, by its full name: `crypto.CryptoService`.
    pub fn service(mut self, name: &str) -> Self {
        self.service = Some(name.to_owned());
        self
    }

    /// Only calls to methods of this name: `GetCoin`.
    pub fn method(mut self, name: &str) -> Self {
        self.method = Some(name.to_owned());
        self
    }

    /// The hours that are asked for.
    pub fn hours(&self) -> u32 {
        self.hours
    }

    fn span(&self) -> Span {
        Span::last(self.hours, self.now)
    }

    /// The conditions on service and method, with their values; `of_all` picks the rows that count every call when
    /// neither is asked for, otherwise every method's own.
    fn named(&self, db: &Db, of_all: bool) -> (String, Vec<Value>) {
        let (mut condition, mut values) = (String::new(), Vec::<Value>::new());
        if self.service.is_none() && self.method.is_none() {
            condition.push_str(if of_all { " AND service_name = ''" } else { " AND service_name <> ''" });
            return (condition, values);
        }
        for (column, name) in [("service_name", &self.service), ("method_name", &self.method)] {
            let Some(name) = name else { continue };
            values.push(name.as_str().into());
            let place = match db.backend() {
                sea_orm::DbBackend::Postgres => format!("${}", values.len()),
                _ => "?".to_owned(),
            };
            condition = format!("{condition} AND {column} = {place}");
        }
        condition.push_str(" AND service_name <> ''");
        (condition, values)
    }
}

/// One row of `steeple_request_stats`.
#[derive(FromQueryResult)]
struct Part {
    starts_at: i64,
    service_name: String,
    method_name: String,
    grpc_code: i16,
    calls: i64,
    duration_us: i64,
    request_bytes: i64,
    response_bytes: i64,
    last_us: i64,
    histogram: Vec<u8>,
}

const PART: &str = "SELECT starts_at, service_name, method_name, grpc_code, calls, duration_us, request_bytes, \
    response_bytes, last_us, histogram FROM steeple_request_stats WHERE ";

async fn ask<R: FromQueryResult>(db: &Db, sql: String, values: Vec<Value>) -> Result<Vec<R>> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    Ok(R::find_by_statement(statement).all(db).await?)
}

impl Question {
    /// Gives every row within these portions of time, one portion after the other: a row per method, code and process
    /// of each minute, hour and day of a year is more than memory should hold at once.
    async fn each_part(
        &self,
        db: &Db,
        portions: impl IntoIterator<Item = String>,
        of_all: bool,
        mut add: impl FnMut(Part),
    ) -> Result<()> {
        let (named, values) = self.named(db, of_all);
        for portion in portions {
            let parts: Vec<Part> = ask(db, format!("{PART}{portion}{named}"), values.clone()).await?;
            parts.into_iter().for_each(&mut add);
        }
        Ok(())
    }
}
