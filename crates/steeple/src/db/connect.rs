//! From a URL to a pool whose first connection has answered.

mod mysql;
mod postgres;
mod sqlite;

use std::time::Duration;

use sea_orm::DbBackend;
use sqlx::{Connection as _, Database, pool::PoolOptions};

use super::{Address, Config, ConnectError, Db};

/// A test of an idle connection that takes longer means that its peer is gone without a word.
const TEST_TIMEOUT: Duration = Duration::from_secs(2);

impl Db {
    /// A pool for `config`, sized for `workers` threads (see [`Config::max_connections`]).
    ///
    /// One connection is made at once, so that a wrong address, password or name is told at start and not by the
    /// first call.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], which says what to do and never shows the password.
    pub async fn connect(config: &Config, workers: usize) -> Result<Self, ConnectError> {
        let address = Address::new(&*config.url);
        match address.backend() {
            Some(DbBackend::Sqlite) => sqlite::connect(config, workers, &address).await,
            Some(DbBackend::Postgres) => postgres::connect(config, workers, &address).await,
            Some(DbBackend::MySql) => mysql::connect(config, workers, &address).await,
            _ => Err(ConnectError::UnknownScheme { address }),
        }
    }
}

/// How many connections: what the operator says, or `per_worker` for each worker thread within `bounds`.
fn size(config: &Config, workers: usize, per_worker: u32, bounds: (u32, u32)) -> u32 {
    let workers = u32::try_from(workers).unwrap_or(u32::MAX);
    config.max_connections.unwrap_or(workers.saturating_mul(per_worker).clamp(bounds.0, bounds.1)).max(1)
}

/// The pool of a database at the other end of a network.
fn remote_pool<D: Database>(config: &Config, workers: usize) -> PoolOptions<D> {
    let idle_test_after = config.idle_test_after;
    PoolOptions::new()
        .max_connections(size(config, workers, 4, (8, 32)))
        .acquire_timeout(config.acquire_timeout)
        .idle_timeout(config.idle_timeout)
        .max_lifetime(config.max_lifetime)
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(idle::<D>(connection)))
        .before_acquire(move |connection: &mut D::Connection, seen| {
            Box::pin(async move {
                if seen.idle_for > idle_test_after {
                    // An error has the connection thrown away and the next one tried.
                    tokio::time::timeout(TEST_TIMEOUT, connection.ping()).await.map_err(std::io::Error::from)??;
                }
                Ok(true)
            })
        })
}

/// Whether a connection that comes back may be lent again: not when it is still within a transaction, because the
/// commit and the rollback after it failed (a full disk). Its next transaction would be a part of that one, and be lost
/// with it; closing the connection ends it.
async fn idle<D: Database>(connection: &mut D::Connection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // The rollback of a transaction that was dropped may be under way.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

/// Connects once by `options`, within the acquire timeout, to learn the true reason when that fails: a pool would try
/// again until its time is over and then say only that.
async fn probe<D: Database>(
    options: &<D::Connection as sqlx::Connection>::Options,
    config: &Config,
    address: &Address,
) -> Result<(), ConnectError> {
    let connecting = D::Connection::connect_with(options);
    let connection = tokio::time::timeout(config.acquire_timeout, connecting)
        .await
        .map_err(|_| ConnectError::Silent { address: address.clone(), within: config.acquire_timeout })?
        .map_err(|cause| ConnectError::of_sqlx(address, cause))?;
    connection.close().await.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_follows_the_workers_within_bounds() {
        let mut config = Config::default();
        let sizes = |config: &Config| [1, 2, 4, 100].map(|workers| size(config, workers, 4, (8, 32)));
        assert_eq!(sizes(&config), [8, 8, 16, 32]);
        config.max_connections = Some(3);
        assert_eq!(sizes(&config), [3; 4]);
        config.max_connections = Some(0);
        assert_eq!(sizes(&config), [1; 4]);
    }
}
