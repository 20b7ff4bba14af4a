//! Filters, pages and counts.

use super::*;
use crate::databases::on_every_database;

on_every_database! {
    async fn a_request_id_is_found_whoever_made_it(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&config(), &db);
        make_calls(&recorder, 30, Code::Ok);
        // Of a caller whose clock is ahead.
        let ahead = (steeple::clock::now() + chrono::TimeDelta::minutes(30)).timestamp() as u64;
        let ahead = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, ahead, 0)).to_string();
        let ids = ["mine-1", "abcdefghijklmn7", "0af7651916cd437dd8448eb211c80319", "x2345678901234723456789012345678901234", "123456789012347-90123456789012345678", &ahead];
        for id in ids {
            let given = http::HeaderValue::from_str(id).unwrap();
            let call = Arc::new(Call::open(RequestId::of(Some(&given)), get_coin(), None, None));
            let slot = recorder.open(&call);
            close(&recorder, (call, slot), Code::Ok, None);
        }
        assert_eq!(recorder.finish(PATIENCE).await.lost, 0);
        let made = RequestLog::recent(1).by_method("GetCoin").limit(100).all(&db).await.unwrap();
        let made = made.last().unwrap().request_id.clone();
        assert_eq!(uuid::Uuid::parse_str(&made).unwrap().get_version_num(), 7);
        for id in ids.into_iter().chain([made.as_str()]) {
            let question = || RequestLog::all_time().by_request_id(id);
            assert_eq!(question().all(&db).await.unwrap().len(), 1, "{id}");
            assert_eq!(question().count(&db).await.unwrap(), 1, "{id}");
            let page = question().page(&db, 1, 10).await.unwrap();
            assert_eq!((page.rows.len(), page.count), (1, 1), "{id}");
        }
        assert!(RequestLog::all_time().by_request_id("nobody's").all(&db).await.unwrap().is_empty());
    }

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

on_every_database! {
    /// On SQLite few are found by an index and many along the ids: the same rows, in the same order.
    async fn few_and_many_are_found_alike(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&config(), &db);
        make_calls(&recorder, 40, Code::Ok);
        make_calls(&recorder, 10, Code::NotFound);
        close(&recorder, open(&recorder, &method("/users.UserService/GetUser")), Code::Internal, Some("no such user"));
        recorder.finish(PATIENCE).await;
        let times = match db.backend() {
            DbBackend::Sqlite => "duration_us = 150000",
            _ => "duration_us = 150000, duration_ms = 150",
        };
        execute(&db, &format!("UPDATE {} SET {times}", table(&db))).await;
        let all = RequestLog::all_time().limit(1000).all(&db).await.unwrap();
        let ask = |name: &str| match name {
            "service" => RequestLog::all_time().by_service("crypto.CryptoService"),
            "slow" => RequestLog::all_time().slow(100),
            "text" => RequestLog::all_time().containing("no such"),
            _ => RequestLog::all_time().by_service("crypto.CryptoService").containing("coin").slow(150),
        };
        for (name, found) in [("service", 50), ("slow", 51), ("text", 11), ("each", 10)] {
            let rows = ask(name).limit(1000).all(&db).await.unwrap();
            assert_eq!(rows.len(), found, "{name}");
            assert!(rows.is_sorted_by(|newer, older| newer.id > older.id), "{name}");
            let page = ask(name).page(&db, 1, 6).await.unwrap();
            assert_eq!((&page.rows[..], page.count, page.more), (&rows[..6], found as u64, false), "{name}");
            let last = ask(name).page(&db, found.div_ceil(6) as u64, 6).await.unwrap();
            assert_eq!((last.rows.last(), last.count), (rows.last(), found as u64), "{name}");
            let beyond = ask(name).page(&db, 50, 6).await.unwrap();
            assert_eq!((beyond.rows.len(), beyond.count), (0, found as u64), "{name}");
            assert!(rows.iter().all(|row| all.contains(row)));
        }
        let full = RequestLog::all_time().page(&db, 1, 51).await.unwrap();
        assert_eq!((full.count, full.rows.len()), (51, 51));
        let short = RequestLog::all_time().page(&db, 1, 60).await.unwrap();
        assert_eq!((short.count, short.rows.len(), short.more), (51, 51, false));
        assert_eq!(RequestLog::all_time().slow(151).page(&db, 1, 6).await.unwrap().count, 0);
    }

    async fn an_address_is_compared_as_it_is_written(database: Database) {
        let db = migrated(&database).await;
        let recorder = start(&config(), &db);
        for peer in ["192.0.2.7:4711", "192.0.2.70:1", "[2001:db8::1]:443", "[2001:db8::10]:1", "[::ffff:10.1.2.3]:77"] {
            let call = Arc::new(Call::open(RequestId::of(None), get_coin(), peer.parse().ok(), None));
            let slot = recorder.open(&call);
            close(&recorder, (call, slot), Code::Ok, None);
        }
        recorder.finish(PATIENCE).await;
        for (address, found) in [("192.0.2.7", 1), ("192.0.2", 0), ("192.0.2.7:4711", 0), ("2001:db8::1", 1), ("10.1.2.3", 1),
            ("[2001:db8::1]", 0), ("", 0), ("' OR 1 = 1", 0)] {
            assert_eq!(RequestLog::all_time().by_client_ip(address).count(&db).await.unwrap(), found, "{address}");
        }
    }
}

/// More than are counted: the newest are found along the ids.
#[tokio::test]
async fn many_are_found_along_the_ids_on_sqlite() {
    let database = Database::sqlite().await.unwrap();
    let db = migrated(&database).await;
    let recorder = start(&config(), &db);
    make_calls(&recorder, 1, Code::NotFound);
    recorder.finish(PATIENCE).await;
    let columns = "request_id, service_name, method_name, method_key, request_size, response_size, request_messages, \
        response_messages, code, error_message, peer, created_us";
    execute(
        &db,
        &format!(
            "INSERT INTO steeple_request_call ({columns}, duration_us) \
        WITH RECURSIVE number (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < 10500) \
        SELECT {columns}, 200000 FROM steeple_request_call, number"
        ),
    )
    .await;
    for question in [
        RequestLog::all_time().by_service("crypto.CryptoService"),
        RequestLog::all_time().slow(150),
        RequestLog::all_time().containing("no such"),
    ] {
        let page = question.clone().page(&db, 2, 100).await.unwrap();
        assert_eq!((page.rows.len(), page.count, page.more), (100, 10_000, true));
        let first = question.limit(200).all(&db).await.unwrap();
        assert_eq!(first[100..], page.rows);
        assert_eq!(first[0].id, number(&db, "SELECT MAX(id) FROM steeple_request_log").await);
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
