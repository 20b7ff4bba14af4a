//! The database: one pool to SQLite, PostgreSQL or MySQL, chosen by URL at run time.
//!
//! Takes a [`Config`]; gives a [`Db`], which every query of a service takes as `&Db` (`cx.db()`), inside a transaction
//! and outside of it alike. SeaORM works on it; plain sqlx does through [`Db::pool`].
//!
//! Two things are done to each statement on its way to SQLite (`spelling.rs` tells why): moments are written as Django
//! writes them, and `LIMIT ?` becomes `LIMIT 1`, without which SQLite compiles the statement anew at every call.
//!
//! Must never: show a password, log statements, or hold a connection while waiting for something else.

mod address;
mod config;
mod connect;
mod connect_error;
mod connection;
pub mod migrate;
mod pooled;
mod refusal;
mod spelling;
mod transaction;
mod turns;

use std::sync::Arc;

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, RuntimeErr};
use sqlx::{MySqlPool, PgPool, SqlitePool};

pub(crate) use self::refusal::{is_of_data, refuses_data};
pub use self::{
    address::{Address, redacted},
    config::Config,
    connect_error::ConnectError,
    pooled::Pooled,
    transaction::Transaction,
};

/// Where queries go: the pool, or the transaction this piece of work is in.
///
/// Cheap to clone. A clone of the transaction form must not outlive the closure of [`Db::transaction`].
#[derive(Clone, Debug)]
pub enum Db {
    /// Every statement takes a connection of the pool and gives it back.
    Pool(Pooled),
    /// Every statement goes to the one connection of this transaction.
    Transaction(Arc<Transaction>),
}

/// The sqlx pool beneath a [`Db`], for hot paths and bulk writers.
///
/// On SQLite bind moments with [`sqlite_time`], not as `DateTime`, whose text sorts differently.
#[derive(Clone, Copy, Debug)]
pub enum Pool<'a> {
    /// SQLite.
    Sqlite(&'a SqlitePool),
    /// PostgreSQL.
    Postgres(&'a PgPool),
    /// MySQL and MariaDB.
    MySql(&'a MySqlPool),
}

impl Db {
    /// The sqlx pool; `None` within a transaction, where going around it would not see what it wrote.
    pub fn pool(&self) -> Option<Pool<'_>> {
        match self {
            Self::Pool(pooled) => Some(pooled.pool()),
            Self::Transaction(_) => None,
        }
    }

    /// Which database this is. The same as [`get_database_backend`](sea_orm::ConnectionTrait::get_database_backend),
    /// without the trait in scope.
    pub fn backend(&self) -> DbBackend {
        self.get_database_backend()
    }

    /// Whether the database answers now: one `SELECT 1`, waiting for a connection at most
    /// [`Config::acquire_timeout`]. A SQLite file must also be where it was: open connections go on with a file that
    /// has been removed, and everything they write is gone with them.
    ///
    /// # Errors
    /// What the database says, or that its file is gone.
    pub async fn ping(&self) -> Result<(), DbErr> {
        if let Some(Pool::Sqlite(pool)) = self.pool() {
            let options = pool.connect_options();
            let file = options.get_filename();
            let memory = file.to_str().is_some_and(|name| name == ":memory:" || name.starts_with("file:"));
            if !memory && !file.exists() {
                let gone = format!("the database file {} is gone; what is written now is lost", file.display());
                return Err(DbErr::Conn(RuntimeErr::Internal(gone)));
            }
        }
        self.execute_unprepared("SELECT 1").await.map(drop)
    }

    /// Closes the pool: waits for connections in use to come back, refuses new ones. SQLite folds its write-ahead log
    /// into the file. Nothing happens within a transaction.
    pub async fn close(&self) {
        match self.pool() {
            Some(Pool::Sqlite(pool)) => pool.close().await,
            Some(Pool::Postgres(pool)) => pool.close().await,
            Some(Pool::MySql(pool)) => pool.close().await,
            None => {}
        }
    }
}

pub use self::spelling::sqlite_time;
