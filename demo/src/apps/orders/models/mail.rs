//! A letter that waits to be sent.

use sea_orm::entity::prelude::*;

/// One row of `orders_mail`: whoever sends mail takes it from here. One for an order at most.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders_mail")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    #[sea_orm(unique)]
    pub order_id: i64,
    #[sea_orm(column_type = "String(StringLen::N(254))")]
    pub recipient: String,
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub subject: String,
    #[sea_orm(column_type = "Text")]
    pub body: String,
    pub created_at: DateTimeUtc,
    #[sea_orm(belongs_to, from = "order_id", to = "id", on_delete = "Cascade")]
    pub order: BelongsTo<super::order::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
