//! The table `steeple_request_log` as a SeaORM entity: what the admin lists and [`RequestLog`](super::RequestLog) asks.
//!
//! The columns are the original's, with two more sizes (messages) and the duration in microseconds. Must never: be
//! written through; rows come from the recorder alone.

#![expect(missing_docs, reason = "the derive makes public items that are SeaORM's and not described here")]

use schemars::JsonSchema;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use super::State;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, JsonSchema)]
#[sea_orm(table_name = "steeple_request_log")]
pub struct Model {
    /// In the order in which rows were written, so nearly in the order of time. On SQLite the moment of writing, in
    /// microseconds since 1970, or the next free number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// `x-request-id` of the caller, or a UUID of version 7. Callers may repeat theirs, so it is not unique.
    #[sea_orm(column_type = "String(StringLen::N(100))")]
    pub request_id: String,
    /// The full name: `crypto.CryptoService`.
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub service_name: String,
    /// `GetCoin`.
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub method_name: String,
    /// [`method_key`](crate::method::method_key) of the two, which is what is indexed.
    #[serde(skip)]
    pub method_key: i64,
    /// The path: `/crypto.CryptoService/GetCoin`.
    #[sea_orm(column_type = "String(StringLen::N(400))")]
    pub full_method: String,
    /// Bytes that came in.
    pub request_size: i64,
    /// Bytes that went out.
    pub response_size: i64,
    /// Messages that came in.
    pub request_messages: i64,
    /// Messages that went out.
    pub response_messages: i64,
    /// One of [`State`]: `pending`, `success`, `error`, `cancelled`, `timeout`.
    #[sea_orm(column_type = "String(StringLen::N(20))")]
    pub status: String,
    /// `OK`, `NOT_FOUND`; null while the call runs.
    #[sea_orm(column_type = "String(StringLen::N(50))", nullable)]
    pub grpc_status_code: Option<String>,
    /// The public sentence of a failure and its causes.
    #[sea_orm(column_type = "Text", nullable)]
    pub error_message: Option<String>,
    /// [`duration_us`](Self::duration_us) in whole milliseconds, rounded down, as the original had it.
    pub duration_ms: Option<i64>,
    /// From the request's head to the last byte, in microseconds; null while the call runs.
    pub duration_us: Option<i64>,
    /// `auth_user.id`, without a foreign key: the row stays when the user goes.
    pub user_id: Option<i64>,
    /// `steeple_api_key.id`, likewise.
    pub api_key_id: Option<i64>,
    /// The call carried a credential that held.
    pub is_authenticated: bool,
    /// The peer's address.
    #[sea_orm(column_type = "String(StringLen::N(45))", nullable)]
    pub client_ip: Option<String>,
    /// `user-agent` of the call, at most 500 bytes.
    #[sea_orm(column_type = "String(StringLen::N(500))", nullable)]
    pub user_agent: Option<String>,
    /// The peer's address and port.
    #[sea_orm(column_type = "String(StringLen::N(200))", nullable)]
    pub peer: Option<String>,
    /// When the call's head arrived.
    pub created_at: DateTimeUtc,
    /// When the call ended; null while it runs.
    pub completed_at: Option<DateTimeUtc>,
}

impl Model {
    /// The state that [`status`](Self::status) names; `None` for a text that no version of Steeple writes.
    pub fn state(&self) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == self.status)
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
