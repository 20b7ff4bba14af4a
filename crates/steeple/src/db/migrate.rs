//! Migrations: each exactly once, in the order given, whoever starts first.
//!
//! Takes the migrations of all apps, in the order they are to run (`sea_orm_migration::MigrationTrait`, named by app
//! and file as in Django); keeps what was done in `steeple_migrations(app, name, applied_at)`.
//!
//! - Many nodes may start at once: one at a time migrates, the others wait and find it done.
//! - A migration and its line in the history are one transaction. **MySQL commits every schema change at once**: a
//!   migration that fails there half-way leaves its first half; write one statement per migration, or make them
//!   repeatable (`if_not_exists`). A migration whose `use_transaction` says `Some(false)` runs without, too.
//! - On SQLite a migration that writes moments must spell them with [`sqlite_time`](super::sqlite_time): a
//!   `SchemaManager` does not pass through [`Db`].
//!
//! Must never: undo or change a migration that was applied, or guess an order.

mod error;
mod history;
mod lock;

use std::{
    collections::HashSet,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{DbBackend, DbErr, RuntimeErr};
use sea_orm_migration::{MigrationTrait, SchemaManager};

pub use self::{error::MigrateError, history::Past};
use super::Db;

/// One step of an app's schema.
#[derive(Clone)]
pub struct Migration {
    /// The app's label: `crypto`.
    pub app: &'static str,
    /// Its name within the app: `0001_initial`.
    pub name: &'static str,
    step: Arc<dyn MigrationTrait>,
}

impl Migration {
    /// `step`, known to the history as `app` and `name`; the step's own `MigrationName` is not looked at.
    pub fn new(app: &'static str, name: &'static str, step: impl MigrationTrait + 'static) -> Self {
        Self { app, name, step: Arc::new(step) }
    }
}

impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.app, self.name)
    }
}

impl fmt::Debug for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Migration({self})")
    }
}

/// A migration that [`up`] has just applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The app's label.
    pub app: &'static str,
    /// The migration's name within the app.
    pub name: &'static str,
    /// How long it took.
    pub took: Duration,
}

/// Those of `all` that this database does not have yet, in their order. Only reads.
pub async fn pending<'a>(db: &Db, all: &'a [Migration]) -> Result<Vec<&'a Migration>, DbErr> {
    let past = history::read(db).await?;
    let done: HashSet<(&str, &str)> = past.iter().map(|past| (&*past.app, &*past.name)).collect();
    Ok(all.iter().filter(|migration| !done.contains(&(migration.app, migration.name))).collect())
}

/// What this database has and `all` does not: an app that was removed, or a newer version of the site. Only reads.
///
/// Harmless to [`up`]; worth a word from `doctor`.
pub async fn unknown(db: &Db, all: &[Migration]) -> Result<Vec<Past>, DbErr> {
    let known: HashSet<(&str, &str)> = all.iter().map(|migration| (migration.app, migration.name)).collect();
    let past = history::read(db).await?;
    Ok(past.into_iter().filter(|past| !known.contains(&(&*past.app, &*past.name))).collect())
}

/// Applies those of `all` that are pending, in their order, and says which these were.
///
/// Waits while another node migrates, up to ten minutes.
///
/// # Errors
///
/// The first failure ends it; what was applied before stays.
pub async fn up(db: &Db, all: &[Migration]) -> Result<Vec<Applied>, MigrateError> {
    let mut names = HashSet::new();
    if let Some(twice) = all.iter().find(|migration| !names.insert((migration.app, migration.name))) {
        return Err(MigrateError::Twice { app: twice.app, name: twice.name });
    }
    // The common start of a site: nothing to do, no lock taken, nothing written.
    if history::exists(db).await.map_err(MigrateError::history)?
        && pending(db, all).await.map_err(MigrateError::history)?.is_empty()
    {
        return Ok(Vec::new());
    }
    let lock = lock::take(db).await?;
    let applied = up_locked(db, all).await;
    lock.release().await;
    applied
}

async fn up_locked(db: &Db, all: &[Migration]) -> Result<Vec<Applied>, MigrateError> {
    let begun = Instant::now();
    while let Err(error) = history::create(db).await {
        if !may_try_again(&error, begun).await {
            return Err(MigrateError::history(error));
        }
    }
    let mut applied = Vec::new();
    for migration in pending(db, all).await.map_err(MigrateError::history)? {
        let begun = Instant::now();
        let done = loop {
            match apply(db, migration).await {
                Ok(done) => break done,
                Err(error) if may_try_again(&error, begun).await => {}
                Err(cause) => {
                    let (app, name, backend) = (migration.app, migration.name, db.backend());
                    return Err(MigrateError::Failed { app, name, backend, cause });
                }
            }
        };
        if done {
            applied.push(Applied { app: migration.app, name: migration.name, took: begun.elapsed() });
        }
    }
    Ok(applied)
}

/// One migration and its line in the history; `false` when another node was faster (SQLite, where the transaction is
/// the lock).
async fn apply(db: &Db, migration: &Migration) -> Result<bool, DbErr> {
    let alone = migration.step.use_transaction() == Some(false);
    if alone {
        run(db, migration).await?;
    }
    db.transaction(async |tx| {
        if history::contains(&tx, migration).await? {
            return Ok(false);
        }
        if !alone {
            run(&tx, migration).await?;
        }
        history::add(&tx, migration).await?;
        Ok(true)
    })
    .await
}

async fn run(db: &Db, migration: &Migration) -> Result<(), DbErr> {
    match db {
        Db::Pool(pool) => migration.step.up(&SchemaManager::new(pool.connection())).await,
        Db::Transaction(transaction) => migration.step.up(&SchemaManager::new(transaction.connection())).await,
    }
}

/// Whether to try again, after a pause: while SQLite says that another writer is busy. A migration of another node may
/// take longer than the busy timeout, and its end is what we wait for. A failed try has changed nothing.
async fn may_try_again(error: &DbErr, begun: Instant) -> bool {
    let again = is_busy(error) && begun.elapsed() < lock::WAIT;
    if again {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    again
}

fn is_busy(error: &DbErr) -> bool {
    let (DbErr::Conn(RuntimeErr::SqlxError(cause))
    | DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))) = error
    else {
        return false;
    };
    cause
        .as_database_error()
        .and_then(|said| said.try_downcast_ref::<sqlx::sqlite::SqliteError>())
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// Which databases undo a migration that fails half-way.
fn undoes(backend: DbBackend) -> bool {
    backend != DbBackend::MySql
}
