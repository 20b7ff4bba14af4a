//! The log as it grows: each call once in each state, on every database.

use std::collections::BTreeSet;

use steeple::record::log::{News, Tail};

use super::*;
use crate::databases::on_every_database;

/// What is new; there is no gap.
async fn new(tail: &mut Tail, db: &Db) -> Vec<steeple::record::RequestLogRow> {
    let News { rows, gap } = tail.look(db).await.expect("the database answers");
    assert!(!gap);
    rows
}

async fn count(db: &Db, question: RequestLog) -> u64 {
    question.count(db).await.expect("rows can be counted")
}

on_every_database! {
    async fn what_was_there_before_is_no_news(database: Database) {
        let db = migrated(&database).await;
        let before = start(&config(), &db);
        make_calls(&before, 1500, Code::Ok);
        before.finish(PATIENCE).await;
        let mut tail = RequestLog::recent(24).follow();
        assert!(new(&mut tail, &db).await.is_empty());
        for calls in [1, 0, 3] {
            let recorder = start(&config(), &db);
            make_calls(&recorder, calls, Code::NotFound);
            recorder.finish(PATIENCE).await;
            let rows = new(&mut tail, &db).await;
            assert_eq!(rows.len(), calls);
            assert!(rows.is_sorted_by_key(|row| row.id) && rows.iter().all(|row| row.status == "error"));
            assert!(new(&mut tail, &db).await.is_empty(), "each once");
        }
    }

    async fn more_than_one_look_gives_is_a_gap(database: Database) {
        let db = migrated(&database).await;
        let mut tail = RequestLog::all_time().follow();
        let mut failures = RequestLog::all_time().errors().follow();
        assert!(new(&mut tail, &db).await.is_empty() && new(&mut failures, &db).await.is_empty());
        for calls in [1000, 1400] {
            let recorder = start(&config(), &db);
            make_calls(&recorder, calls, Code::Ok);
            recorder.finish(PATIENCE).await;
            let News { rows, gap } = tail.look(&db).await.unwrap();
            assert_eq!((rows.len(), gap), (1000, calls > 1000), "of {calls}");
            let ids: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
            assert_eq!(ids.len(), 1000);
            assert_eq!(ids.last().copied(), Some(number(&db, "SELECT MAX(id) FROM steeple_request_log").await));
            assert!(new(&mut tail, &db).await.is_empty(), "what was left out does not come later");
            // Who asks for none of them goes on from the end all the same.
            assert!(new(&mut failures, &db).await.is_empty());
            let end = format!("newest: Some({})", ids.last().unwrap());
            assert!(format!("{failures:?}").contains(&end), "{end}");
        }
    }

    async fn a_long_call_is_in_the_tail_of_what_it_ends_as(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&config(), &db);
        let early = open(&recorder, &get_coin());
        until("a pending row", async || count(&db, RequestLog::all_time().pending()).await == 1).await;
        let mut all = RequestLog::all_time().by_service("crypto.CryptoService").follow();
        let mut failures = RequestLog::all_time().by_service("crypto.CryptoService").errors().follow();
        let mut elsewhere = RequestLog::all_time().by_service("users.UserService").errors().follow();
        for tail in [&mut all, &mut failures, &mut elsewhere] {
            assert!(new(tail, &db).await.is_empty());
        }
        let (late, good) = (open(&recorder, &get_coin()), open(&recorder, &get_coin()));
        until("pending rows", async || count(&db, RequestLog::all_time().pending()).await == 3).await;
        let running = new(&mut all, &db).await;
        assert_eq!(running.iter().map(|row| &*row.status).collect::<Vec<_>>(), ["pending", "pending"]);
        assert!(new(&mut failures, &db).await.is_empty());
        close(&recorder, late, Code::Internal, Some("broken"));
        close(&recorder, early, Code::Aborted, Some("lost"));
        close(&recorder, good, Code::Ok, None);
        until("they have ended", async || count(&db, RequestLog::all_time().pending()).await == 0).await;
        let ended = new(&mut all, &db).await;
        assert_eq!(ended.len(), 3, "{ended:?}");
        let failed = new(&mut failures, &db).await;
        let codes: Vec<_> = failed.iter().map(|row| row.grpc_status_code.as_deref().unwrap()).collect();
        assert_eq!(codes, ["ABORTED", "INTERNAL"]);
        for tail in [&mut all, &mut failures, &mut elsewhere] {
            assert!(new(tail, &db).await.is_empty());
        }
        // Who follows running calls sees them end.
        let mut runs = RequestLog::all_time().pending().follow();
        assert!(new(&mut runs, &db).await.is_empty());
        let long = open(&recorder, &get_coin());
        until("a pending row", async || count(&db, RequestLog::all_time().pending()).await == 1).await;
        assert_eq!(new(&mut runs, &db).await.len(), 1);
        close(&recorder, long, Code::Ok, None);
        until("it has ended", async || count(&db, RequestLog::all_time().pending()).await == 0).await;
        assert_eq!(new(&mut runs, &db).await[0].status, "success");
        recorder.finish(PATIENCE).await;
    }

    async fn what_is_committed_late_is_news(database: Database) {
        let db = migrated(&database).await;
        if db.backend() == DbBackend::Sqlite {
            // One writer at a time: nothing comes late.
            return;
        }
        let recorder = start(&config(), &db);
        make_calls(&recorder, 20, Code::Ok);
        recorder.finish(PATIENCE).await;
        let late = number(&db, "SELECT MAX(id) FROM steeple_request_log").await - 5;
        execute(&db, &format!("UPDATE steeple_request_log SET id = -id WHERE id = {late}")).await;
        let mut tail = RequestLog::recent(1).follow();
        assert!(new(&mut tail, &db).await.is_empty());
        execute(&db, &format!("UPDATE steeple_request_log SET id = -id WHERE id = -{late}")).await;
        assert_eq!(new(&mut tail, &db).await.iter().map(|row| row.id).collect::<Vec<_>>(), [late]);
        assert!(new(&mut tail, &db).await.is_empty());
    }
}
