//! The plans of the questions that are asked most use the indexes that were made for them.

use sea_orm::{ConnectionTrait as _, QueryFilter as _, QuerySelect as _, QueryTrait as _, Statement};

use super::*;
use crate::record::{databases::Database, migrations};

/// Twenty thousand calls over thirty hours to fifty methods: one in a hundred failed, one in a thousand took long.
fn postgres_rows() -> String {
    let key = method_key("a.B", "M7") - 7;
    format!(
        "
    INSERT INTO steeple_request_log (request_id, service_name, method_name, method_key, full_method, request_size,
        response_size, request_messages, response_messages, status, grpc_status_code, duration_us, user_id, api_key_id,
        is_authenticated, created_at)
    SELECT 'id-' || i, 'a.B', 'M' || i % 50, {key} + i % 50, '/a.B/M', 1, 1, 1, 1,
        CASE WHEN i % 100 = 0 THEN 'error' ELSE 'success' END,
        CASE WHEN i % 100 = 0 THEN 'NOT_FOUND' ELSE 'OK' END, CASE WHEN i % 1000 = 0 THEN 200000 + i ELSE 100 END,
        i % 500, CASE WHEN i % 40 = 0 THEN i % 200 END, true, now() - (20000 - i) * interval '5.4 seconds'
    FROM generate_series(1, 20000) AS i"
    )
}

/// What the database would do.
async fn plan(db: &Db, statement: Statement) -> String {
    let explain = match db.backend() {
        DbBackend::Sqlite => "EXPLAIN QUERY PLAN",
        _ => "EXPLAIN",
    };
    let sql = format!("{explain} {}", statement.sql);
    let asked = statement.to_string();
    let statement = Statement { sql, ..statement };
    let rows = db.query_all_raw(statement).await.expect("a plan");
    let column = if db.backend() == DbBackend::Sqlite { "detail" } else { "QUERY PLAN" };
    let lines = rows.iter().map(|row| row.try_get::<String>("", column).expect("a line"));
    lines.chain([asked]).collect::<Vec<_>>().join("\n")
}

fn list(question: &RequestLog, backend: DbBackend, way: Way) -> Statement {
    question.listed(backend, way).limit(100).build(backend)
}

/// Every question whose way depends on how many there are, with the index of the few.
fn of_few_or_many() -> Vec<(RequestLog, &'static str)> {
    let all = RequestLog::all_time;
    let mut questions =
        vec![(all().slow(200), "slow"), (all().by_service("a.B"), "method"), (all().containing("x"), "status")];
    for (question, index) in questions.clone() {
        questions.push((question.since(clock::now() - TimeDelta::hours(24)), index));
    }
    questions
}

/// Every question for a list, with the index that finds its rows.
fn questions() -> Vec<(RequestLog, &'static str)> {
    let mut questions = Vec::new();
    for (narrowed, index) in [
        (RequestLog::all_time().errors(), "status"),
        (RequestLog::all_time().pending(), "status"),
        (RequestLog::all_time().by_code(Code::NotFound), "status"),
        (RequestLog::all_time().by_user(7), "user"),
        (RequestLog::all_time().by_api_key(40), "api_key"),
        (RequestLog::all_time().by_request_id("mine"), "request_id"),
        (RequestLog::all_time().by_service("a.B").by_method("M7"), "method"),
    ] {
        questions.push((narrowed.clone(), index));
        questions.push((narrowed.since(clock::now() - TimeDelta::hours(24)), index));
    }
    questions
}

#[tokio::test]
async fn lists_are_found_by_indexes_on_sqlite() {
    let database = Database::sqlite().await.expect("a file");
    let db = database.connect().await;
    crate::db::migrate::up(&db, &migrations()).await.expect("the tables");
    db.close().await;
    // To explain a plan SQLite does not look whether another connection has changed the schema since.
    let db = database.connect().await;
    for (question, index) in questions() {
        let plan = plan(&db, list(&question, db.backend(), Way::Usual)).await;
        assert!(plan.contains(&format!("steeple_request_call_{index} ")), "{index}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "rows are sorted anew: {plan}");
    }
    // Failures are counted without their rows, the slowest are found in their order.
    for question in [RequestLog::all_time().errors(), RequestLog::recent(24).by_code(Code::NotFound)] {
        let plan = plan(&db, question.counted(db.backend())).await;
        assert!(plan.contains("COVERING INDEX steeple_request_call_status "), "{plan}");
    }
    for question in [RequestLog::all_time(), RequestLog::recent(24)] {
        let plan = plan(&db, question.slow_ones(20, db.backend(), Way::Usual)).await;
        assert!(plan.contains("steeple_request_call_slow ") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
    // Few are counted and found by their index; many are found along the ids, and never sorted.
    for (question, index) in of_few_or_many() {
        assert!(question.has_ways(db.backend()));
        let index = format!("steeple_request_call_{index} ");
        for statement in [question.counted(db.backend()), list(&question, db.backend(), Way::ByIndex)] {
            let plan = plan(&db, statement).await;
            assert!(plan.contains(&index), "{index}: {plan}");
        }
        let way = list(&question, db.backend(), Way::ByIds);
        let plan = plan(&db, way).await;
        assert!(!plan.contains("TEMP B-TREE") && !plan.contains("USING INDEX"), "{plan}");
    }
    // Of the calls of a service the old ones are passed over.
    let day = plan(&db, RequestLog::recent(24).by_service("a.B").counted(db.backend())).await;
    assert!(day.contains("steeple_request_call_method (method_key=? AND rowid>?)"), "{day}");
    // A look at the end of the log reads no more than is new.
    let anywhere = RequestLog::all_time().by_client_ip("192.0.2.1");
    for question in of_few_or_many().into_iter().map(|(question, _)| question).chain([anywhere]) {
        let new = question.listed(db.backend(), Way::ByIds).filter(tail::within(5, 9)).limit(100).build(db.backend());
        let plan = plan(&db, new).await;
        assert!(plan.contains("INTEGER PRIMARY KEY (rowid>? AND rowid<?)"), "{plan}");
    }
    db.close().await;
}

#[tokio::test]
async fn lists_are_found_by_indexes_on_postgres() {
    let Some(database) = Database::postgres().await else { return };
    let db = database.connect().await;
    crate::db::migrate::up(&db, &migrations()).await.expect("the tables");
    db.execute_unprepared(&postgres_rows()).await.expect("rows");
    db.execute_unprepared("VACUUM ANALYZE steeple_request_log").await.expect("statistics");
    for (question, index) in questions().into_iter().chain([(RequestLog::recent(24).slow(150), "slow")]) {
        let plan = plan(&db, list(&question, db.backend(), Way::Usual)).await;
        assert!(plan.contains(&format!("steeple_request_log_{index} ")), "{index}: {plan}");
    }
    let counted = plan(&db, RequestLog::all_time().errors().counted(db.backend())).await;
    assert!(counted.contains("Index Only Scan using steeple_request_log_status"), "{counted}");
    let slowest = plan(&db, RequestLog::recent(24).slow_ones(5, db.backend(), Way::Usual)).await;
    assert!(slowest.contains("steeple_request_log_slow"), "{slowest}");
    db.close().await;
}
