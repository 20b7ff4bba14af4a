//! The table `steeple_audit_log` as a SeaORM entity.

use sea_orm::entity::prelude::*;
use serde::Serialize;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "steeple_audit_log")]
pub struct Model {
    /// In the order in which changes were written.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// `auth_user.id` of who made it, without a foreign key: the row stays when the user goes.
    pub user_id: Option<i64>,
    /// What they were called then.
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub username: String,
    /// One of [`Action`](super::Action).
    #[sea_orm(column_type = "String(StringLen::N(20))")]
    pub action: String,
    /// `crypto.coin`.
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub object_type: String,
    /// Its key, as text.
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub object_id: String,
    /// What it was called then.
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub object_name: String,
    /// A JSON object: each field with a list of what it was and what it became.
    #[sea_orm(column_type = "Text")]
    pub changes: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
