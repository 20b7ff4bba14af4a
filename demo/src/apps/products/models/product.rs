//! Something that is sold.

use sea_orm::entity::prelude::*;
use steeple::Fixed;

/// One row of `products_product`. What its columns mean is said in `proto/products.proto`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "products_product")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    #[sea_orm(unique, column_type = "String(StringLen::N(40))")]
    pub sku: String,
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub description: String,
    pub category_id: i64,
    pub price_usd: Fixed<2>,
    /// Changed by `stock.rs` alone, which locks the row first.
    pub stock: i64,
    pub withdrawn: bool,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    #[sea_orm(belongs_to, from = "category_id", to = "id")]
    pub category: BelongsTo<super::category::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
