//! A site's calls, published by configuration.

use serde_json::Value;
use steeple::centrifugo::CallEvent;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::StandIn;
use crate::trial::{House, pb::trial::v1::Order};

const META: &str = "grpc:trial.v1.Trial:Unary:meta";
const ERRORS: &str = "grpc:trial.v1.Trial:Unary:errors";

async fn events(wanted: Vec<CallEvent>) -> Vec<(String, Value)> {
    let stand_in = StandIn::start().await;
    let configured = stand_in.config();
    let house = House::configured(|config| {
        config.centrifugo = configured;
        config.centrifugo.call_events = wanted;
    })
    .await;
    let mut client = house.client().await;
    client.unary(Order::default()).await.unwrap();
    client.unary(Order { code: 5, ..Order::default() }).await.unwrap_err();
    let health = HealthCheckRequest::default();
    HealthClient::new(house.channel().await).check(health).await.unwrap();
    // The end waits for what is on its way.
    house.close().await;
    stand_in.published()
}

#[tokio::test]
async fn calls_are_published_when_they_start_end_and_fail() {
    let events = events(vec![CallEvent::Start, CallEvent::End, CallEvent::Error]).await;
    let said: Vec<_> =
        events.iter().map(|(channel, event)| (channel.as_str(), event["event_type"].as_str().unwrap())).collect();
    assert_eq!(said, [(META, "rpc_start"), (META, "rpc_end"), (META, "rpc_start"), (ERRORS, "rpc_error")]);
    let (_, end) = &events[1];
    assert_eq!(end["request_id"], events[0].1["request_id"]);
    assert_eq!((&end["service"], &end["method_name"]), (&"trial.v1.Trial".into(), &"Unary".into()));
    assert_eq!((&end["method"], &end["status"]), (&"/trial.v1.Trial/Unary".into(), &"OK".into()));
    assert!(end["duration_ms"].as_f64().unwrap() >= 0.0 && end["started_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!((&end["request_messages"], &end["response_messages"]), (&1.into(), &1.into()));
    let (_, error) = &events[3];
    assert_eq!(error["status"], "NOT_FOUND");
    assert!(!error.to_string().contains("4711"), "the cause is the log's");
}

#[tokio::test]
async fn only_what_is_wanted_is_published() {
    let events = events(vec![CallEvent::Error]).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].0, ERRORS);
}
