//! The tables of wallet agents, their transactions and their logs.
//!
//! MySQL commits each statement by itself, so every step may meet its own work of an interrupted run and passes over it.

#![expect(elided_lifetimes_in_paths, reason = "the signature of MigrationTrait, as async_trait wants it")]

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::schema::{index, moment};

/// Creates `crypto_streaming_agent`, `crypto_streaming_transaction` and `crypto_streaming_entry`.
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
                    .table(Agent::Table)
                    .if_not_exists()
                    .col(ColumnDef::new(Agent::Id).big_integer().not_null().auto_increment().primary_key())
                    .col(exact(backend, Agent::ClientId).unique_key())
                    .col(ColumnDef::new(Agent::OwnerId).big_integer().not_null())
                    .col(ColumnDef::new(Agent::Name).string_len(100).not_null())
                    .col(ColumnDef::new(Agent::Kind).string_len(50).not_null())
                    .col(ColumnDef::new(Agent::Version).string_len(50).not_null())
                    .col(ColumnDef::new(Agent::ApiUrl).string_len(200).not_null())
                    .col(ColumnDef::new(Agent::Status).integer().not_null())
                    .col(ColumnDef::new(Agent::StatusDetails).string_len(500).not_null())
                    .col(moment(backend, Agent::CreatedAt))
                    .col(moment(backend, Agent::UpdatedAt))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Report::Table)
                    .if_not_exists()
                    .col(ColumnDef::new(Report::Id).big_integer().not_null().auto_increment().primary_key())
                    .col(ColumnDef::new(Report::AgentId).big_integer().not_null())
                    .col(exact(backend, Report::TransactionId))
                    .col(ColumnDef::new(Report::Kind).string_len(20).not_null())
                    .col(ColumnDef::new(Report::Symbol).string_len(20).not_null())
                    .col(ColumnDef::new(Report::Amount).big_integer().not_null())
                    .col(ColumnDef::new(Report::Status).string_len(20).not_null())
                    .col(ColumnDef::new(Report::Details).string_len(500).not_null())
                    .col(moment(backend, Report::CreatedAt))
                    .col(moment(backend, Report::UpdatedAt))
                    .index(
                        Index::create()
                            .unique()
                            .name("crypto_streaming_transaction_reported_uniq")
                            .col(Report::AgentId)
                            .col(Report::TransactionId),
                    )
                    .foreign_key(&mut of_agent(
                        "crypto_streaming_transaction_agent_id_fk",
                        Report::Table,
                        Report::AgentId,
                    ))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Entry::Table)
                    .if_not_exists()
                    .col(ColumnDef::new(Entry::Id).big_integer().not_null().auto_increment().primary_key())
                    .col(ColumnDef::new(Entry::AgentId).big_integer().not_null())
                    .col(ColumnDef::new(Entry::Kind).string_len(10).not_null())
                    .col(ColumnDef::new(Entry::Level).string_len(20).not_null())
                    .col(ColumnDef::new(Entry::Message).text().not_null())
                    .col(ColumnDef::new(Entry::Extra).text().not_null())
                    .col(moment(backend, Entry::CreatedAt))
                    .foreign_key(&mut of_agent("crypto_streaming_entry_agent_id_fk", Entry::Table, Entry::AgentId))
                    .to_owned(),
            )
            .await?;
        index(manager, "crypto_streaming_entry", "crypto_streaming_entry_agent_id_idx", [Entry::AgentId, Entry::Id])
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Entry::Table).if_exists().to_owned()).await?;
        manager.drop_table(Table::drop().table(Report::Table).if_exists().to_owned()).await?;
        manager.drop_table(Table::drop().table(Agent::Table).if_exists().to_owned()).await
    }
}

fn of_agent(name: &str, table: impl IntoTableRef, column: impl IntoIden) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(name)
        .from(table, column)
        .to(Agent::Table, Agent::Id)
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

/// A name that agents choose. MySQL's usual collation would take two that differ in case for one.
fn exact(backend: DbBackend, name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match backend {
        DbBackend::MySql => column.custom("varchar(64) character set utf8mb4 collate utf8mb4_bin"),
        _ => column.string_len(64),
    };
    column.not_null().to_owned()
}

#[derive(DeriveIden)]
enum Agent {
    #[sea_orm(iden = "crypto_streaming_agent")]
    Table,
    Id,
    ClientId,
    OwnerId,
    Name,
    Kind,
    Version,
    ApiUrl,
    Status,
    StatusDetails,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum Report {
    #[sea_orm(iden = "crypto_streaming_transaction")]
    Table,
    Id,
    AgentId,
    TransactionId,
    Kind,
    Symbol,
    Amount,
    Status,
    Details,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum Entry {
    #[sea_orm(iden = "crypto_streaming_entry")]
    Table,
    Id,
    AgentId,
    Kind,
    Level,
    Message,
    Extra,
    CreatedAt,
}
