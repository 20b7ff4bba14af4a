//! A select whose text is built once.
//!
//! SeaORM makes the text of a select anew each time it is run, name by name: for the demo's coin, eleven columns, that is
//! more work than all of Steeple's pipeline. A handler that asks the same question at every call keeps it in a
//! [`Prepared`] and gives the values alone.
//!
//! Must never: take a value into the text.

use std::{fmt, sync::OnceLock};

use sea_orm::{
    ConnectionTrait as _, DbBackend, DbErr, EntityTrait, FromQueryResult as _, QueryTrait as _, RuntimeErr, Select,
    Statement, Value, Values,
};

use crate::db::Db;

/// A select that is built once for each kind of database, at its first use, and run many times.
///
/// What is made with it has a value at each place that is filled when it runs; which value does not matter. All else of
/// it is fixed: a question with conditions that come and go is not one to prepare. It has no limit and no lock of its own,
/// which the database would refuse.
///
/// ```no_run
/// # mod coin {
/// #     use sea_orm::entity::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "coin")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i64, #[sea_orm(unique)] pub symbol: String }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # async fn by_symbol(db: &steeple::Db, symbol: &str) -> Result<Option<coin::Model>, sea_orm::DbErr> {
/// use steeple::model::Prepared;
///
/// static BY_SYMBOL: Prepared<coin::Entity> = Prepared::new(|| coin::Entity::find_by_symbol(""));
///
/// BY_SYMBOL.one(db, [symbol.into()]).await
/// # }
/// ```
pub struct Prepared<E: EntityTrait> {
    select: fn() -> Select<E>,
    sqlite: OnceLock<Statement>,
    postgres: OnceLock<Statement>,
    mysql: OnceLock<Statement>,
}

impl<E: EntityTrait> Prepared<E> {
    /// The select that this function makes.
    pub const fn new(select: fn() -> Select<E>) -> Self {
        Self { select, sqlite: OnceLock::new(), postgres: OnceLock::new(), mysql: OnceLock::new() }
    }

    /// The first row, with these values in the places of those that the select was made with, in their order.
    ///
    /// # Errors
    /// [`DbErr::Query`] for more or fewer values than the select has; what the database says.
    pub async fn one<const N: usize>(&self, db: &Db, values: [Value; N]) -> Result<Option<E::Model>, DbErr> {
        let built = self.built(db.backend())?;
        let places = built.values.as_ref().map_or(0, |values| values.0.len());
        if N != places {
            let wrong = format!("a prepared select of {places} values was given {N}");
            return Err(DbErr::Query(RuntimeErr::Internal(wrong)));
        }
        let values = Some(Values(values.into()));
        let statement = Statement { sql: built.sql.clone(), values, db_backend: built.db_backend };
        match db.query_one_raw(statement).await? {
            Some(row) => E::Model::from_query_result(&row, "").map(Some),
            None => Ok(None),
        }
    }

    fn built(&self, backend: DbBackend) -> Result<&Statement, DbErr> {
        let kept = match backend {
            DbBackend::Sqlite => &self.sqlite,
            DbBackend::Postgres => &self.postgres,
            DbBackend::MySql => &self.mysql,
            other => {
                let unknown = format!("nothing is prepared for {other:?}");
                return Err(DbErr::Query(RuntimeErr::Internal(unknown)));
            }
        };
        Ok(kept.get_or_init(|| {
            let mut built = (self.select)().build(backend);
            // Written out: a bound limit has SQLite plan at every call, see `db/spelling.rs`.
            built.sql.push_str(" LIMIT 1");
            built
        }))
    }
}

impl<E: EntityTrait> fmt::Debug for Prepared<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("entity", &E::default().as_str()).finish_non_exhaustive()
    }
}
