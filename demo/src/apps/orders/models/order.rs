//! What a user ordered at one time.

use sea_orm::entity::prelude::*;
use steeple::{Fixed, auth::tables::user};

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum Status {
    /// Waits to be shipped.
    #[sea_orm(string_value = "placed")]
    Placed,
    /// Has left the warehouse.
    #[sea_orm(string_value = "shipped")]
    Shipped,
    /// Was taken back.
    #[sea_orm(string_value = "cancelled")]
    Cancelled,
}

/// One row of `orders_order`. What its columns mean is said in `proto/orders.proto`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders_order")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub user_id: i32,
    pub status: Status,
    /// The exact sum of the lines.
    pub total_usd: Fixed<2>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    #[sea_orm(has_many)]
    pub lines: HasMany<super::order_line::Entity>,
    #[sea_orm(belongs_to, from = "user_id", to = "id")]
    pub user: BelongsTo<user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
