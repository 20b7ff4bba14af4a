//! What the migrations of several apps have in common. Applied migrations mean what is written here: add to it, never
//! change it.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// A column for a moment, in microseconds. MySQL's own `timestamp` would cut it to seconds.
pub fn moment(backend: DbBackend, name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match backend {
        DbBackend::MySql => column.custom("datetime(6)"),
        _ => column.timestamp_with_time_zone(),
    };
    column.not_null().to_owned()
}

/// Creates an index, unless it is there: MySQL commits each statement by itself, so a migration may meet its own work
/// of an interrupted run.
pub async fn index<C>(manager: &SchemaManager<'_>, table: &str, name: &str, columns: C) -> Result<(), DbErr>
where
    C: IntoIterator<Item: IntoIndexColumn>,
{
    if manager.has_index(table, name).await? {
        return Ok(());
    }
    let mut index = Index::create().name(name).table(Alias::new(table)).to_owned();
    for column in columns {
        index.col(column);
    }
    manager.create_index(index).await
}
