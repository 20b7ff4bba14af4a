//! What an agent reported of a wallet.

use sea_orm::entity::prelude::*;
use steeple::Fixed;

/// One row of `crypto_streaming_transaction`: an agent reports each of its transactions once, or the same one again.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "crypto_streaming_transaction")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    #[sea_orm(unique_key = "reported")]
    pub agent_id: i64,
    /// Its number at the agent.
    #[sea_orm(unique_key = "reported", column_type = "String(StringLen::N(64))")]
    pub transaction_id: String,
    #[sea_orm(column_type = "String(StringLen::N(20))")]
    pub kind: String,
    #[sea_orm(column_type = "String(StringLen::N(20))")]
    pub symbol: String,
    pub amount: Fixed<8>,
    #[sea_orm(column_type = "String(StringLen::N(20))")]
    pub status: String,
    #[sea_orm(column_type = "String(StringLen::N(500))")]
    pub details: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    #[sea_orm(belongs_to, from = "agent_id", to = "id")]
    pub agent: BelongsTo<super::agent::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
