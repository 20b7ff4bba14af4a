//! Filters, pages and counts.

use super::*;
use crate::databases::on_every_database;

on_every_database! {
    async fn filters_find_what_they_name(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&config(), &db);
        make_calls(&recorder, 30, Code::Ok);
        make_calls(&recorder, 4, Code::NotFound);
        make_calls(&recorder, 3, Code::Cancelled);
        make_calls(&recorder, 2, Code::DeadlineExceeded);
        for (path, caller) in [
            ("/crypto.CryptoService/ListCoins", Caller { user_id: Some(5), api_key_id: None }),
            ("/users.UserService/GetCoin", Caller { user_id: Some(5), api_key_id: Some(8) }),
        ] {
            let call = open(&recorder, &method(path));
            call.0.authenticated(caller);
            close(&recorder, call, Code::Ok, None);
        }
        let given = http::HeaderValue::from_static("mine-1");
        let call = Arc::new(Call::open(RequestId::of(Some(&given)), get_coin(), None, None));
        let slot = recorder.open(&call);
        // No sleep: a slow call is told by its outcome, which a test cannot set back.
        close(&recorder, (call, slot), Code::Internal, None);
        assert_eq!(recorder.finish(PATIENCE).await.lost, 0);

        let count = async |question: RequestLog| question.count(&db).await.unwrap();
        let recent = || RequestLog::recent(24);
        assert_eq!(count(recent()).await, 42);
        assert_eq!(count(recent().successful()).await, 32);
        assert_eq!(count(recent().errors()).await, 5);
        assert_eq!(count(recent().cancelled()).await, 3);
        assert_eq!(count(recent().timeout()).await, 2);
        assert_eq!(count(recent().pending()).await, 0);
        assert_eq!(count(recent().by_service("crypto.CryptoService")).await, 41);
        assert_eq!(count(recent().by_service("CRYPTO.CryptoService")).await, 0);
        assert_eq!(count(recent().by_method("GetCoin")).await, 41);
        assert_eq!(count(recent().by_service("users.UserService").by_method("GetCoin")).await, 1);
        assert_eq!(count(recent().by_user(5)).await, 2);
        assert_eq!(count(recent().by_api_key(8)).await, 1);
        assert_eq!(count(recent().authenticated()).await, 2);
        assert_eq!(count(recent().by_request_id("mine-1")).await, 1);
        assert_eq!(count(recent().slow(0)).await, 42);
        assert_eq!(count(recent().slow(3_600_000)).await, 0);
        assert_eq!(count(RequestLog::all_time().until(steeple::clock::now() - chrono::TimeDelta::hours(1))).await, 0);

        let first = recent().by_method("GetCoin").limit(25).all(&db).await.unwrap();
        assert_eq!(first.len(), 25);
        assert!(first.is_sorted_by(|newer, older| newer.id > older.id));
        let rest = recent().by_method("GetCoin").before(first[24].id).limit(25).all(&db).await.unwrap();
        assert_eq!(rest.len(), 16);
        assert!(rest[0].id < first[24].id);
        let json = serde_json::to_value(&first[0]).unwrap();
        assert_eq!(json["grpc_status_code"], "INTERNAL");
    }
}

/// On SQLite a row's id is the moment of its writing, so a time, and a request id that was made here, are ranges of ids.
#[tokio::test]
async fn ids_are_moments_on_sqlite() {
    let database = Database::sqlite().await.unwrap();
    let db = migrated(&database).await;
    let before = steeple::clock::now().timestamp_micros();
    let recorder = start(&config(), &db);
    make_calls(&recorder, 300, Code::Ok);
    recorder.finish(PATIENCE).await;
    let after = steeple::clock::now().timestamp_micros();
    let rows = RequestLog::recent(1).limit(1000).all(&db).await.unwrap();
    assert_eq!(rows.len(), 300);
    assert!(rows.iter().all(|row| (before..=after + 300).contains(&row.id)), "{:?} {before} {after}", rows[0].id);
    let wanted = &rows[150];
    let found = RequestLog::all_time().by_request_id(&wanted.request_id).all(&db).await.unwrap();
    assert_eq!(found, std::slice::from_ref(wanted));
    // A row that was written long after its call began (the database was away) is found all the same.
    execute(&db, &format!("UPDATE steeple_request_call SET id = id + 3600000000 WHERE id = {}", wanted.id)).await;
    assert_eq!(RequestLog::all_time().by_request_id(&wanted.request_id).count(&db).await.unwrap(), 1);
    assert_eq!(RequestLog::all_time().by_request_id(&wanted.request_id).all(&db).await.unwrap().len(), 1);
}
