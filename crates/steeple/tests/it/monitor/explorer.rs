//! Methods tried out over HTTP, and the proto files.

use serde_json::json;

use super::*;

async fn call(house: &Watched, token: &str, body: Value) -> Answer {
    let lines = format!("content-type: application/json\r\n{token}");
    send(house.running.http.unwrap(), "POST", "/cfg/grpc/test/call/", &lines, &body.to_string()).await
}

#[tokio::test]
async fn a_call_goes_through_every_room_and_is_on_record() {
    let house = house().await;
    let staff = user(&house, "second", true, false).await;
    let token = token(&house, staff).await;
    let unary = |more: Value| {
        let mut body = json!({ "service": "trial.v1.Trial", "method": "Unary" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let good = call(&house, &token, unary(json!({ "metadata": { "x-request-id": "mine" } }))).await.json();
    assert_eq!((&good["success"], &good["grpc_status_code"]), (&true.into(), &"OK".into()), "{good}");
    assert_eq!((&good["request_id"], &good["error"]), (&"mine".into(), &Value::Null));
    assert!(good["response"].is_object() && good["duration_ms"].as_f64().unwrap() > 0.0);

    let failed = call(&house, &token, unary(json!({ "payload": { "code": 5 } }))).await.json();
    assert_eq!((&failed["success"], &failed["grpc_status_code"]), (&false.into(), &"NOT_FOUND".into()));
    assert!(failed["error"].as_str().unwrap().contains("told to") && failed["response"].is_null(), "{failed}");
    let late = call(&house, &token, unary(json!({ "payload": { "wait": 60_000 }, "timeout_ms": 50 }))).await.json();
    assert_eq!((&late["grpc_status_code"], &late["status"]), (&"DEADLINE_EXCEEDED".into(), &"timeout".into()));

    let odd = call(&house, &token, unary(json!({ "metadata": { "X-Request-Id": "two words" } }))).await.json();
    assert_eq!(odd["request_id"].as_str().unwrap().len(), 36, "what is no id gets another: {odd}");

    let rows = house.rows(4, |row| row.status != "pending").await;
    let of = |id: &Value| rows.iter().find(|row| row.request_id == id.as_str().unwrap()).unwrap();
    assert_eq!(of(&good["request_id"]).status, "success");
    assert_eq!(of(&odd["request_id"]).status, "success");
    // Whoever tries a call lends it nothing of their own.
    assert!(rows.iter().all(|row| row.user_id.is_none()), "{rows:?}");
    assert_eq!(of(&failed["request_id"]).grpc_status_code.as_deref(), Some("NOT_FOUND"));
    let logs = json(&house, "test/logs/?service=trial.v1.Trial&status=error").await;
    assert_eq!((&logs["count"], &logs["results"][0]["request_id"]), (&1.into(), &failed["request_id"]));
}

/// A call that is tried has the address of whoever asks, whatever its metadata claim, and they are known for it.
#[tokio::test]
async fn who_asks_for_a_call_is_known() {
    let house = configured(|config| config.server.trusted_proxies = vec!["127.0.0.0/8".to_owned()]).await;
    let staff = user(&house, "second", true, false).await;
    let token = format!("{}x-forwarded-for: 203.0.113.7\r\n", token(&house, staff).await);
    let body = json!({
        "service": "trial.v1.Trial", "method": "Unary", "metadata": { "x-forwarded-for": "198.51.100.1", "secret": "s3cret" },
    });
    let answer = call(&house, &token, body).await.json();
    let rows = house.rows(1, |row| row.status != "pending").await;
    assert_eq!(rows[0].client_ip.as_deref(), Some("203.0.113.7"));
    call(&house, &token, json!({ "service": "no.Such", "method": "Unary" })).await.problem(400);
    let entries = steeple::audit::list(house.running.db(), &steeple::audit::Filter::default(), 10).await.unwrap();
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((&*entry.action, &*entry.username, &*entry.object_type), ("call", "second", "steeple.method"));
    assert_eq!(entry.object_id, "trial.v1.Trial/Unary");
    assert!(entry.changes.contains(answer["request_id"].as_str().unwrap()) && !entry.changes.contains("s3cret"));
}

#[tokio::test]
async fn what_cannot_be_called_is_refused() {
    let house = house().await;
    let staff = user(&house, "second", true, false).await;
    let bearer = token(&house, staff).await;
    for (body, said) in [
        (json!({ "service": "no.Such", "method": "Unary" }), "call: there is no service no.Such"),
        (json!({ "service": "trial.v1.Trial", "method": "unary" }), "call: trial.v1.Trial has no method unary"),
        (json!({ "service": "trial.v1.Trial", "method": "Spread" }), "call: trial.v1.Trial/Spread is a stream"),
        (
            json!({ "service": "trial.v1.Trial", "method": "Unary", "payload": { "cod": 1 } }),
            "call: this is no trial.v1.Order",
        ),
        (json!({ "service": "trial.v1.Trial", "method": "Unary", "payload": [] }), "call: this is no trial.v1.Order"),
        (json!({ "service": "trial.v1.Trial", "method": "Unary", "timeout_ms": 0 }), "timeout_ms: must be between 1"),
        (
            json!({ "service": "trial.v1.Trial", "method": "Unary", "timeout_ms": 60_001 }),
            "timeout_ms: must be between 1",
        ),
        (
            json!({ "service": "trial.v1.Trial", "method": "Unary", "metadata": { "a b": "c" } }),
            "metadata: \"a b\" is no",
        ),
        (
            json!({ "service": "trial.v1.Trial", "method": "Unary", "metadata": { "a": "\n" } }),
            "metadata: the value of a",
        ),
        (json!({ "service": "trial.v1.Trial" }), "body: missing field `method`"),
    ] {
        let detail = call(&house, &bearer, body).await.problem(400);
        assert!(detail.starts_with(said), "{detail}");
    }
    // By cookie it takes the session's token, like every change.
    let (cookie, csrf) = session(&house, staff).await;
    let body = json!({ "service": "trial.v1.Trial", "method": "Unary" });
    call(&house, &cookie, body.clone()).await.problem(403);
    assert_eq!(call(&house, &format!("{cookie}x-csrf-token: {csrf}\r\n"), body).await.status, 200);
}

#[tokio::test]
async fn examples_can_be_sent_as_they_are() {
    let house = house().await;
    let staff = user(&house, "second", true, false).await;
    let token = token(&house, staff).await;
    let examples = json(&house, "test/examples/?service=trial.v1.Trial").await;
    let all = examples["examples"].as_array().unwrap();
    assert!(!all.is_empty() && examples["total_examples"] == all.len());
    for example in all {
        let body = json!({
            "service": example["service"], "method": example["method"], "payload": example["payload_example"],
        });
        let answer = call(&house, &token, body).await;
        assert_eq!(answer.status, 200, "{example}: {answer:?}");
    }
    assert_eq!(json(&house, "test/examples/?service=no.Such").await["total_examples"], 0);
}

#[tokio::test]
async fn proto_files_are_as_they_were_written() {
    let house = house().await;
    let files = json(&house, "proto-files/").await;
    let file = &files["files"][0];
    assert_eq!(
        (&file["filename"], &file["package"], &file["app_label"]),
        (&"trial.proto".into(), &"trial.v1".into(), &"trial".into())
    );
    let path = file["download_url"].as_str().unwrap().trim_start_matches("/cfg/grpc/");
    let text = get(&house, path).await;
    assert_eq!(text.body, include_str!("../proto/trial.proto"));
    assert_eq!(text.header("content-disposition"), Some("attachment; filename=\"trial.proto\""));
    assert_eq!(get(&house, "proto-files/trial.proto/").await.body, text.body);
    for nothing in ["proto-files/no.proto/", "proto-files/..%2F..%2FCargo.toml/", "proto-files/%00/"] {
        get(&house, nothing).await.problem(404);
    }
    let zip = get(&house, "proto-files/download-all/").await;
    assert_eq!(zip.header("content-type"), Some("application/zip"));
    assert!(zip.body.starts_with("PK\u{3}\u{4}") && zip.body.contains(&text.body), "stored as it is");
}
