//! The tables of orders, their lines and the mail about them.
//!
//! MySQL commits each statement by itself, so every step may meet its own work of an interrupted run and passes over it.

#![expect(elided_lifetimes_in_paths, reason = "the signature of MigrationTrait, as async_trait wants it")]

use sea_orm_migration::prelude::*;

use crate::schema::{index, moment};

/// Creates `orders_order`, `orders_orderline` and `orders_mail`.
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
                    .table(Order::Table)
                    .if_not_exists()
                    .col(ColumnDef::new(Order::Id).big_integer().not_null().auto_increment().primary_key())
                    // As wide as the key it refers to.
                    .col(ColumnDef::new(Order::UserId).integer().not_null())
                    .col(ColumnDef::new(Order::Status).string_len(16).not_null())
                    .col(ColumnDef::new(Order::TotalUsd).big_integer().not_null())
                    .col(moment(backend, Order::CreatedAt))
                    .col(moment(backend, Order::UpdatedAt))
                    .foreign_key(
                        ForeignKey::create()
                            .name("orders_order_user_id_fk")
                            .from(Order::Table, Order::UserId)
                            .to(User::Table, User::Id)
                            .on_delete(ForeignKeyAction::Restrict),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Line::Table)
                    .if_not_exists()
                    .col(ColumnDef::new(Line::Id).big_integer().not_null().auto_increment().primary_key())
                    .col(ColumnDef::new(Line::OrderId).big_integer().not_null())
                    .col(ColumnDef::new(Line::ProductId).big_integer().not_null())
                    .col(ColumnDef::new(Line::Quantity).integer().not_null().check(Expr::col(Line::Quantity).gt(0)))
                    .col(ColumnDef::new(Line::UnitPriceUsd).big_integer().not_null())
                    .col(ColumnDef::new(Line::TotalUsd).big_integer().not_null())
                    .index(Index::create().unique().name(ONE_PER_PRODUCT).col(Line::OrderId).col(Line::ProductId))
                    .foreign_key(
                        ForeignKey::create()
                            .name("orders_orderline_order_id_fk")
                            .from(Line::Table, Line::OrderId)
                            .to(Order::Table, Order::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("orders_orderline_product_id_fk")
                            .from(Line::Table, Line::ProductId)
                            .to(Product::Table, Product::Id)
                            .on_delete(ForeignKeyAction::Restrict),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Mail::Table)
                    .if_not_exists()
                    .col(ColumnDef::new(Mail::Id).big_integer().not_null().auto_increment().primary_key())
                    .col(ColumnDef::new(Mail::OrderId).big_integer().not_null().unique_key())
                    .col(ColumnDef::new(Mail::Recipient).string_len(254).not_null())
                    .col(ColumnDef::new(Mail::Subject).string_len(200).not_null())
                    .col(ColumnDef::new(Mail::Body).text().not_null())
                    .col(moment(backend, Mail::CreatedAt))
                    .foreign_key(
                        ForeignKey::create()
                            .name("orders_mail_order_id_fk")
                            .from(Mail::Table, Mail::OrderId)
                            .to(Order::Table, Order::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        // A page of one user's orders is one range of this index, read backwards.
        index(manager, "orders_order", "orders_order_user_id_idx", [Order::UserId, Order::Id]).await?;
        index(manager, "orders_orderline", "orders_orderline_product_id_idx", [Line::ProductId]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Mail::Table).if_exists().to_owned()).await?;
        manager.drop_table(Table::drop().table(Line::Table).if_exists().to_owned()).await?;
        manager.drop_table(Table::drop().table(Order::Table).if_exists().to_owned()).await
    }
}

const ONE_PER_PRODUCT: &str = "orders_orderline_order_product_uniq";

#[derive(DeriveIden)]
enum Order {
    #[sea_orm(iden = "orders_order")]
    Table,
    Id,
    UserId,
    Status,
    TotalUsd,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum Line {
    #[sea_orm(iden = "orders_orderline")]
    Table,
    Id,
    OrderId,
    ProductId,
    Quantity,
    UnitPriceUsd,
    TotalUsd,
}

#[derive(DeriveIden)]
enum Mail {
    #[sea_orm(iden = "orders_mail")]
    Table,
    Id,
    OrderId,
    Recipient,
    Subject,
    Body,
    CreatedAt,
}

#[derive(DeriveIden)]
enum User {
    #[sea_orm(iden = "auth_user")]
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Product {
    #[sea_orm(iden = "products_product")]
    Table,
    Id,
}
