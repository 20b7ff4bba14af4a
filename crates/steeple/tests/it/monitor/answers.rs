//! Every documented path answers what the document says, with figures that are right.

use sea_orm::ConnectionTrait as _;

use super::*;

/// A path of the document with something in its places.
async fn filled(house: &Watched, path: &str) -> String {
    let id = if path.contains("requests/{id}") {
        json(house, "monitor/requests/").await["results"][0]["id"].to_string()
    } else if path.contains("servers/{id}") {
        house.running.node().instance_id().to_owned()
    } else if path.contains("proto-files") {
        return path.trim_start_matches('/').replace("{name}", "trial.proto");
    } else if path.contains("rotate") {
        // The first is revoked by then.
        "2".to_owned()
    } else {
        "1".to_owned()
    };
    path.trim_start_matches('/')
        .replace("{id}", &id)
        .replace("{name}", "trial.v1.Trial")
        .replace("{service}/{client}", "fleet/ada")
}

/// A client as a hub would have left it in the database.
async fn client(house: &House) {
    for sql in [
        "INSERT INTO steeple_connection (service, client_id, method, session, node, status, principal, version,
            connected_at, last_seen_at, messages_received, commands_sent, errors, valid_until)
            VALUES ('fleet', 'ada', 'trial.v1.Trial/Connect', 's', 'n', 'connected', 'ada', '1', '2026-01-01 00:00:00', '2026-01-01 00:00:00', 1, 2, 3, '2026-01-01 00:00:00')",
        "INSERT INTO steeple_connection_event (service, client_id, session, node, kind, created_at)
            VALUES ('fleet', 'ada', 's', 'n', 'connected', '2026-01-01 00:00:00')",
    ] {
        house.running.db().execute_unprepared(sql).await.unwrap();
    }
}

async fn post(house: &House, token: &str, path: &str, body: &Value) -> Answer {
    let lines = format!("content-type: application/json\r\n{token}");
    send(house.running.http.unwrap(), "POST", &format!("/cfg/grpc/{path}"), &lines, &body.to_string()).await
}

#[tokio::test]
async fn every_documented_path_answers_as_documented() {
    let house = house().await;
    make_calls(&house, 5, 2).await;
    client(&house).await;
    let root = user(&house, "root", true, true).await;
    let token = token(&house, root).await;
    let new = serde_json::json!({ "name": "mine", "key_type": "cli", "expires_at": null });
    post(&house, &token, "api-keys/", &new).await;
    let mut changes = std::collections::HashMap::from([
        ("/api-keys/", new),
        ("/api-keys/{id}/rotate/", serde_json::json!({ "overlap_seconds": 60 })),
        ("/api-keys/{id}/revoke/", serde_json::json!({})),
        ("/test/call/", serde_json::json!({ "service": "trial.v1.Trial", "method": "Unary", "payload": {} })),
    ]);
    let document = json(&house, "openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 37, "{}", paths.len());
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            let content = operation["responses"]["200"]["content"].as_object().unwrap();
            // A command needs a client, see clients.rs.
            let elsewhere = path.ends_with("/commands/") && method == "post";
            if content.contains_key("text/event-stream") || elsewhere {
                continue;
            }
            let asked = filled(&house, path).await;
            let answer = if method == "get" {
                get(&house, &asked).await
            } else {
                let body =
                    changes.remove(path.as_str()).unwrap_or_else(|| panic!("{path}: a way to test it is missing"));
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                assert_eq!(schema::wrong(&document, schema, &body), Vec::<String>::new(), "{path}");
                post(&house, &token, &asked, &body).await
            };
            assert_eq!(answer.status, 200, "{asked}: {answer:?}");
            let media = answer.header("content-type").unwrap().split(';').next().unwrap().to_owned();
            let Some(described) = content.get(&media) else { panic!("{path} answers {media}") };
            if let Some(schema) = described.get("schema") {
                let wrong = schema::wrong(&document, schema, &answer.json());
                assert!(wrong.is_empty(), "{path}:\n{}\n{}", wrong.join("\n"), answer.body);
            }
        }
    }
    assert!(changes.is_empty(), "{changes:?}");
    let problem = get(&house, "monitor/overview/?hours=0").await.json();
    let schema = &document["paths"]["/monitor/overview/"]["get"]["responses"]["default"]["content"];
    let wrong = schema::wrong(&document, &schema["application/problem+json"]["schema"], &problem);
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn figures_are_those_of_the_calls() {
    let house = house().await;
    make_calls(&house, 5, 2).await;
    let overview = json(&house, "monitor/overview/").await;
    assert_eq!((&overview["total"], &overview["successful"], &overview["errors"]), (&7.into(), &5.into(), &2.into()));
    assert_eq!((&overview["success_rate"], &overview["period_hours"]), (&71.43.into(), &24.into()));
    assert_eq!(overview["servers"]["running_servers"], 1);
    let server = &overview["server"];
    assert_eq!((&server["status"], &server["is_running"]), (&"running".into(), &true.into()));
    assert_eq!(server["address"], house.running.grpc.to_string());
    let service =
        server["service_numbers"].as_array().unwrap().iter().find(|service| service["name"] == "Trial").unwrap();
    assert_eq!((&service["request_count"], &service["error_count"]), (&7.into(), &2.into()));

    let timeline = json(&house, "monitor/timeline/?hours=24").await;
    let buckets = timeline["timeline"].as_array().unwrap();
    assert_eq!((buckets.len(), &timeline["interval"]), (25, &"hour".into()));
    assert_eq!(buckets.iter().map(|bucket| bucket["total"].as_u64().unwrap()).sum::<u64>(), 7);
    assert_eq!(
        json(&house, "monitor/timeline/?hours=24&interval=minute").await["timeline"].as_array().unwrap().len(),
        1441
    );

    let methods = json(&house, "monitor/methods/?service=trial.v1.Trial").await;
    assert_eq!((&methods["total_methods"], &methods["methods"][0]["method_name"]), (&1.into(), &"Unary".into()));
    assert_eq!(json(&house, "monitor/methods/?service=no.Such").await["total_methods"], 0);

    let errors = json(&house, "monitor/errors/").await;
    assert_eq!((&errors["total_errors"], &errors["total_calls"]), (&2.into(), &7.into()));
    assert_eq!(
        (&errors["errors"][0]["error_code"], &errors["errors"][0]["percentage"]),
        (&"NOT_FOUND".into(), &100.0.into())
    );

    let slowest = json(&house, "monitor/slowest/?limit=3").await;
    let durations: Vec<_> =
        slowest["requests"].as_array().unwrap().iter().map(|row| row["duration_us"].as_i64().unwrap()).collect();
    assert!(durations.len() == 3 && durations.is_sorted_by(|a, b| a >= b), "{durations:?}");

    let detail = json(&house, "services/trial.v1.Trial/").await;
    assert_eq!((&detail["stats"]["total_requests"], &detail["package"]), (&7.into(), &"trial.v1".into()));
    assert_eq!(detail["recent_errors"].as_array().unwrap().len(), 2);
    let method = &detail["methods"][0];
    assert_eq!(
        (&method["name"], &method["streaming"], &method["auth_required"]),
        (&"Unary".into(), &"unary".into(), &false.into())
    );
    assert_eq!(method["request_type"], "trial.v1.Order");

    let dashboard = json(&house, "charts/dashboard/").await;
    let volume = &dashboard["request_volume"];
    let points =
        volume["data_points"].as_array().unwrap().iter().map(|point| point["total_requests"].as_u64().unwrap());
    assert_eq!((&volume["total_requests"], points.sum::<u64>()), (&7.into(), 7));
    assert_eq!(dashboard["server_uptime"]["currently_running"], 1);
    assert_eq!(dashboard["service_activity"]["most_active_service"], "trial.v1.Trial");
    assert_eq!(dashboard["error_distribution"]["most_common_error"], "NOT_FOUND");
    let lifecycle = json(&house, "charts/server-lifecycle/").await;
    assert_eq!((&lifecycle["total_events"], &lifecycle["events"][0]["event_type"]), (&1.into(), &"started".into()));
}

/// The first point is a whole hour: what ended before the exact time is in the total as it is in the point.
#[tokio::test]
async fn a_total_is_that_of_the_points_beside_it() {
    let house = house().await;
    make_calls(&house, 3, 1).await;
    // Into the hour that the time begins in, before its first minute.
    for sql in [
        "DELETE FROM steeple_request_stats WHERE period = 60",
        "UPDATE steeple_request_stats SET starts_at = starts_at - 86400",
    ] {
        house.running.db().execute_unprepared(sql).await.unwrap();
    }
    let volume = json(&house, "charts/request-volume/?hours=24").await;
    let points =
        volume["data_points"].as_array().unwrap().iter().map(|point| point["total_requests"].as_u64().unwrap());
    assert_eq!((volume["total_requests"].as_u64().unwrap(), points.sum::<u64>()), (4, 4));
    assert_eq!(volume["avg_success_rate"], 75.0);
}

#[tokio::test]
async fn the_configuration_shows_no_secret() {
    let house = configured(|config| {
        config.auth.secret_key = Some(steeple::auth::Secret::new("sesame-".repeat(8)));
    })
    .await;
    let answer = get(&house, "config/config/").await;
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("sesame"), "{}", answer.body);
    assert_eq!(answer.json()["sections"]["auth"]["secret_key"], "***");
    let info = json(&house, "config/server-info/").await;
    assert_eq!(info["interceptors"][0]["name"], "record");
}

#[tokio::test]
async fn the_root_says_which_paths_there_are() {
    let house = house().await;
    let address = house.running.http.unwrap();
    for path in ["/cfg/grpc/", "/cfg/grpc"] {
        let index = send(address, "GET", path, &house.staff, "").await;
        assert_eq!(index.status, 200, "{index:?}");
        let index = index.json();
        assert_eq!((&index["version"], &index["document"]), (&"0.0.0".into(), &"/cfg/grpc/openapi.json".into()));
        let paths = index["paths"].as_array().unwrap();
        let document = json(&house, "openapi.json").await;
        let described = document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len());
        assert_eq!(paths.len(), described.sum::<usize>());
        assert!(paths.iter().any(|one| one["path"] == "/cfg/grpc/api-keys/" && one["method"] == "POST"), "{index}");
        send(address, "GET", path, "", "").await.problem(401);
        send(address, "POST", path, &house.staff, "").await.problem(405);
    }
    assert_eq!(
        json(&house, "openapi.json").await["paths"]["/"]["get"]["responses"]["200"]["content"]
            .as_object()
            .unwrap()
            .len(),
        1
    );
}
