//! The tables of coins and wallets.
//!
//! MySQL commits each statement by itself, so every step may meet its own work of an interrupted run and passes over it.

#![expect(elided_lifetimes_in_paths, reason = "the signature of MigrationTrait, as async_trait wants it")]

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::schema::{index, moment};

/// Creates `crypto_coin` and `crypto_wallet`.
#[derive(Debug)]
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "0001_initial"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        manager
            .create_table(
                Table::create()
                    .table(Coin::Table)
                    .if_not_exists()
                    .col(ColumnDef::new(Coin::Id).big_integer().not_null().auto_increment().primary_key())
                    .col(ColumnDef::new(Coin::Symbol).string_len(20).not_null().unique_key())
                    .col(ColumnDef::new(Coin::Name).string_len(100).not_null())
                    .col(ColumnDef::new(Coin::Rank).integer().not_null())
                    .col(ColumnDef::new(Coin::PriceUsd).big_integer().not_null())
                    .col(ColumnDef::new(Coin::MarketCapUsd).big_integer().not_null())
                    .col(ColumnDef::new(Coin::Volume24hUsd).big_integer().not_null())
                    .col(ColumnDef::new(Coin::Change24hPercent).big_integer().not_null())
                    .col(ColumnDef::new(Coin::Stablecoin).boolean().not_null())
                    .col(ColumnDef::new(Coin::Website).string_len(200).not_null())
                    .col(moment(backend, Coin::UpdatedAt))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Wallet::Table)
                    .if_not_exists()
                    .col(ColumnDef::new(Wallet::Id).big_integer().not_null().auto_increment().primary_key())
                    .col(owner(backend))
                    .col(ColumnDef::new(Wallet::CoinId).big_integer().not_null())
                    // The last line of defence: the service never asks for less than nothing.
                    .col(
                        ColumnDef::new(Wallet::Balance)
                            .big_integer()
                            .not_null()
                            .check(Expr::col(Wallet::Balance).gte(0)),
                    )
                    .col(moment(backend, Wallet::CreatedAt))
                    .col(moment(backend, Wallet::UpdatedAt))
                    .index(Index::create().unique().name(ONE_PER_COIN).col(Wallet::Owner).col(Wallet::CoinId))
                    .foreign_key(
                        ForeignKey::create()
                            .name("crypto_wallet_coin_id_fk")
                            .from(Wallet::Table, Wallet::CoinId)
                            .to(Coin::Table, Coin::Id)
                            .on_delete(ForeignKeyAction::Restrict),
                    )
                    .to_owned(),
            )
            .await?;
        index(manager, "crypto_wallet", "crypto_wallet_coin_id_idx", [Wallet::CoinId]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Wallet::Table).if_exists().to_owned()).await?;
        manager.drop_table(Table::drop().table(Coin::Table).if_exists().to_owned()).await
    }
}

const ONE_PER_COIN: &str = "crypto_wallet_owner_coin_uniq";

/// A user name. MySQL's usual collation would take `Bob` and `bób` for `bob`, and show one of them the other's wallets.
fn owner(backend: DbBackend) -> ColumnDef {
    let mut column = ColumnDef::new(Wallet::Owner);
    match backend {
        DbBackend::MySql => column.custom("varchar(150) character set utf8mb4 collate utf8mb4_bin"),
        _ => column.string_len(150),
    };
    column.not_null().to_owned()
}

#[derive(DeriveIden)]
enum Coin {
    #[sea_orm(iden = "crypto_coin")]
    Table,
    Id,
    Symbol,
    Name,
    Rank,
    PriceUsd,
    MarketCapUsd,
    #[sea_orm(iden = "volume_24h_usd")]
    Volume24hUsd,
    #[sea_orm(iden = "change_24h_percent")]
    Change24hPercent,
    Stablecoin,
    Website,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum Wallet {
    #[sea_orm(iden = "crypto_wallet")]
    Table,
    Id,
    Owner,
    CoinId,
    Balance,
    CreatedAt,
    UpdatedAt,
}
