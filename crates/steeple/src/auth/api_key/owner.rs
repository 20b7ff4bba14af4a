//! The users that keys belong to.

use sea_orm::{
    ConnectionTrait as _, DbErr, QueryResult,
    sea_query::{Expr, ExprTrait as _, Query, SelectStatement},
};

use crate::db::Db;

/// A user, as far as a key's owner goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub id: i64,
    pub username: String,
    pub is_active: bool,
}

impl Owner {
    /// By `auth_user.username`.
    pub async fn named(db: &Db, username: &str) -> Result<Option<Self>, DbErr> {
        let select = select().and_where(Expr::col("username").eq(username)).to_owned();
        db.query_one(&select).await?.as_ref().map(read).transpose()
    }

    /// By `auth_user.id`; those that are there.
    pub async fn of(db: &Db, ids: impl IntoIterator<Item = i64>) -> Result<Vec<Self>, DbErr> {
        let select = select().and_where(Expr::col("id").is_in(ids)).to_owned();
        db.query_all(&select).await?.iter().map(read).collect()
    }

    /// The superuser of the lowest id among the active ones.
    pub async fn first_superuser(db: &Db) -> Result<Option<Self>, DbErr> {
        let flag = |name: &'static str| Expr::col(name).eq(true);
        let select = select().and_where(flag("is_active")).and_where(flag("is_superuser")).limit(1).to_owned();
        db.query_one(&select).await?.as_ref().map(read).transpose()
    }
}

fn select() -> SelectStatement {
    let columns = ["id", "username", "is_active"];
    let (table, order) = ("auth_user", sea_orm::Order::Asc);
    Query::select().columns(columns).from(table).order_by("id", order).to_owned()
}

fn read(row: &QueryResult) -> Result<Owner, DbErr> {
    // Django's id is an integer of 32 bits.
    let id: i32 = row.try_get("", "id")?;
    Ok(Owner { id: id.into(), username: row.try_get("", "username")?, is_active: row.try_get("", "is_active")? })
}
