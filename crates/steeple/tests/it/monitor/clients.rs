//! Connected clients over HTTP, as the streams have left them in the database.

use serde_json::json;

use super::*;
use crate::streams::fleet::{Fleet, until};

#[tokio::test]
async fn clients_are_listed_with_what_happened_to_them() {
    let Fleet { house, hub } = Fleet::open().await;
    let fleet = Fleet { house, hub };
    let mut boats = Vec::new();
    for name in ["ada:1", "bob", "eve"] {
        boats.push(fleet.boat(name).await);
    }
    let staff = user(&fleet.house, "staff", true, false).await;
    let (cookie, _) = session(&fleet.house, staff).await;
    let address = fleet.house.running.http.unwrap();
    let ask = async |path: &str| send(address, "GET", &format!("/cfg/grpc/{path}"), &cookie, "").await;
    let count = async |filter: &str| ask(&format!("connections/?{filter}")).await.json()["count"].as_u64().unwrap();
    until("all are on record", async || count("status=connected").await == 3).await;
    assert_eq!(count("service=fleet&client=ada%3A").await, 1);
    assert_eq!(count("service=no.such").await, 0);
    assert_eq!(count("client=%25").await, 0, "a per cent sign is itself");
    assert_eq!(count("status=disconnected").await, 0);
    assert_eq!(count("user_id=99").await, 0);
    let page = ask("connections/?page=2&page_size=2").await.json();
    assert_eq!(
        (&page["pages"], &page["has_next"], &page["results"].as_array().unwrap().len()),
        (&2.into(), &false.into(), &1)
    );
    ask("connections/?page=3&page_size=2").await.problem(404);
    ask("connections/?status=gone").await.problem(400);

    drop(boats.remove(0));
    until("one has left", async || count("status=disconnected").await == 1).await;
    let ada = ask("connections/fleet/ada%3A1/").await.json();
    assert_eq!((&ada["client_id"], &ada["is_online"]), (&"ada:1".into(), &false.into()));
    let kinds: Vec<_> = ada["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"connected") && kinds.contains(&"disconnected"), "{kinds:?}");
    assert_eq!(ask("connections/fleet/ada%3A1/?limit=1").await.json()["events"].as_array().unwrap().len(), 1);
    assert_eq!(ask("connections/fleet/bob/").await.json()["is_online"], true);
    for nobody in ["connections/fleet/nobody/", "connections/other/bob/", "connections/fleet/%25/"] {
        ask(nobody).await.problem(404);
    }
}

#[tokio::test]
async fn a_command_reaches_its_client_and_the_ack_comes_back() {
    let fleet = Fleet::open().await;
    let mut ada = fleet.boat("ada").await;
    let staff = user(&fleet.house, "staff", true, false).await;
    let token = token(&fleet.house, staff).await;
    let address = fleet.house.running.http.unwrap();
    let path = "/cfg/grpc/connections/fleet/ada/commands/";
    let lines = format!("content-type: application/json\r\n{token}");
    let post = async |body: Value| send(address, "POST", path, &lines, &body.to_string()).await;
    until("ada is on record", async || send(address, "GET", path, &token, "").await.status == 200).await;
    let known = send(address, "GET", path, &token, "").await.json();
    assert_eq!(known["service"], "fleet.v1.Fleet");
    let wanted = json!([
        { "name": "turn", "example": { "turn": { "degrees": 0 } } },
        { "name": "halt", "example": { "halt": "" } },
    ]);
    assert_eq!(known["commands"], wanted);

    let turn = json!({ "command": { "command_id": "left", "turn": { "degrees": -90 } } });
    let (answer, told) = tokio::join!(post(turn), async {
        let told = ada.next().await;
        ada.answer(&told.command_id, "too shallow").await;
        told
    });
    assert_eq!(told.command_id, "left");
    let answer = answer.json();
    let document = send(address, "GET", "/cfg/grpc/openapi.json", &token, "").await.json();
    let described = &document["paths"]["/connections/{service}/{client}/commands/"]["post"];
    let described = &described["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(schema::wrong(&document, described, &answer), Vec::<String>::new());
    assert_eq!((&answer["success"], &answer["method"]), (&true.into(), &"ExecuteCommandSync".into()));
    assert_eq!(answer["response"], json!({ "command_id": "left", "error": "too shallow" }));
    // The call is on record with whoever sent the command.
    let id = answer["request_id"].as_str().unwrap();
    let rows = format!("/cfg/grpc/monitor/requests/?request_id={id}");
    let row = async || send(address, "GET", &rows, &token, "").await.json()["results"][0].clone();
    until("the call is on record", async || row().await["username"] == "staff").await;
    assert_eq!(row().await["client_ip"], "127.0.0.1");
    let filter = steeple::audit::Filter { kind: Some("steeple.method".to_owned()), ..Default::default() };
    let entry = steeple::audit::list(fleet.house.running.db(), &filter, 1).await.unwrap().remove(0);
    assert_eq!((&*entry.username, &*entry.object_id), ("staff", "fleet.v1.Fleet/ExecuteCommandSync"));
    assert!(entry.changes.contains(id) && entry.changes.contains(r#""client":[null,"ada"]"#), "{}", entry.changes);

    let queued = post(json!({ "command": { "halt": "now" }, "wait": false })).await.json();
    assert_eq!((&queued["success"], &queued["method"]), (&true.into(), &"SendCommandToClient".into()));
    ada.next().await;
    let silent = post(json!({ "command": { "halt": "now" }, "timeout_ms": 50 })).await.json();
    assert_eq!((&silent["success"], &silent["grpc_status_code"]), (&false.into(), &"DEADLINE_EXCEEDED".into()));

    for wrong in [json!({ "command": { "sink": {} } }), json!({}), json!({ "command": {}, "timeout_ms": 0 }), json!([])]
    {
        post(wrong).await.problem(400);
    }
    drop(ada);
    until("ada has left", async || !fleet.hub.is_connected("ada")).await;
    let gone = post(json!({ "command": { "halt": "now" }, "wait": false })).await.json();
    assert_eq!(gone["success"], false);
    assert!(gone["error"].as_str().unwrap().contains("not connected"), "{gone}");
    send(address, "POST", "/cfg/grpc/connections/fleet/eve/commands/", &lines, r#"{"command":{}}"#).await.problem(404);
}
