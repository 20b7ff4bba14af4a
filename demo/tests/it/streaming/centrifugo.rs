//! What agents say and are told, published to browsers through a stand-in for Centrifugo.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State, routing::post};
use demo::{
    apps::crypto_streaming::commands,
    pb::crypto::{ClientStatus, SendCommandRequest, crypto_streaming_service_client::CryptoStreamingServiceClient},
};
use serde_json::{Value, json};
use steeple::auth::Secret;

use super::{
    agent::{Agent, registration},
    results::Results,
};
use crate::{databases::Database, process::until, site::Site};

type Published = Arc<Mutex<Vec<(String, Value)>>>;

/// Answers as Centrifugo does, and keeps what it was given; its address.
async fn stand_in(published: Published) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route(
            "/api/broadcast",
            post(async |State(all): State<Published>, Json(body): Json<Value>| Json(taken(&all, &body))),
        )
        .route(
            "/api/batch",
            post(async |State(all): State<Published>, Json(body): Json<Value>| {
                let commands = body["commands"].as_array().unwrap();
                let replies =
                    commands.iter().map(|one| json!({ "broadcast": taken(&all, &one["broadcast"])["result"] }));
                Json(json!({ "replies": replies.collect::<Vec<_>>() }))
            }),
        )
        .with_state(published);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn taken(all: &Published, broadcast: &Value) -> Value {
    for channel in broadcast["channels"].as_array().unwrap() {
        all.lock().unwrap().push((channel.as_str().unwrap().to_owned(), broadcast["data"].clone()));
    }
    json!({ "result": { "responses": [{ "result": {} }, { "result": {} }] } })
}

#[tokio::test]
async fn browsers_read_what_an_agent_says_and_is_told() {
    let mut results = Results::of("centrifugo");
    let published = Published::default();
    let url = stand_in(published.clone()).await;
    let site = Site::configured(Database::sqlite().await.unwrap(), |config| {
        config.centrifugo.url = Some(url);
        config.centrifugo.api_key = Some(Secret::new("key-4711"));
    })
    .await;
    let first = registration("1");
    results.note("sent", &first);
    let mut agent = Agent::connect(site.tester.clone(), "agent", first).await;
    until("it is connected", async || site.running().sessions() == 1).await;
    let mut caller = CryptoStreamingServiceClient::new(site.operator().await);
    let request = SendCommandRequest { client_id: "agent".into(), command: Some(commands::pause("maintenance")) };
    results.note("sent", &request);
    let (ack, ()) = tokio::join!(caller.execute_command_sync(request), async {
        let told = agent.command().await;
        agent.ack(&told.command_id, ClientStatus::Paused).await;
    });
    results.note("received", &ack.unwrap().into_inner());
    let expected = ["grpc_message_register", "grpc_command_pause", "grpc_message_command_ack"];
    for channel in ["crypto:agent:updates", "crypto:all"] {
        let mut said: Vec<(String, Value)> = vec![];
        until("all is published", async || {
            said = published.lock().unwrap().iter().filter(|(to, _)| to == channel).cloned().collect();
            said.len() >= expected.len()
        })
        .await;
        let kinds: Vec<_> = said.iter().map(|(_, data)| data["event_type"].as_str().unwrap()).collect();
        assert_eq!(kinds, expected, "{channel}");
        assert_eq!(said[1].1["message"]["pause"]["reason"], "maintenance");
        for (_, data) in &said {
            results.note("published", &format_args!("{channel} {data}"));
        }
    }
    drop(agent);
    site.stop().await;
    results.leave();
}
