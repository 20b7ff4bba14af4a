//! SQLite: a file with a write-ahead log, or memory.

use std::{
    path::Path,
    str::FromStr as _,
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions as _, Connection as _, Sqlite, SqliteConnection,
    pool::PoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{idle, probe, size};
use crate::db::{Address, Config, ConnectError, Db};

pub(super) async fn connect(config: &Config, workers: usize, address: &Address) -> Result<Db, ConnectError> {
    let options = SqliteConnectOptions::from_str(address.secret()).map_err(|_| ConnectError::malformed(address))?;
    let memory = is_memory(address.secret());
    let read_only = address.secret().contains("mode=ro") || address.secret().contains("immutable=");
    if !memory {
        check_folder(options.get_filename())?;
    }
    let mut options = options
        .foreign_keys(true)
        .busy_timeout(config.busy_timeout)
        .statement_cache_capacity(config.statement_cache)
        // Reads of the file without copying, up to so much: a limit, not a reservation. What is beyond it goes through the
        // page cache of each connection, which stays at SQLite's own 2 MB: one that is larger is filled by the first export of
        // a long log, and kept.
        .pragma("mmap_size", "268435456")
        .pragma("temp_store", "memory");
    if !memory && !read_only {
        // NORMAL with a write-ahead log keeps the file sound in any crash; losing power may lose the last commits.
        options =
            options.create_if_missing(true).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Normal);
    }
    let options = options.disable_statement_logging();

    // Connections to a file do not go stale, so nothing is tested and nothing expires.
    let pool = PoolOptions::<Sqlite>::new()
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(idle::<Sqlite>(connection)))
        .acquire_timeout(config.acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None);
    let pool = if memory {
        // Another connection would be another database, and closing the last one ends it.
        let pool = pool.max_connections(1).min_connections(1);
        pool.connect_with(options).await.map_err(|cause| ConnectError::of_sqlite(address, cause))?
    } else {
        if !read_only {
            for_its_owner(options.get_filename());
        }
        alone(&options, config.busy_timeout).await;
        probe::<Sqlite>(&options, config, address).await?;
        pool.max_connections(size(config, workers, 2, (4, 16))).connect_lazy_with(options)
    };
    Ok(Db::Pool(pool.into()))
}

/// Giving a new file its write-ahead log needs the file alone for a moment, and SQLite does not wait for that: programs
/// that start together try again. What else may be wrong is told by [`probe`].
async fn alone(options: &SqliteConnectOptions, patience: Duration) {
    let until = Instant::now() + patience;
    while Instant::now() < until {
        match SqliteConnection::connect_with(options).await {
            Ok(connection) => {
                connection.close().await.ok();
                return;
            }
            // SQLITE_BUSY and SQLITE_BUSY_RECOVERY
            Err(sqlx::Error::Database(busy)) if matches!(busy.code().as_deref(), Some("5" | "261")) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(_) => return,
        }
    }
}

/// A new file is its owner's alone: it has what signs tokens, and password hashes. SQLite gives the files beside it the same
/// mode. One that is there already is left as it is, and what may be wrong is told by [`probe`].
fn for_its_owner(file: &Path) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let _ = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
}

fn is_memory(url: &str) -> bool {
    url.contains(":memory:") || url.contains("mode=memory")
}

/// SQLite says "unable to open database file" to everything; the common reasons deserve their own sentence.
fn check_folder(file: &Path) -> Result<(), ConnectError> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(ConnectError::NoFolder { file: file.to_owned(), folder: folder.to_owned() });
    }
    if file.is_dir() {
        return Err(ConnectError::NotAFile { file: file.to_owned() });
    }
    Ok(())
}
