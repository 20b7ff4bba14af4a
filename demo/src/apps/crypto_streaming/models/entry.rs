//! A line of an agent's log, or something that went wrong there.

use sea_orm::entity::prelude::*;

/// One row of `crypto_streaming_entry`. Each agent keeps its newest thousand or so.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "crypto_streaming_entry")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub agent_id: i64,
    /// `log` or `error`.
    #[sea_orm(column_type = "String(StringLen::N(10))")]
    pub kind: String,
    /// The level of a log line, the severity of an error.
    #[sea_orm(column_type = "String(StringLen::N(20))")]
    pub level: String,
    #[sea_orm(column_type = "Text")]
    pub message: String,
    /// Extra data of a log line, the traceback of an error.
    #[sea_orm(column_type = "Text")]
    pub extra: String,
    pub created_at: DateTimeUtc,
    #[sea_orm(belongs_to, from = "agent_id", to = "id")]
    pub agent: BelongsTo<super::agent::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
