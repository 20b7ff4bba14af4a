//! `auth_user_user_permissions`: what users were given themselves.

use sea_orm::entity::prelude::*;

/// One pair.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "auth_user_user_permissions")]
pub struct Model {
    /// The user.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: i32,
    /// The permission.
    #[sea_orm(primary_key, auto_increment = false)]
    pub permission_id: i32,
    /// The user.
    #[sea_orm(belongs_to, from = "user_id", to = "id")]
    pub user: HasOne<super::user::Entity>,
    /// The permission.
    #[sea_orm(belongs_to, from = "permission_id", to = "id")]
    pub permission: HasOne<super::permission::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
