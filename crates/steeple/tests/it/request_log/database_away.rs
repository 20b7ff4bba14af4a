//! The database goes and comes back.

use super::*;
use crate::databases::on_every_database;

on_every_database! {
    async fn rows_wait_while_the_table_is_away(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&config(), &db);
        make_calls(&recorder, 10, Code::Ok);
        until("the first rows", async || recorder.written() == 10).await;
        hide(&db).await;
        make_calls(&recorder, 20, Code::NotFound);
        let running = open(&recorder, &get_coin());
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!((recorder.written(), recorder.dropped()), (10, 0));
        restore(&db).await;
        until("the rows that waited", async || recorder.written() == 30).await;
        close(&recorder, running, Code::Ok, None);
        let finished = recorder.finish(PATIENCE).await;
        assert_eq!((finished.written, finished.lost), (31, 0));
        assert_eq!(rows(&db).await, 31);
        assert_eq!(RequestLog::get_statistics(&db, 1).await.unwrap().total, 31);
    }

    async fn the_drop_counter_is_the_number_of_missing_rows(database: Database) {
        let db = migrated(&database).await;
        hide(&db).await;
        let recorder = start(&Config { queue: 50, ..config() }, &db);
        for _ in 0..10 {
            make_calls(&recorder, 40, Code::Ok);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        until("drops", async || recorder.dropped() > 0).await;
        restore(&db).await;
        let finished = recorder.finish(PATIENCE).await;
        assert!(finished.lost >= 300, "{finished:?}");
        assert_eq!(finished.written + finished.lost, 400);
        assert_eq!(rows(&db).await, finished.written);
    }

    async fn time_is_up_at_the_end(database: Database) {
        let db = migrated(&database).await;
        hide(&db).await;
        let recorder = start(&config(), &db);
        make_calls(&recorder, 30, Code::Ok);
        let finished = recorder.finish(Duration::from_millis(100)).await;
        assert_eq!((finished.written, finished.lost), (0, 30));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_server_ends_is_made_anew() {
    let Some(database) = Database::postgres().await else {
        return;
    };
    let db = migrated(&database).await;
    let recorder = start(&config(), &db);
    for round in 1..=3 {
        make_calls(&recorder, 10, Code::Ok);
        until("rows", async || recorder.written() == round * 10).await;
        // By a new pool each time: the old one's connections end as well.
        execute(
            &database.connect().await,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    }
    let finished = recorder.finish(PATIENCE).await;
    assert_eq!((finished.written, finished.lost), (30, 0));
    assert_eq!(rows(&database.connect().await).await, 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_file_is_waited_for() {
    let database = Database::sqlite().await.unwrap();
    let db = migrated(&database).await;
    let recorder = start(&config(), &db);
    make_calls(&recorder, 1, Code::Ok);
    until("a row", async || recorder.written() == 1).await;

    let file = database.url().trim_start_matches("sqlite://").to_owned();
    let lock = rusqlite::Connection::open(file).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    make_calls(&recorder, 10, Code::Ok);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!((recorder.written(), recorder.dropped()), (1, 0));
    lock.execute_batch("ROLLBACK").unwrap();
    let finished = recorder.finish(PATIENCE).await;
    assert_eq!((finished.written, finished.lost), (11, 0));
    assert_eq!(rows(&db).await, 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_wait_at_the_door_until_the_database_is_back() {
    let database = Database::sqlite().await.unwrap();
    let db = migrated(&database).await;
    hide(&db).await;
    let tight = Config { queue: 16, on_full: steeple::record::config::OnFull::Wait, ..config() };
    let recorder = start(&tight, &db);
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let recorder = Arc::clone(&recorder);
            tokio::spawn(async move {
                for _ in 0..10 {
                    recorder.room().await;
                    let call = open(&recorder, &get_coin());
                    close(&recorder, call, Code::Ok, None);
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!callers.iter().all(tokio::task::JoinHandle::is_finished));
    restore(&db).await;
    for caller in callers {
        tokio::time::timeout(PATIENCE, caller).await.expect("the door opens").unwrap();
    }
    let finished = recorder.finish(PATIENCE).await;
    assert_eq!((finished.written, finished.lost), (80, 0));
    assert_eq!(rows(&db).await, 80);
}
