//! Numbers over time: exact sums, percentiles within 1 %, any number of nodes and restarts.

use super::*;
use crate::databases::on_every_database;

on_every_database! {
    async fn two_nodes_and_a_restart_add_up(database: Database) {
        let db = migrated(&database).await;
        let (one, two) = (start(&config(), &db), start(&config(), &db));
        make_calls(&one, 100, Code::Ok);
        make_calls(&two, 50, Code::Ok);
        make_calls(&two, 25, Code::NotFound);
        one.finish(PATIENCE).await;
        let again = start(&config(), &db);
        make_calls(&again, 10, Code::Cancelled);
        make_calls(&again, 15, Code::DeadlineExceeded);
        let running = open(&again, &method("/crypto.CryptoService/Watch"));
        until("a pending row", async || RequestLog::all_time().pending().count(&db).await.unwrap() == 1).await;
        two.finish(PATIENCE).await;
        until("all rows", async || again.written() == 25).await;

        let statistics = RequestLog::get_statistics(&db, 1).await.unwrap();
        assert_eq!((statistics.total, statistics.successful, statistics.errors), (200, 150, 25));
        assert_eq!((statistics.cancelled, statistics.timeout), (10, 15));
        assert_eq!((statistics.request_bytes, statistics.response_bytes), (200 * 12, 200 * 34));
        assert!((statistics.success_rate - 75.0).abs() < f64::EPSILON);
        assert_eq!(statistics.methods.len(), 1);
        assert_eq!(statistics.methods[0].method_name, "GetCoin");
        assert_eq!(statistics.methods[0].numbers, statistics.all);

        close(&again, running, Code::Ok, None);
        again.finish(PATIENCE).await;
        let statistics = RequestLog::get_statistics(&db, 24).await.unwrap();
        assert_eq!((statistics.total, statistics.methods.len()), (201, 2));
        let json = serde_json::to_value(&statistics).unwrap();
        assert_eq!(json["total"], 201);
        assert_eq!(json["methods"][1]["method_name"], "Watch");
    }

    async fn averages_and_percentiles_are_those_of_the_rows(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&config(), &db);
        let mut calls: Vec<_> = (0..200).map(|_| open(&recorder, &get_coin())).collect();
        // Durations that differ: calls close one after the other.
        while let Some(call) = calls.pop() {
            tokio::time::sleep(Duration::from_micros(300)).await;
            close(&recorder, call, Code::Ok, None);
        }
        recorder.finish(PATIENCE).await;
        let mut durations: Vec<_> = RequestLog::all_time().limit(1000).all(&db).await.unwrap()
            .into_iter().map(|row| row.duration_us.unwrap() as f64 / 1000.0).collect();
        durations.sort_by(f64::total_cmp);
        let statistics = RequestLog::get_statistics(&db, 1).await.unwrap();
        let near = |have: f64, want: f64, error: f64| assert!((have - want).abs() <= want * error, "{have} for {want}");
        near(statistics.avg_duration_ms, durations.iter().sum::<f64>() / 200.0, 0.001);
        near(statistics.p50_duration_ms, durations[99], 0.01);
        near(statistics.p95_duration_ms, durations[189], 0.01);
        near(statistics.p99_duration_ms, durations[197], 0.01);
    }

    async fn hours_at_the_edge_are_told_by_their_minutes(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&config(), &db);
        make_calls(&recorder, 10, Code::Ok);
        recorder.finish(PATIENCE).await;
        let minute = number(&db, "SELECT MIN(starts_at) FROM steeple_request_stats WHERE period = 60").await - 58 * 60;
        let hour = minute - minute % 3600;
        execute(&db, "UPDATE steeple_request_stats SET starts_at = starts_at - 3480 WHERE period = 60").await;
        execute(&db, &format!("UPDATE steeple_request_stats SET starts_at = {hour} WHERE period = 3600")).await;
        // In the first hour after midnight that was another day.
        let day = hour - hour % 86_400;
        execute(&db, &format!("UPDATE steeple_request_stats SET starts_at = {day} WHERE period = 86400")).await;
        assert_eq!(RequestLog::get_statistics(&db, 1).await.unwrap().total, 10, "by its minute, or by its hour");
        execute(&db, "UPDATE steeple_request_stats SET starts_at = starts_at - 300 WHERE period = 60").await;
        if hour + 3600 <= steeple::clock::now().timestamp() - 120 {
            assert_eq!(RequestLog::get_statistics(&db, 1).await.unwrap().total, 0, "too old by some minutes");
        }
    }

    async fn full_hours_are_told_by_their_hour(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&config(), &db);
        make_calls(&recorder, 10, Code::Ok);
        recorder.finish(PATIENCE).await;
        let set_back = async |seconds: i64| {
            execute(&db, &format!("UPDATE steeple_request_stats SET starts_at = starts_at - {seconds}")).await;
            // The day is that of the hour.
            let hour = number(&db, "SELECT MIN(starts_at) FROM steeple_request_stats WHERE period = 3600").await;
            let day = hour - hour % 86_400;
            execute(&db, &format!("UPDATE steeple_request_stats SET starts_at = {day} WHERE period = 86400")).await;
        };
        set_back(7200).await;
        assert_eq!(RequestLog::get_statistics(&db, 1).await.unwrap().total, 0);
        assert_eq!(RequestLog::get_statistics(&db, 3).await.unwrap().total, 10);
        assert_eq!(RequestLog::get_statistics(&db, 24 * 300).await.unwrap().total, 10);
        set_back(10 * 86_400).await;
        assert_eq!(RequestLog::get_statistics(&db, 24 * 10).await.unwrap().total, 0);
        assert_eq!(RequestLog::get_statistics(&db, 24 * 11).await.unwrap().total, 10);
    }
}

#[tokio::test]
async fn hours_out_of_range_are_refused() {
    let database = Database::sqlite().await.unwrap();
    let db = migrated(&database).await;
    for hours in [0, 8761] {
        let error = RequestLog::get_statistics(&db, hours).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert_eq!(error.message(), "hours: must be between 1 and 8760");
    }
    let empty = RequestLog::get_statistics(&db, 8760).await.unwrap();
    assert_eq!((empty.total, empty.methods.len()), (0, 0));
}
