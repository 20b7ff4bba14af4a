//! What gets a row, and when.

use steeple::record::{
    Caller, State,
    config::{Format, OnFull},
};

use super::*;
use crate::databases::on_every_database;

on_every_database! {
    async fn every_call_has_its_row(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&config(), &db);
        let method = get_coin();
        let ok = open(&recorder, &method);
        ok.0.count_request(12, 1);
        ok.0.count_response(34, 2);
        let id = ok.0.id().to_string();
        assert_eq!(recorder.running().len(), 1);
        close(&recorder, ok, Code::Ok, None);
        for (code, message) in [
            (Code::NotFound, "no \0coin \u{1f514} 'BTC'"),
            (Code::Cancelled, "the caller left"),
            (Code::DeadlineExceeded, "took too long"),
        ] {
            close(&recorder, open(&recorder, &method), code, Some(message));
        }
        let finished = recorder.finish(PATIENCE).await;
        assert_eq!((finished.written, finished.lost), (4, 0));
        assert_eq!(recorder.finish(PATIENCE).await, finished);
        assert!(recorder.running().is_empty());

        let all = RequestLog::recent(1).all(&db).await.unwrap();
        let states: Vec<_> = all.iter().rev().map(|row| row.state().unwrap()).collect();
        assert_eq!(states, [State::Success, State::Error, State::Cancelled, State::Timeout]);
        let row = all.last().unwrap();
        assert_eq!((&*row.service_name, &*row.method_name), ("crypto.CryptoService", "GetCoin"));
        assert_eq!((&*row.full_method, &*row.request_id), ("/crypto.CryptoService/GetCoin", &*id));
        assert_eq!((row.request_size, row.request_messages), (12, 1));
        assert_eq!((row.response_size, row.response_messages), (34, 2));
        assert_eq!(row.grpc_status_code.as_deref(), Some("OK"));
        assert_eq!(row.error_message, None);
        assert_eq!(row.client_ip.as_deref(), Some("192.0.2.7"));
        assert_eq!(row.peer.as_deref(), Some("192.0.2.7:4711"));
        assert_eq!(row.user_agent.as_deref(), Some("grpc-test/1.0"));
        assert!(!row.is_authenticated);
        let took = row.completed_at.unwrap() - row.created_at;
        assert_eq!(took.num_microseconds(), row.duration_us);
        assert_eq!(row.duration_us.map(|us| us / 1000), row.duration_ms);
        assert_eq!(all[2].error_message.as_deref(), Some("no \u{fffd}coin \u{1f514} 'BTC'"));
        assert_eq!(all[2].grpc_status_code.as_deref(), Some("NOT_FOUND"));
    }

    async fn what_a_database_computes_reads_as_what_another_stores(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&config(), &db);
        let peers = ["192.0.2.7:4711", "[2001:db8::1]:443", "[::ffff:10.1.2.3]:77", "[::1]:65535"];
        for code in 0..17 {
            let peer = peers[code as usize % peers.len()].parse().ok();
            let call = Arc::new(Call::open(RequestId::of(None), get_coin(), peer, None));
            call.authenticated(Caller { user_id: (code % 2 == 0).then_some(7), api_key_id: (code % 3 == 0).then_some(9) });
            let slot = recorder.open(&call);
            close(&recorder, (call, slot), Code::from_i32(code), None);
        }
        recorder.finish(PATIENCE).await;
        let mut rows = RequestLog::recent(1).until(steeple::clock::now()).all(&db).await.unwrap();
        rows.reverse();
        assert_eq!(rows.len(), 17);
        let names = ["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
            "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
            "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"];
        let ips = ["192.0.2.7", "2001:db8::1", "10.1.2.3", "::1"];
        for (code, row) in rows.iter().enumerate() {
            assert_eq!(row.grpc_status_code.as_deref(), Some(names[code]));
            assert_eq!(row.state(), Some(State::of(Code::from_i32(code as i32))));
            assert_eq!(row.client_ip.as_deref(), Some(ips[code % ips.len()]));
            assert_eq!(row.is_authenticated, code % 2 == 0 || code % 3 == 0);
            assert_eq!((row.completed_at.unwrap() - row.created_at).num_microseconds(), row.duration_us);
        }
        assert_eq!(RequestLog::all_time().until(rows[0].created_at).count(&db).await.unwrap(), 0);
    }

    async fn a_call_that_runs_on_is_pending_and_then_updated(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&config(), &db);
        let running: Vec<_> = (0..3).map(|_| open(&recorder, &get_coin())).collect();
        until("pending rows", async || RequestLog::all_time().pending().count(&db).await.unwrap() == 3).await;
        let pending = RequestLog::all_time().pending().all(&db).await.unwrap();
        assert!(pending.iter().all(|row| row.completed_at.is_none() && row.grpc_status_code.is_none()));

        for (index, call) in running.into_iter().enumerate() {
            call.0.count_request(7, 1);
            let code = if index == 0 { Code::Internal } else { Code::Ok };
            close(&recorder, call, code, (index == 0).then_some("broken"));
        }
        assert_eq!(recorder.finish(PATIENCE).await.written, 3);
        let rows = RequestLog::all_time().all(&db).await.unwrap();
        let mut ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        assert!(pending.iter().all(|row| ids.contains(&row.id)));
        ids.dedup();
        assert_eq!(ids.len(), 3);
        assert!(rows.iter().all(|row| row.request_size == 7 && row.duration_us.is_some()));
        let error = RequestLog::all_time().errors().all(&db).await.unwrap();
        assert_eq!(error.len(), 1);
        assert_eq!(error[0].error_message.as_deref(), Some("broken"));
    }

    async fn batches_of_any_size_are_whole(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&Config { batch: 300, ..config() }, &db);
        make_calls(&recorder, 2345, Code::Ok);
        let finished = recorder.finish(PATIENCE).await;
        assert_eq!((finished.written, finished.lost), (2345, 0));
        assert_eq!(rows(&db).await, 2345);
    }

    async fn a_row_that_the_database_refuses_takes_no_other_with_it(database: Database) {
        let db = migrated(&database).await;
        let poison = match db.backend() {
            DbBackend::Sqlite => "CREATE TRIGGER poison BEFORE INSERT ON steeple_request_call \
                WHEN NEW.error_message = 'poison' BEGIN SELECT RAISE(ABORT, 'poisoned'); END",
            _ => "ALTER TABLE steeple_request_log ADD CONSTRAINT poison CHECK (error_message <> 'poison')",
        };
        execute(&db, poison).await;
        let recorder = start(&config(), &db);
        for index in 0..300 {
            let message = if index % 100 == 50 { "poison" } else { "harmless" };
            close(&recorder, open(&recorder, &get_coin()), Code::Internal, Some(message));
        }
        let finished = recorder.finish(PATIENCE).await;
        assert_eq!((finished.written, finished.lost), (297, 3));
        assert_eq!(rows(&db).await, 297);
        assert_eq!(recorder.dropped(), 3);
        // The calls happened, whatever became of their rows.
        assert_eq!(RequestLog::get_statistics(&db, 1).await.unwrap().total, 300);
    }

    async fn old_rows_are_deleted(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&config(), &db);
        make_calls(&recorder, 10, Code::Ok);
        recorder.finish(PATIENCE).await;
        let shift = match db.backend() {
            DbBackend::Sqlite => "created_us = created_us - 31 * 86400000000",
            DbBackend::MySql => "created_at = created_at - INTERVAL 31 DAY",
            _ => "created_at = created_at - interval '31 days'",
        };
        let oldest = number(&db, "SELECT MIN(id) FROM steeple_request_log").await;
        execute(&db, &format!("UPDATE {} SET {shift} WHERE id < {}", table(&db), oldest + 6)).await;
        execute(&db, "UPDATE steeple_request_stats SET starts_at = starts_at - 8 * 86400").await;

        let kept = start(&Config { retention_days: 32, ..config() }, &db);
        make_calls(&kept, 1, Code::Ok);
        kept.finish(PATIENCE).await;
        assert_eq!(rows(&db).await, 11);
        let recorder = start(&config(), &db);
        make_calls(&recorder, 1, Code::Ok);
        until("old rows are gone", async || rows(&db).await == 6).await;
        recorder.finish(PATIENCE).await;
        let stale = |period| format!("SELECT COUNT(*) FROM steeple_request_stats WHERE period = {period} \
            AND starts_at < {}", steeple::clock::now().timestamp() - 7 * 86400);
        assert_eq!(number(&db, &stale(60)).await, 0);
        assert!(number(&db, &stale(3600)).await > 0);
    }

    async fn statistics_are_kept_for_their_time(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&config(), &db);
        make_calls(&recorder, 10, Code::Ok);
        recorder.finish(PATIENCE).await;
        let of = |period: i64| format!("SELECT COUNT(*) FROM steeple_request_stats WHERE period = {period}");
        for (period, days) in [(60, 7), (3600, 60), (86_400, 400)] {
            let back = days * 86_400;
            // One copy just within its time, one beyond it.
            for (node, back) in [(1, back - 2 * 86_400), (2, back + 2 * 86_400)] {
                let columns = "service_name, method_name, grpc_code, calls, duration_us, request_bytes, \
                    response_bytes, last_us, histogram";
                execute(&db, &format!("INSERT INTO steeple_request_stats (period, starts_at, node, {columns}) \
                    SELECT period, starts_at - {back}, {node}, {columns} FROM steeple_request_stats \
                    WHERE period = {period} AND service_name = '' AND node > 2")).await;
            }
            assert!(number(&db, &format!("{} AND node = 2", of(period))).await > 0);
        }
        let sweeping = start(&config(), &db);
        make_calls(&sweeping, 1, Code::Ok);
        let gone = async |node: i64| number(&db, &format!("SELECT COUNT(*) FROM steeple_request_stats WHERE node = {node}")).await == 0;
        until("old statistics are gone", async || gone(2).await).await;
        sweeping.finish(PATIENCE).await;
        for period in [60, 3600, 86_400] {
            assert!(number(&db, &format!("{} AND node = 1", of(period))).await > 0, "{period}");
        }
    }

    async fn a_share_of_the_successes_gets_a_row(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&Config { sample_successes: 0.1, ..config() }, &db);
        make_calls(&recorder, 100, Code::Ok);
        make_calls(&recorder, 5, Code::NotFound);
        let finished = recorder.finish(PATIENCE).await;
        assert_eq!((finished.written, finished.lost), (15, 0));
        assert_eq!(RequestLog::all_time().successful().count(&db).await.unwrap(), 10);
        let statistics = RequestLog::get_statistics(&db, 1).await.unwrap();
        assert_eq!((statistics.total, statistics.successful, statistics.errors), (105, 100, 5));
    }
}

#[tokio::test]
async fn a_database_in_memory_is_written_through_the_pool() {
    let memory = steeple::db::Config { url: "sqlite::memory:".to_owned(), ..Default::default() };
    let db = Db::connect(&memory, 1).await.unwrap();
    steeple::db::migrate::up(&db, &migrations()).await.unwrap();
    let recorder = start(&config(), &db);
    let running = open(&recorder, &get_coin());
    until("a pending row", async || RequestLog::all_time().pending().count(&db).await.unwrap() == 1).await;
    close(&recorder, running, Code::Aborted, Some("lost"));
    make_calls(&recorder, 20, Code::Ok);
    let finished = recorder.finish(PATIENCE).await;
    assert_eq!((finished.written, finished.lost), (21, 0));
    assert_eq!(rows(&db).await, 21);
    assert_eq!(RequestLog::get_statistics(&db, 1).await.unwrap().total, 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_at_the_door_drops_nothing() {
    let database = Database::sqlite().await.unwrap();
    let db = migrated(&database).await;
    let tight = Config { queue: 8, on_full: OnFull::Wait, flush_interval: Duration::from_millis(5), ..config() };
    let recorder = start(&tight, &db);
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let recorder = Arc::clone(&recorder);
            tokio::spawn(async move {
                for _ in 0..25 {
                    recorder.room().await;
                    let call = open(&recorder, &get_coin());
                    assert!(recorder.running().len() <= 8 + 2);
                    tokio::task::yield_now().await;
                    close(&recorder, call, Code::Ok, None);
                }
            })
        })
        .collect();
    for caller in callers {
        tokio::time::timeout(PATIENCE, caller).await.expect("no caller waits for ever").unwrap();
    }
    let finished = recorder.finish(PATIENCE).await;
    assert_eq!((finished.written, finished.lost), (500, 0));
    assert_eq!(rows(&db).await, 500);
}

#[tokio::test]
async fn with_rows_and_lines_off_nothing_is_kept() {
    let database = Database::sqlite().await.unwrap();
    let db = migrated(&database).await;
    let recorder = start(&Config { enabled: false, ..config() }, &db);
    make_calls(&recorder, 10, Code::Ok);
    recorder.room().await;
    let finished = recorder.finish(PATIENCE).await;
    assert_eq!((finished.written, finished.lost), (0, 0));
    assert_eq!(rows(&db).await, 0);
}

#[tokio::test]
async fn console_lines_say_what_they_are_told_to() {
    let database = Database::sqlite().await.unwrap();
    let db = migrated(&database).await;
    for (which, format, lines) in [
        (ConsoleLines::All, Format::Json, 3),
        (ConsoleLines::Errors, Format::Json, 1),
        (ConsoleLines::All, Format::Pretty, 3),
        (ConsoleLines::Off, Format::Pretty, 0),
    ] {
        for enabled in [true, false] {
            let console = Console::default();
            let config = Config { enabled, console: which, format, ..config() };
            let recorder = Recorder::start_with(&config, &db, &Metrics::new(), console.clone()).unwrap();
            make_calls(&recorder, 2, Code::Ok);
            let failed = open(&recorder, &get_coin());
            failed.0.authenticated(Caller { user_id: Some(7), api_key_id: None });
            close(&recorder, failed, Code::NotFound, Some("no\ncoin \u{1b}[31m"));
            assert_eq!(recorder.finish(PATIENCE).await.lost, 0);
            let text = console.text();
            assert_eq!(text.lines().count(), lines, "{text}");
            assert!(!text.contains('\u{1b}'));
            if format == Format::Json {
                for line in text.lines() {
                    let line: serde_json::Value = serde_json::from_str(line).unwrap();
                    assert_eq!(line["method"], "/crypto.CryptoService/GetCoin");
                }
            }
        }
    }
    let user = RequestLog::all_time().by_user(7).authenticated().errors();
    assert_eq!(user.count(&db).await.unwrap(), 4);
}

#[tokio::test]
async fn what_the_log_did_is_in_the_metrics() {
    let database = Database::sqlite().await.unwrap();
    let db = migrated(&database).await;
    let metrics = Metrics::new();
    let recorder = Recorder::start(&config(), &db, &metrics).unwrap();
    make_calls(&recorder, 3, Code::Ok);
    recorder.finish(PATIENCE).await;
    let text = metrics.render();
    assert!(text.contains("steeple_request_log_rows_total 3"), "{text}");
    assert!(text.contains("steeple_request_log_dropped_total 0"), "{text}");
}

#[tokio::test]
async fn nonsense_is_refused_at_start() {
    let database = Database::sqlite().await.unwrap();
    let db = database.connect().await;
    let error = Recorder::start(&Config { queue: 0, ..config() }, &db, &Metrics::new()).unwrap_err();
    assert_eq!(error.to_string(), "log.queue = 0 must be between 1 and 16777216");
}

#[tokio::test]
async fn a_call_that_outlives_the_log_is_counted_as_lost_and_holds_nobody_up() {
    let database = Database::sqlite().await.unwrap();
    let db = migrated(&database).await;
    let recorder = start(&Config { queue: 2, on_full: OnFull::Wait, ..config() }, &db);
    let late = [open(&recorder, &get_coin()), open(&recorder, &get_coin())];
    until("pending rows", async || RequestLog::all_time().pending().count(&db).await.unwrap() == 2).await;
    let waiting = tokio::spawn({
        let recorder = Arc::clone(&recorder);
        async move { recorder.room().await }
    });
    recorder.finish(PATIENCE).await;
    tokio::time::timeout(PATIENCE, waiting).await.expect("nobody waits for a log that has ended").unwrap();
    for call in late {
        close(&recorder, call, Code::Ok, None);
    }
    assert_eq!((recorder.written(), recorder.dropped()), (0, 2));
}
