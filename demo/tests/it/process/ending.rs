//! How the process ends: told to, told twice, and killed.

use std::time::{Duration, Instant};

use demo::pb::crypto::DepositRequest;
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use tokio::task::JoinSet;

use super::{Process, get_coin, until};
use crate::{databases::Database, site::exact};

const CALLS: usize = 20;

/// Calls wait this long for a lock that the test holds.
const PATIENT: [(&str, &str); 2] =
    [("STEEPLE_DATABASE__BUSY_TIMEOUT", "60s"), ("STEEPLE_DATABASE__ACQUIRE_TIMEOUT", "60s")];

/// The database's write lock, as another program would hold it.
async fn locked(database: &Database) -> SqliteConnection {
    let mut lock = SqliteConnection::connect(database.url()).await.unwrap();
    lock.execute("begin immediate").await.unwrap();
    lock
}

/// Deposits that wait for the lock.
async fn deposits(process: &Process) -> JoinSet<Result<String, tonic::Status>> {
    let client = process.superuser().await;
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let mut client = client.clone();
        let request = DepositRequest { wallet_id: 1, amount: "1".into() };
        calls.spawn(async move { Ok(client.deposit(request).await?.into_inner().wallet.unwrap().balance) });
    }
    until("all are in flight", async || process.metric("grpc_server_in_flight") == CALLS as u64).await;
    calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_finishes_every_call_and_writes_every_row() {
    let database = Database::sqlite().await.unwrap();
    let mut process = Process::start(&database, &PATIENT);
    let lock = locked(&database).await;
    let mut calls = deposits(&process).await;
    process.signal("TERM");
    until("it drains", async || process.said().contains("stopping")).await;
    assert!(process.is_running());
    lock.close().await.unwrap();

    let mut balances = vec![];
    while let Some(answer) = calls.join_next().await {
        balances.push(exact(&answer.unwrap().unwrap()));
    }
    balances.sort();
    balances.dedup();
    assert_eq!(balances.len(), CALLS, "each deposit was added once");
    let status = process.ended().await;
    assert_eq!(status.code(), Some(0), "{}", process.said());
    let rows = process.rows().await;
    assert_eq!(rows.len(), CALLS);
    assert!(rows.iter().all(|row| row.method_name == "Deposit" && row.status == "success"), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_twice_it_leaves_at_once_and_says_so() {
    let database = Database::sqlite().await.unwrap();
    let mut process = Process::start(&database, &PATIENT);
    let lock = locked(&database).await;
    let mut calls = deposits(&process).await;
    process.signal("INT");
    until("it drains", async || process.said().contains("stopping")).await;
    // Signals close together count as one, so it is told until it listens.
    until("it leaves", async || {
        let running = process.is_running();
        if running {
            process.signal("TERM");
        }
        !running
    })
    .await;
    assert_eq!(process.ended().await.code(), Some(1));
    until("it has said so", async || process.said().contains("error: told to stop twice, left without draining")).await;
    while let Some(answer) = calls.join_next().await {
        assert!(answer.unwrap().is_err());
    }
    drop(lock);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_to_the_process_and_its_group_is_one() {
    let database = Database::sqlite().await.unwrap();
    let mut process = Process::start(&database, &PATIENT);
    let lock = locked(&database).await;
    let mut calls = deposits(&process).await;
    process.signal("TERM");
    process.signal("TERM");
    until("it drains", async || process.said().contains("stopping")).await;
    lock.close().await.unwrap();
    while let Some(answer) = calls.join_next().await {
        answer.unwrap().unwrap();
    }
    assert_eq!(process.ended().await.code(), Some(0), "{}", process.said());
}

/// What may pass between the end of a flush window and the commit of its rows, on the slowest machine.
const COMMIT: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_it_loses_no_call_older_than_a_flush_window() {
    const WINDOW: Duration = Duration::from_millis(200);
    let database = Database::sqlite().await.unwrap();
    let mut process = Process::start(&database, &[]);
    let mut client = process.client().await;
    let mut answered = vec![];
    let started = Instant::now();
    // Long enough that most calls are older than what is allowed to be missing.
    while started.elapsed() < WINDOW + 2 * COMMIT {
        let id = format!("call-{:06}", answered.len());
        get_coin(&mut client, &id).await.unwrap();
        answered.push((id, Instant::now()));
    }
    process.signal("KILL");
    let killed = Instant::now();
    assert_eq!(process.ended().await.code(), None, "ended by the signal");

    let mut rows: Vec<_> = process.rows().await.into_iter().map(|row| row.request_id).collect();
    rows.sort();
    let missing: Vec<_> = answered.iter().filter(|(id, _)| rows.binary_search(id).is_err()).collect();
    for (id, at) in &missing {
        assert!(killed - *at < WINDOW + COMMIT, "{id} was answered {:?} before the end", killed - *at);
    }
    // What is missing is the end, and nothing in between.
    assert!(missing.iter().all(|(id, _)| rows.last().is_none_or(|last| id > last)), "{missing:?}");
    assert!(rows.len() > answered.len() / 3, "{} of {}", rows.len(), answered.len());
}
