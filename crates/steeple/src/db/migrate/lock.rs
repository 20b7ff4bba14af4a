//! One node migrates at a time.
//!
//! PostgreSQL and MySQL: a lock of the session, on a connection of its own, so that the lock is gone when the node is,
//! however it went; the connection must reach the server itself, not a pooler that shares sessions. SQLite: no lock
//! here, `BEGIN IMMEDIATE` around each migration is one, and each looks at the history again once it has begun.

use std::time::Duration;

use sqlx::{Connection as _, MySqlConnection, PgConnection};

use super::{Db, MigrateError};
use crate::db::Pool;

/// How long one node waits for another.
pub(super) const WAIT: Duration = Duration::from_mins(10);

/// Any number, the same for all nodes; PostgreSQL keeps these locks per database. The bytes of "steeplem".
const KEY: i64 = 0x7374_6565_706c_656d;

/// The right to migrate, until released or dropped.
pub(super) enum Lock {
    Postgres(PgConnection),
    MySql(MySqlConnection),
    /// SQLite, or a caller who is in a transaction already.
    None,
}

pub(super) async fn take(db: &Db) -> Result<Lock, MigrateError> {
    let taking = async {
        Ok(match db.pool() {
            Some(Pool::Postgres(pool)) => {
                let mut connection = PgConnection::connect_with(&pool.connect_options()).await?;
                sqlx::query("SELECT pg_advisory_lock($1)").bind(KEY).execute(&mut connection).await?;
                Lock::Postgres(connection)
            }
            Some(Pool::MySql(pool)) => {
                let mut connection = MySqlConnection::connect_with(&pool.connect_options()).await?;
                // These names are the server's, not the database's, and at most 64 characters.
                let taken: Option<i64> = sqlx::query_scalar("SELECT GET_LOCK(CONCAT('steeple.', MD5(DATABASE())), ?)")
                    .bind(WAIT.as_secs())
                    .fetch_one(&mut connection)
                    .await?;
                if taken != Some(1) {
                    return Err(None);
                }
                Lock::MySql(connection)
            }
            Some(Pool::Sqlite(_)) | None => Lock::None,
        })
    };
    match tokio::time::timeout(WAIT, taking).await {
        Ok(Ok(lock)) => Ok(lock),
        Ok(Err(cause)) => Err(MigrateError::Lock { cause }),
        Err(_) => Err(MigrateError::Lock { cause: None }),
    }
}

impl Lock {
    /// Ends the session, and with it the lock.
    pub(super) async fn release(self) {
        match self {
            Self::Postgres(connection) => connection.close().await.ok(),
            Self::MySql(connection) => connection.close().await.ok(),
            Self::None => None,
        };
    }
}
