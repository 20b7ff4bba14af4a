//! `django_content_type`: every model of every app, by name.

use sea_orm::entity::prelude::*;

/// One model of one app.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "django_content_type")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// The label of the app: `crypto`.
    #[sea_orm(column_type = "String(StringLen::N(100))")]
    pub app_label: String,
    /// The model's name in lower case, without underscores: `coin`.
    #[sea_orm(column_type = "String(StringLen::N(100))")]
    pub model: String,
    /// What one may do with it.
    #[sea_orm(has_many)]
    pub permissions: HasMany<super::permission::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
