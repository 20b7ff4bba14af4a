//! `auth_group`: users who share permissions.

use sea_orm::entity::prelude::*;

/// One group.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "auth_group")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// Its name.
    #[sea_orm(unique, column_type = "String(StringLen::N(150))")]
    pub name: String,
    /// What its users may do.
    #[sea_orm(has_many, via = "group_permission")]
    pub permissions: HasMany<super::permission::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
