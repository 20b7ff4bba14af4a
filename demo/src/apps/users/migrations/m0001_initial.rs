//! The table of profiles.

#![expect(elided_lifetimes_in_paths, reason = "the signature of MigrationTrait, as async_trait wants it")]

use sea_orm_migration::prelude::*;

/// Creates `users_profile`.
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
        manager
            .create_table(
                Table::create()
                    .table(Profile::Table)
                    .if_not_exists()
                    .col(ColumnDef::new(Profile::Id).big_integer().not_null().auto_increment().primary_key())
                    // As wide as the key it refers to.
                    .col(ColumnDef::new(Profile::UserId).integer().not_null().unique_key())
                    .col(ColumnDef::new(Profile::Bio).string_len(1000).not_null())
                    .foreign_key(
                        ForeignKey::create()
                            .name("users_profile_user_id_fk")
                            .from(Profile::Table, Profile::UserId)
                            .to(User::Table, User::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Profile::Table).if_exists().to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Profile {
    #[sea_orm(iden = "users_profile")]
    Table,
    Id,
    UserId,
    Bio,
}

#[derive(DeriveIden)]
enum User {
    #[sea_orm(iden = "auth_user")]
    Table,
    Id,
}
