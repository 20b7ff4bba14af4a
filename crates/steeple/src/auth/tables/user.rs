//! `auth_user`: everybody who has an account.

use sea_orm::entity::prelude::*;

use crate::auth::password::Encoded;

/// One user.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "auth_user")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// The hash of the password.
    #[sea_orm(column_type = "String(StringLen::N(128))")]
    pub password: Encoded,
    /// When they last logged in by password.
    pub last_login: Option<DateTimeUtc>,
    /// Has every permission.
    pub is_superuser: bool,
    /// What they log in with, in Unicode's form NFKC.
    #[sea_orm(unique, column_type = "String(StringLen::N(150))")]
    pub username: String,
    /// May be empty.
    #[sea_orm(column_type = "String(StringLen::N(150))")]
    pub first_name: String,
    /// May be empty.
    #[sea_orm(column_type = "String(StringLen::N(150))")]
    pub last_name: String,
    /// May be empty; its domain is in lower case.
    #[sea_orm(column_type = "String(StringLen::N(254))")]
    pub email: String,
    /// May use the admin.
    pub is_staff: bool,
    /// May log in; what they were given holds only while this is true.
    pub is_active: bool,
    /// When the account was made.
    pub date_joined: DateTimeUtc,
    /// The groups they are in.
    #[sea_orm(has_many, via = "user_group")]
    pub groups: HasMany<super::group::Entity>,
    /// What they were given themselves.
    #[sea_orm(has_many, via = "user_permission")]
    pub permissions: HasMany<super::permission::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
