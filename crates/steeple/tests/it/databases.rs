//! A database of its own for every test: a SQLite file, or a database created on the server that
//! `STEEPLE_TEST_POSTGRES_URL` or `STEEPLE_TEST_MYSQL_URL` names, dropped at the end, also when the test panics.
//!
//! ```ignore
//! on_every_database! {
//!     async fn keeps_what_was_committed(database: Database) {
//!         let db = database.connect().await;
//!     }
//! }
//! ```
//! makes three tests, `keeps_what_was_committed::{sqlite, postgres, mysql}`; the two last say `skipped: …` without a URL.

#![expect(dead_code, reason = "a toolbox: not every module of this binary uses every tool")]

use std::{
    env,
    future::Future,
    io::Write as _,
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{Connection as _, Executor as _};
use steeple::db::{Config, Db};
use tempfile::TempDir;

/// One test's database. Dropped with this value.
pub struct Database {
    url: String,
    keeper: Keeper,
}

/// What must go away at the end.
enum Keeper {
    File(TempDir),
    Server { server: String, name: String },
}

impl Database {
    /// A SQLite file in a folder of its own.
    #[expect(clippy::unused_async, reason = "the three makers look alike")]
    pub async fn sqlite() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}", folder.path().join("test.sqlite3").display());
        Some(Self { url, keeper: Keeper::File(folder) })
    }

    /// A new database on the test server; `None` (and a line saying so) when there is no server.
    pub async fn postgres() -> Option<Self> {
        Self::on_server("STEEPLE_TEST_POSTGRES_URL").await
    }

    /// A new database on the test server; `None` (and a line saying so) when there is no server.
    pub async fn mysql() -> Option<Self> {
        Self::on_server("STEEPLE_TEST_MYSQL_URL").await
    }

    async fn on_server(variable: &str) -> Option<Self> {
        let Ok(server) = env::var(variable) else {
            skipped(variable);
            return None;
        };
        let name = unused_name();
        run_on_server(&server, &format!("create database {name}")).await;
        let (front, _) = server.rsplit_once('/').expect("a database URL names a database");
        Some(Self { url: format!("{front}/{name}"), keeper: Keeper::Server { server, name } })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A configuration with this address and otherwise the defaults.
    pub fn config(&self) -> Config {
        Config { url: self.url.clone(), ..Config::default() }
    }

    /// A pool of its own over this database.
    pub async fn connect(&self) -> Db {
        Db::connect(&self.config(), 4).await.expect("the test's database answers")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Keeper::Server { server, name } = &self.keeper else {
            return;
        };
        let force = if server.starts_with("postgres") { " with (force)" } else { "" };
        let (server, statement) = (server.clone(), format!("drop database if exists {name}{force}"));
        // A thread of its own: the test's runtime cannot be blocked on from within.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(run_on_server(&server, &statement));
        });
        dropped.join().ok();
    }
}

/// Says so.
pub fn skipped(variable: &str) {
    drop(writeln!(std::io::stdout(), "skipped: {variable} is not set"));
}

fn unused_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("steeple_test_{}_{}", &random[..12], NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn run_on_server(server: &str, statement: &str) {
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    if server.starts_with("postgres") {
        let mut connection = sqlx::PgConnection::connect(server).await.expect("the PostgreSQL of the tests");
        connection.execute(statement).await.expect("may create and drop databases");
        connection.close().await.ok();
    } else {
        let mut connection = sqlx::MySqlConnection::connect(server).await.expect("the MySQL of the tests");
        connection.execute(statement).await.expect("may create and drop databases");
        connection.close().await.ok();
    }
}

/// Runs `test` with a database, if there is one.
pub async fn with<W: Future<Output = ()>>(database: Option<Database>, test: impl FnOnce(Database) -> W) {
    if let Some(database) = database {
        test(database).await;
    }
}

/// Three tests from one: see the module.
macro_rules! on_every_database {
    ($($(#[$attribute:meta])* async fn $name:ident($database:ident: Database) $body:block)*) => {$(
        $(#[$attribute])*
        async fn $name($database: $crate::databases::Database) $body

        mod $name {
            use crate::databases::{Database, with};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                with(Database::sqlite().await, super::$name).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                with(Database::postgres().await, super::$name).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mysql() {
                with(Database::mysql().await, super::$name).await;
            }
        }
    )*};
}
pub(crate) use on_every_database;
