//! What one owner holds of one coin.

use sea_orm::entity::prelude::*;
use steeple::Fixed;

/// One row of `crypto_wallet`: an owner has one wallet per coin at most.
///
/// The balance is a whole number of 10⁻⁸ coins in a BIGINT, exact on every database.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "crypto_wallet")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    #[sea_orm(unique_key = "owner_coin", column_type = "String(StringLen::N(150))")]
    pub owner: String,
    #[sea_orm(unique_key = "owner_coin")]
    pub coin_id: i64,
    pub balance: Fixed<8>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    #[sea_orm(belongs_to, from = "coin_id", to = "id")]
    pub coin: BelongsTo<super::coin::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
