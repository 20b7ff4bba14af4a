//! Which codes failed calls ended with, and where.

use schemars::JsonSchema;
use sea_orm::FromQueryResult;
use serde::Serialize;
use tonic::Code;

use super::{Question, ask, numbers::percent};
use crate::{
    Db, Result,
    record::{code_name, tally::ALL},
};

/// The calls that did not end with OK, cancelled ones and timeouts included.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Errors {
    /// The hours that were asked for.
    pub hours: u32,
    /// Calls that ended, with OK or without.
    pub total_calls: u64,
    /// Calls that did not end with OK.
    pub total_errors: u64,
    /// By method and code, most frequent first.
    pub errors: Vec<ErrorNumbers>,
}

/// The calls of one method that ended with one code.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ErrorNumbers {
    /// `NOT_FOUND`.
    pub error_code: String,
    /// The full name: `crypto.CryptoService`.
    pub service_name: String,
    /// `GetCoin`.
    pub method_name: String,
    /// How many calls.
    pub count: u64,
    /// Per cent of all calls that did not end with OK, two decimals.
    pub percentage: f64,
}

#[derive(FromQueryResult)]
struct Counted {
    service_name: String,
    method_name: String,
    grpc_code: i16,
    calls: i64,
}

impl Question {
    /// Which codes failed calls ended with.
    ///
    /// # Errors
    /// The database's.
    pub async fn errors(&self, db: &Db) -> Result<Errors> {
        let (named, values) = self.named(db, false);
        // A sum of bigint is a decimal on PostgreSQL and MySQL.
        let sum = match db.backend() {
            sea_orm::DbBackend::MySql => "CAST(SUM(calls) AS SIGNED)",
            _ => "CAST(SUM(calls) AS bigint)",
        };
        let sql = format!(
            "SELECT service_name, method_name, grpc_code, {sum} AS calls FROM steeple_request_stats WHERE {}{named} \
             GROUP BY service_name, method_name, grpc_code",
            self.span().condition()
        );
        let counted: Vec<Counted> = ask(db, sql, values).await?;
        debug_assert!(counted.iter().all(|row| row.service_name != ALL));
        let of = |wanted: &dyn Fn(&&Counted) -> bool| -> u64 {
            counted.iter().filter(wanted).map(|row| row.calls.max(0) as u64).sum()
        };
        let failed = |row: &&Counted| Code::from_i32(row.grpc_code.into()) != Code::Ok;
        let (total_calls, total_errors) = (of(&|_| true), of(&failed));
        let mut errors: Vec<_> = counted
            .iter()
            .filter(failed)
            .map(|row| ErrorNumbers {
                error_code: code_name(Code::from_i32(row.grpc_code.into())).to_owned(),
                service_name: row.service_name.clone(),
                method_name: row.method_name.clone(),
                count: row.calls.max(0) as u64,
                percentage: percent(row.calls.max(0) as u64, total_errors),
            })
            .collect();
        errors.sort_by(|a, b| {
            let name = |error: &ErrorNumbers| (error.service_name.clone(), error.method_name.clone());
            b.count.cmp(&a.count).then_with(|| name(a).cmp(&name(b))).then_with(|| a.error_code.cmp(&b.error_code))
        });
        Ok(Errors { hours: self.hours, total_calls, total_errors, errors })
    }
}
