//! A coin and its market.

use sea_orm::entity::prelude::*;
use steeple::Fixed;

/// One row of `crypto_coin`. What its columns mean is said in `proto/crypto.proto`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "crypto_coin")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    #[sea_orm(unique, column_type = "String(StringLen::N(20))")]
    pub symbol: String,
    #[sea_orm(column_type = "String(StringLen::N(100))")]
    pub name: String,
    pub rank: i32,
    pub price_usd: Fixed<8>,
    pub market_cap_usd: Fixed<2>,
    pub volume_24h_usd: Fixed<2>,
    pub change_24h_percent: Fixed<2>,
    pub stablecoin: bool,
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub website: String,
    pub updated_at: DateTimeUtc,
    #[sea_orm(has_many)]
    pub wallets: HasMany<super::wallet::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
