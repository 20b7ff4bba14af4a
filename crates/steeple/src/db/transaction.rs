//! All of a piece of work, or nothing of it.

use std::{future::Future, sync::Arc};

use sea_orm::{
    DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode, TransactionOptions, TransactionTrait as _,
};

use super::Db;

impl Db {
    /// Runs `work` in a transaction: commits on `Ok`, rolls back on `Err`, on a panic, and when the future is dropped
    /// because the caller left.
    ///
    /// Within a transaction this is a savepoint: the inner `Err` undoes the inner work only. SQLite begins with
    /// `BEGIN IMMEDIATE`, because a transaction that reads first and writes later fails as soon as somebody else wrote
    /// in between.
    ///
    /// Use the [`Db`] that `work` is given, and not the outer one: on SQLite the outer one waits for the lock this
    /// transaction holds. Do not run two nested transactions of one transaction at once: they share its connection.
    ///
    /// # Errors
    ///
    /// What `work` says; a failed begin or commit (then nothing is kept); and, when `work` let its [`Db`] escape into
    /// something that still lives, an error too: the transaction is rolled back as soon as that is gone.
    pub async fn transaction<T, E, W>(&self, work: impl FnOnce(Self) -> W) -> Result<T, E>
    where
        W: Future<Output = Result<T, E>>,
        E: From<DbErr>,
    {
        let transaction = Arc::new(self.begin().await?);
        let outcome = work(Self::Transaction(Arc::clone(&transaction))).await;
        let transaction = Arc::into_inner(transaction);
        match (outcome, transaction) {
            (Ok(value), Some(transaction)) => {
                transaction.commit().await?;
                Ok(value)
            }
            (Ok(_), None) => Err(DbErr::Custom(
                "a clone of the transaction's Db outlived its closure, so it was not committed; use it only inside"
                    .to_owned(),
            )
            .into()),
            (Err(error), Some(transaction)) => {
                // The reason the work failed is worth more than that the rollback failed too: a connection that is
                // still within its transaction when it comes back to the pool is closed, which rolls back.
                transaction.rollback().await.ok();
                Err(error)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// A transaction to be ended by hand: dropped means rolled back.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        match self {
            Self::Pool(pool) => {
                let sqlite = pool.get_database_backend() == DbBackend::Sqlite;
                let options = TransactionOptions {
                    sqlite_transaction_mode: sqlite.then_some(SqliteTransactionMode::Immediate),
                    ..TransactionOptions::default()
                };
                pool.begin_with_options(options).await
            }
            Self::Transaction(outer) => outer.begin().await,
        }
    }
}
