//! `auth_permission`: what one may do, with what.

use sea_orm::entity::prelude::*;

/// One permission; `app_label` of its content type and `codename` make its full name, `crypto.add_coin`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "auth_permission")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// For people: `Can add coin`.
    #[sea_orm(column_type = "String(StringLen::N(255))")]
    pub name: String,
    /// The model it is about.
    pub content_type_id: i32,
    /// For programs: `add_coin`.
    #[sea_orm(column_type = "String(StringLen::N(100))")]
    pub codename: String,
    /// The model it is about.
    #[sea_orm(belongs_to, from = "content_type_id", to = "id")]
    pub content_type: HasOne<super::content_type::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
