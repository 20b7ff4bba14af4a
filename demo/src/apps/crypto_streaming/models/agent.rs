//! A wallet agent.

use sea_orm::entity::prelude::*;

/// One row of `crypto_streaming_agent`: a name, whose it is, and what the agent last said of itself.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "crypto_streaming_agent")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    #[sea_orm(unique, column_type = "String(StringLen::N(64))")]
    pub client_id: String,
    /// The user who connected under this name first.
    pub owner_id: i64,
    #[sea_orm(column_type = "String(StringLen::N(100))")]
    pub name: String,
    #[sea_orm(column_type = "String(StringLen::N(50))")]
    pub kind: String,
    #[sea_orm(column_type = "String(StringLen::N(50))")]
    pub version: String,
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub api_url: String,
    /// A number of `ClientStatus`.
    pub status: i32,
    #[sea_orm(column_type = "String(StringLen::N(500))")]
    pub status_details: String,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    #[sea_orm(has_many)]
    pub transactions: HasMany<super::transaction::Entity>,
    #[sea_orm(has_many)]
    pub entries: HasMany<super::entry::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
