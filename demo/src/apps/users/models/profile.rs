//! What a user tells of themselves, beside their account.

use sea_orm::entity::prelude::*;
use steeple::auth::tables::user;

/// One row of `users_profile`: a user has one at most, from the first time they write something.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users_profile")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    #[sea_orm(unique)]
    pub user_id: i32,
    #[sea_orm(column_type = "String(StringLen::N(1000))")]
    pub bio: String,
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub user: BelongsTo<user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
