//! So many of one product, in one order.

use sea_orm::entity::prelude::*;
use steeple::Fixed;

use crate::apps::products::models::product;

/// One row of `orders_orderline`: an order has one line per product at most.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders_orderline")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    #[sea_orm(unique_key = "order_product")]
    pub order_id: i64,
    #[sea_orm(unique_key = "order_product")]
    pub product_id: i64,
    pub quantity: i32,
    /// The product's price when the order was placed.
    pub unit_price_usd: Fixed<2>,
    /// Quantity times price.
    pub total_usd: Fixed<2>,
    #[sea_orm(belongs_to, from = "order_id", to = "id", on_delete = "Cascade")]
    pub order: BelongsTo<super::order::Entity>,
    #[sea_orm(belongs_to, from = "product_id", to = "id")]
    pub product: BelongsTo<product::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
