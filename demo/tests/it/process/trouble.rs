//! A database that goes away, and a log that cannot keep up.

use std::env;

use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use tonic::Code;

use super::{Process, get_coin, until};
use crate::databases::Database;

/// Lets nobody into the database any more, or lets them in again.
async fn open(server: &mut PgConnection, name: &str, allowed: bool) {
    let alter = format!("alter database {name} with allow_connections {allowed}");
    server.execute(sqlx::AssertSqlSafe(alter)).await.unwrap();
    if !allowed {
        let end = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
        server.execute(sqlx::AssertSqlSafe(end)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_takes_neither_the_server_nor_a_row_with_it() {
    let Some(database) = Database::postgres().await else { return };
    let (_, name) = database.url().rsplit_once('/').unwrap();
    let mut process = Process::start(&database, &[("STEEPLE_DATABASE__ACQUIRE_TIMEOUT", "2s")]);
    let mut client = process.client().await;
    get_coin(&mut client, "before").await.unwrap();
    assert_eq!(process.http("/readyz").0, 200);

    let mut server = PgConnection::connect(&env::var("STEEPLE_TEST_POSTGRES_URL").unwrap()).await.unwrap();
    open(&mut server, name, false).await;
    let mut refused = 0;
    until("it is not ready", async || {
        let status = get_coin(&mut client, &format!("away-{refused}")).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(!status.message().contains(name), "{status}");
        refused += 1;
        process.http("/readyz").0 == 503
    })
    .await;
    assert_eq!(process.http("/healthz").0, 200);
    assert!(process.is_running());

    open(&mut server, name, true).await;
    until("it is ready again", async || process.http("/readyz").0 == 200).await;
    until("calls are answered again", async || get_coin(&mut client, "after").await.is_ok()).await;
    until("the rows of that time are written", async || {
        process.rows().await.iter().filter(|row| row.request_id.starts_with("away-")).count() == refused
    })
    .await;
    let rows = process.rows().await;
    let away = rows.iter().filter(|row| row.request_id.starts_with("away-"));
    assert!(away.clone().all(|row| row.grpc_status_code.as_deref() == Some("UNAVAILABLE")), "{rows:?}");
    assert!(away.clone().all(|row| row.error_message.is_some()));
    assert_eq!(process.metric("steeple_request_log_dropped_total"), 0);
    process.signal("TERM");
    assert_eq!(process.ended().await.code(), Some(0), "{}", process.said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_full_queue_drops_is_counted() {
    const CALLS: u64 = 200;
    let database = Database::sqlite().await.unwrap();
    let variables =
        [("STEEPLE_LOG__QUEUE", "8"), ("STEEPLE_LOG__BATCH", "4"), ("STEEPLE_DATABASE__BUSY_TIMEOUT", "60s")];
    let mut process = Process::start(&database, &variables);
    // Somebody holds the write lock: calls that read are answered, and rows cannot be written.
    let mut lock = SqliteConnection::connect(database.url()).await.unwrap();
    lock.execute("begin immediate").await.unwrap();
    let mut client = process.client().await;
    for call in 0..CALLS {
        get_coin(&mut client, &format!("call-{call}")).await.unwrap();
    }
    lock.close().await.unwrap();
    let (mut dropped, mut rows) = (0, 0);
    until("every call has a row or is counted", async || {
        (rows, dropped) = (process.rows().await.len() as u64, process.metric("steeple_request_log_dropped_total"));
        rows + dropped >= CALLS
    })
    .await;
    assert_eq!(rows + dropped, CALLS);
    assert!(rows > 0 && dropped > 0, "{rows} rows, {dropped} dropped");
    process.signal("TERM");
    assert_eq!(process.ended().await.code(), Some(0), "{}", process.said());
    assert_eq!(process.rows().await.len() as u64 + dropped, CALLS);
}
