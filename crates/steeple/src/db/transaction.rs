//! All of a piece of work, or nothing of it; and what is to happen once it is all there.

use std::{
    fmt,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sea_orm::{
    DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode, TransactionOptions, TransactionTrait as _,
};

use super::Db;

type AfterCommit = Box<dyn FnOnce() + Send>;

/// A transaction under way, or a savepoint within one.
pub struct Transaction {
    connection: DatabaseTransaction,
    /// What waits for the commit, in the order it was asked for.
    after: Mutex<Vec<AfterCommit>>,
}

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
        let connection = self.begin().await?;
        let scope = Scope(Arc::new(Transaction { connection, after: Mutex::default() }));
        let outcome = work(Self::Transaction(Arc::clone(&scope.0))).await;
        let (transaction, after) = scope.end();
        match (outcome, transaction) {
            (Ok(value), Some(transaction)) => {
                transaction.connection.commit().await?;
                self.committed(after);
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
                transaction.connection.rollback().await.ok();
                Err(error)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Runs `work` once what was written through this handle is there for everybody: now on the pool, after the commit
    /// within a transaction, never when that is rolled back. What belongs to a savepoint shares its fate, and waits for
    /// the outermost commit. Several run in the order they were asked for.
    ///
    /// `work` must be short, as whoever committed waits for it: give what takes time to a task. Its panic is logged,
    /// and changes nothing of what was committed. A process that dies right after the commit has not run it.
    pub fn after_commit(&self, work: impl FnOnce() + Send + 'static) {
        self.committed(vec![Box::new(work)]);
    }

    /// Something within this handle is committed.
    fn committed(&self, after: Vec<AfterCommit>) {
        match self {
            Self::Transaction(outer) => outer.after().extend(after),
            Self::Pool(_) => {
                for work in after {
                    if catch_unwind(AssertUnwindSafe(work)).is_err() {
                        tracing::error!("what was to run after a commit panicked");
                    }
                }
            }
        }
    }

    /// A transaction to be ended by hand: dropped means rolled back.
    async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        match self {
            Self::Pool(pool) => {
                let pool = pool.connection();
                let sqlite = pool.get_database_backend() == DbBackend::Sqlite;
                let options = TransactionOptions {
                    sqlite_transaction_mode: sqlite.then_some(SqliteTransactionMode::Immediate),
                    ..TransactionOptions::default()
                };
                pool.begin_with_options(options).await
            }
            Self::Transaction(outer) => outer.connection.begin().await,
        }
    }
}

impl Transaction {
    /// The connection it runs on.
    pub(super) fn connection(&self) -> &DatabaseTransaction {
        &self.connection
    }

    fn after(&self) -> MutexGuard<'_, Vec<AfterCommit>> {
        self.after.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of [`Db::transaction`] in which the transaction is lent out. What waits for the commit leaves it in any
/// case: it may hold the transaction itself, and would keep it open for ever.
struct Scope(Arc<Transaction>);

impl Scope {
    /// The transaction, if nobody else holds it any more, and what waits for its commit.
    fn end(self) -> (Option<Transaction>, Vec<AfterCommit>) {
        let transaction = Arc::clone(&self.0);
        let after = mem::take(&mut *transaction.after());
        drop(self);
        (Arc::into_inner(transaction), after)
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let given_up = mem::take(&mut *self.0.after());
        drop(given_up);
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("connection", &self.connection).finish_non_exhaustive()
    }
}
