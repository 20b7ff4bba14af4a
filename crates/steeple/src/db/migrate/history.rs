//! The table `steeple_migrations`.

use sea_orm::{
    ConnectionTrait as _, DbBackend, DbErr,
    sea_query::{Alias, Expr, ExprTrait as _, Order, Query, SelectStatement},
};
use sea_orm_migration::SchemaManager;

use super::{Db, Migration};
use crate::clock::{self, Time};

const TABLE: &str = "steeple_migrations";

/// A migration this database has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The app's label.
    pub app: String,
    /// The migration's name within the app.
    pub name: String,
    /// When it was applied.
    pub applied_at: Time,
}

/// Whether the table is there.
pub(super) async fn exists(db: &Db) -> Result<bool, DbErr> {
    match db {
        Db::Pool(pool) => SchemaManager::new(pool.connection()).has_table(TABLE).await,
        Db::Transaction(transaction) => SchemaManager::new(transaction.connection()).has_table(TABLE).await,
    }
}

/// Makes the table, if need be.
pub(super) async fn create(db: &Db) -> Result<(), DbErr> {
    let time = match db.backend() {
        DbBackend::Postgres => "timestamp with time zone",
        DbBackend::MySql => "datetime(6)",
        _ => "datetime",
    };
    let table = format!(
        "CREATE TABLE IF NOT EXISTS {TABLE} (app varchar(100) NOT NULL, name varchar(150) NOT NULL, \
         applied_at {time} NOT NULL, PRIMARY KEY (app, name))"
    );
    db.execute_unprepared(&table).await.map(drop)
}

/// All of it, in the order it happened; nothing when there is no table.
pub(super) async fn read(db: &Db) -> Result<Vec<Past>, DbErr> {
    if !exists(db).await? {
        return Ok(Vec::new());
    }
    let mut select = columns();
    for column in ["applied_at", "app", "name"] {
        select.order_by(Alias::new(column), Order::Asc);
    }
    let rows = db.query_all(&select).await?;
    rows.iter()
        .map(|row| {
            Ok(Past {
                app: row.try_get("", "app")?,
                name: row.try_get("", "name")?,
                applied_at: row.try_get("", "applied_at")?,
            })
        })
        .collect()
}

/// Whether `migration` is in it.
pub(super) async fn contains(db: &Db, migration: &Migration) -> Result<bool, DbErr> {
    let mut select = columns();
    select
        .and_where(Expr::col(Alias::new("app")).eq(migration.app))
        .and_where(Expr::col(Alias::new("name")).eq(migration.name));
    Ok(db.query_one(&select).await?.is_some())
}

/// Adds `migration`, applied now.
pub(super) async fn add(db: &Db, migration: &Migration) -> Result<(), DbErr> {
    let mut insert = Query::insert();
    insert.into_table(Alias::new(TABLE)).columns(["app", "name", "applied_at"].map(Alias::new)).values_panic([
        migration.app.into(),
        migration.name.into(),
        clock::now().into(),
    ]);
    db.execute(&insert).await.map(drop)
}

fn columns() -> SelectStatement {
    let mut select = Query::select();
    select.columns(["app", "name", "applied_at"].map(Alias::new)).from(Alias::new(TABLE));
    select
}
