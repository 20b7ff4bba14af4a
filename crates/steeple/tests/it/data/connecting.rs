//! Connecting by URL, and what is said when it does not work.

use std::{env, time::Duration};

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use sqlx::Connection as _;
use steeple::{
    Db,
    db::{Config, ConnectError, Pool},
};

use crate::databases::{Database, on_every_database, skipped};

on_every_database! {
    async fn answers_a_ping(database: Database) {
        let db = database.connect().await;
        db.ping().await.expect("answers");
        db.close().await;
        assert!(db.ping().await.is_err(), "closed");
    }

    async fn sessions_are_in_utc_and_strict(database: Database) {
        let db = database.connect().await;
        let one = async |sql: &str| {
            let row = db.query_one_raw(Statement::from_string(db.backend(), sql)).await.expect("answers");
            row.expect("has a row").try_get_by_index::<String>(0).expect("is text")
        };
        match db.backend() {
            DbBackend::Sqlite => {
                assert_eq!(one("PRAGMA journal_mode").await, "wal");
                let number = async |sql: &str| {
                    let row = db.query_one_raw(Statement::from_string(db.backend(), sql)).await.expect("answers");
                    row.expect("has a row").try_get_by_index::<i64>(0).expect("is a number")
                };
                assert_eq!(number("PRAGMA synchronous").await, 1, "NORMAL");
                assert_eq!(number("PRAGMA foreign_keys").await, 1);
                assert_eq!(number("PRAGMA busy_timeout").await, 5000);
            }
            DbBackend::Postgres => {
                assert_eq!(one("SHOW timezone").await, "UTC");
                assert_eq!(one("SHOW application_name").await, "steeple");
            }
            _ => {
                assert_eq!(one("SELECT @@time_zone").await, "+00:00");
                assert_eq!(one("SELECT @@character_set_client").await, "utf8mb4");
                assert!(one("SELECT @@sql_mode").await.contains("STRICT_ALL_TABLES"));
            }
        }
    }

    async fn the_pool_beneath_is_lent_outside_transactions(database: Database) {
        let db = database.connect().await;
        match db.pool().expect("a pool") {
            Pool::Sqlite(pool) => assert_eq!(pool.options().get_max_connections(), 8),
            Pool::Postgres(pool) => assert_eq!(pool.options().get_max_connections(), 16),
            Pool::MySql(pool) => assert_eq!(pool.options().get_max_connections(), 16),
        }
        db.transaction(async |tx| {
            assert!(tx.pool().is_none());
            Ok::<_, sea_orm::DbErr>(())
        })
        .await
        .expect("commits");
    }

    async fn a_statement_waits_for_a_connection_so_long_and_no_longer(database: Database) {
        let config = Config {
            max_connections: Some(1),
            acquire_timeout: Duration::from_millis(300),
            ..database.config()
        };
        let db = Db::connect(&config, 4).await.expect("connects");
        let outer = db.clone();
        let refused = db.transaction(async |_| outer.ping().await).await.expect_err("the only connection is taken");
        assert_eq!(steeple::Error::from(refused).code(), steeple::Code::Unavailable);
        db.ping().await.expect("is free again");
    }
}

on_every_database! {
    async fn every_option_reaches_its_place(database: Database) {
        let config = Config {
            max_connections: Some(3),
            acquire_timeout: Duration::from_secs(7),
            idle_timeout: Duration::from_secs(8),
            max_lifetime: Duration::from_secs(9),
            busy_timeout: Duration::from_millis(1234),
            statement_cache: 2,
            ..database.config()
        };
        let db = Db::connect(&config, 4).await.expect("connects");
        for n in 0..5_i32 {
            let place = if db.backend() == DbBackend::Postgres { "$1" } else { "?" };
            let sql = format!("SELECT {n} + {place}");
            db.query_one_raw(Statement::from_sql_and_values(db.backend(), sql, [1_i32.into()])).await.expect("answers");
        }
        let remote = (3, config.acquire_timeout, Some(config.idle_timeout), Some(config.max_lifetime));
        macro_rules! seen {
            ($pool:expr) => {{
                let cached = $pool.acquire().await.expect("a connection").cached_statements_size();
                assert!(cached <= 2, "{cached} statements kept");
                let options = $pool.options();
                (
                    options.get_max_connections(),
                    options.get_acquire_timeout(),
                    options.get_idle_timeout(),
                    options.get_max_lifetime(),
                )
            }};
        }
        match db.pool().expect("a pool") {
            Pool::Sqlite(pool) => {
                assert_eq!(seen!(pool), (3, config.acquire_timeout, None, None));
                let timeout = sqlx::query_scalar::<_, i64>("PRAGMA busy_timeout").fetch_one(pool).await.expect("answers");
                assert_eq!(timeout, 1234);
            }
            Pool::Postgres(pool) => assert_eq!(seen!(pool), remote),
            Pool::MySql(pool) => assert_eq!(seen!(pool), remote),
        }
    }

    /// The server closed the connection while nobody looked: the next statement does not notice.
    async fn a_connection_lost_while_idle_is_replaced(database: Database) {
        let config = Config { max_connections: Some(1), idle_test_after: Duration::ZERO, ..database.config() };
        let db = Db::connect(&config, 1).await.expect("connects");
        let other = database.connect().await;
        let (who, end) = match db.backend() {
            DbBackend::Postgres => ("SELECT pg_backend_pid()::bigint", "SELECT pg_terminate_backend(ID)"),
            DbBackend::MySql => ("SELECT CAST(CONNECTION_ID() AS SIGNED)", "KILL ID"),
            _ => return,
        };
        let mine = async || {
            let row = db.query_one_raw(Statement::from_string(db.backend(), who)).await.expect("answers");
            row.expect("a row").try_get_by_index::<i64>(0).expect("a number")
        };
        let before = mine().await;
        other.execute_unprepared(&end.replace("ID", &before.to_string())).await.expect("ends it");
        assert_ne!(mine().await, before);
    }
}

async fn refused(url: &str) -> ConnectError {
    let config = Config { url: url.to_owned(), ..Config::default() };
    let error = Db::connect(&config, 1).await.expect_err("no database there");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "the password shows: {error:?}");
    error
}

#[tokio::test]
async fn addresses_that_are_none() {
    assert!(matches!(refused("oracle://ada:hunter2@db/site").await, ConnectError::UnknownScheme { .. }));
    assert!(matches!(refused("").await, ConnectError::UnknownScheme { .. }));
    assert!(matches!(refused("site.sqlite3").await, ConnectError::UnknownScheme { .. }));
    assert!(matches!(refused("postgres://ada:hunter2@db:port/site").await, ConnectError::Malformed { .. }));
    assert!(matches!(refused("mysql://ada:hunter2@[db/site").await, ConnectError::Malformed { .. }));
    assert!(matches!(refused("sqlite://site.sqlite3?mode=nosuch").await, ConnectError::Malformed { .. }));
}

#[tokio::test]
async fn nobody_listens() {
    // A port that was free a moment ago
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("has a port");
    assert!(matches!(refused(&format!("postgres://ada:hunter2@{free}/site")).await, ConnectError::Unreachable { .. }));
    assert!(matches!(refused(&format!("mysql://ada:hunter2@{free}/site")).await, ConnectError::Unreachable { .. }));
}

#[tokio::test]
async fn somebody_listens_and_says_nothing() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let url = format!("postgres://ada:hunter2@{}/site", silent.local_addr().expect("has a port"));
    let config = Config { url, acquire_timeout: Duration::from_millis(200), ..Config::default() };
    let error = Db::connect(&config, 1).await.expect_err("no answer");
    assert!(matches!(error, ConnectError::Silent { .. }), "{error:?}");
    assert!(error.to_string().contains("ada:***@"), "{error}");
}

#[tokio::test]
async fn files_that_cannot_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |rest: &str| format!("sqlite://{}/{rest}", folder.path().display());
    assert!(matches!(refused(&at("no/such/site.sqlite3")).await, ConnectError::NoFolder { .. }));
    std::fs::create_dir(folder.path().join("folder")).expect("creates");
    assert!(matches!(refused(&at("folder")).await, ConnectError::NotAFile { .. }));
    std::fs::write(folder.path().join("text"), "not a database, but long enough to look like one".repeat(99))
        .expect("writes");
    assert!(matches!(refused(&at("text")).await, ConnectError::NotADatabase { .. }));
    assert!(matches!(refused(&at("absent?mode=ro")).await, ConnectError::NotWritable { .. }));
}

#[tokio::test]
async fn servers_that_refuse() {
    for variable in ["STEEPLE_TEST_POSTGRES_URL", "STEEPLE_TEST_MYSQL_URL"] {
        let Ok(server) = env::var(variable) else {
            skipped(variable);
            continue;
        };
        let (front, _) = server.rsplit_once('/').expect("names a database");
        assert!(matches!(refused(&format!("{front}/no_such_database")).await, ConnectError::NoDatabase { .. }));
        let (scheme, rest) = front.split_once("://").expect("has a scheme");
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let wrong = refused(&format!("{scheme}://nobody_at_all:hunter2@{place}/test")).await;
        // A PostgreSQL that trusts everyone says that there is no such role: the same code
        assert!(matches!(wrong, ConnectError::Refused { .. }), "{wrong:?}");
    }
}

#[tokio::test]
async fn memory_is_one_database_for_all() {
    let config = Config { url: "sqlite::memory:".to_owned(), ..Config::default() };
    let db = Db::connect(&config, 8).await.expect("connects");
    db.execute_unprepared("CREATE TABLE a (b integer)").await.expect("creates");
    let all: Vec<_> = (0..20)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move { db.execute_unprepared(&format!("INSERT INTO a VALUES ({n})")).await })
        })
        .collect();
    for one in all {
        one.await.expect("runs").expect("inserts");
    }
    let row =
        db.query_one_raw(Statement::from_string(DbBackend::Sqlite, "SELECT count(*) FROM a")).await.expect("counts");
    assert_eq!(row.expect("a row").try_get_by_index::<i64>(0).expect("a number"), 20);
    let other = Db::connect(&config, 8).await.expect("connects");
    assert!(other.execute_unprepared("SELECT * FROM a").await.is_err(), "another memory is another database");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_open_a_new_file_at_once() {
    let database = Database::sqlite().await.expect("always");
    let all: Vec<_> = (0..8)
        .map(|_| {
            let config = database.config();
            tokio::spawn(async move { Db::connect(&config, 4).await.map(drop) })
        })
        .collect();
    for one in all {
        one.await.expect("runs").expect("connects");
    }
}

#[test]
fn the_configuration_reads_and_refuses() {
    let config: Config = toml::from_str("url = 'sqlite::memory:'\nacquire_timeout = '2s'").expect("reads");
    assert_eq!(config.acquire_timeout.as_secs(), 2);
    assert_eq!(config.idle_test_after.as_secs(), 30);
    assert!(toml::from_str::<Config>("urll = 'sqlite::memory:'").is_err());
    let written = toml::to_string(&config).expect("writes");
    assert_eq!(toml::from_str::<Config>(&written).expect("reads"), config);
}
