//! The tables of products and their categories.
//!
//! MySQL commits each statement by itself, so every step may meet its own work of an interrupted run and passes over it.

#![expect(elided_lifetimes_in_paths, reason = "the signature of MigrationTrait, as async_trait wants it")]

use sea_orm_migration::prelude::*;

use crate::schema::{index, moment};

/// Creates `products_category` and `products_product`.
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
                    .table(Category::Table)
                    .if_not_exists()
                    .col(ColumnDef::new(Category::Id).big_integer().not_null().auto_increment().primary_key())
                    .col(ColumnDef::new(Category::Slug).string_len(50).not_null().unique_key())
                    .col(ColumnDef::new(Category::Name).string_len(100).not_null())
                    .to_owned(),
            )
            .await?;
        // The checks are the last line of defence: the service never asks for less than nothing.
        let never_negative = |column: Product| {
            ColumnDef::new(column.clone()).big_integer().not_null().check(Expr::col(column).gte(0)).to_owned()
        };
        manager
            .create_table(
                Table::create()
                    .table(Product::Table)
                    .if_not_exists()
                    .col(ColumnDef::new(Product::Id).big_integer().not_null().auto_increment().primary_key())
                    .col(ColumnDef::new(Product::Sku).string_len(40).not_null().unique_key())
                    .col(ColumnDef::new(Product::Name).string_len(200).not_null())
                    .col(ColumnDef::new(Product::Description).text().not_null())
                    .col(ColumnDef::new(Product::CategoryId).big_integer().not_null())
                    .col(never_negative(Product::PriceUsd))
                    .col(never_negative(Product::Stock))
                    .col(ColumnDef::new(Product::Withdrawn).boolean().not_null())
                    .col(moment(backend, Product::CreatedAt))
                    .col(moment(backend, Product::UpdatedAt))
                    .foreign_key(
                        ForeignKey::create()
                            .name("products_product_category_id_fk")
                            .from(Product::Table, Product::CategoryId)
                            .to(Category::Table, Category::Id)
                            .on_delete(ForeignKeyAction::Restrict),
                    )
                    .to_owned(),
            )
            .await?;
        index(manager, "products_product", "products_product_category_id_idx", [Product::CategoryId]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Product::Table).if_exists().to_owned()).await?;
        manager.drop_table(Table::drop().table(Category::Table).if_exists().to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Category {
    #[sea_orm(iden = "products_category")]
    Table,
    Id,
    Slug,
    Name,
}

#[derive(DeriveIden, Clone)]
enum Product {
    #[sea_orm(iden = "products_product")]
    Table,
    Id,
    Sku,
    Name,
    Description,
    CategoryId,
    PriceUsd,
    Stock,
    Withdrawn,
    CreatedAt,
    UpdatedAt,
}
