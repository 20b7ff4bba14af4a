//! What clients say and are sent, published to browsers.

use serde_json::Value;
use steeple::stream::StreamingConfig;

use super::fleet::{Fleet, streaming};
use crate::{
    centrifugo::StandIn,
    trial::pb::fleet::v1::{Do, Tell},
};

async fn published(streaming: StreamingConfig) -> Vec<(String, Value)> {
    let stand_in = StandIn::start().await;
    let configured = stand_in.config();
    let fleet = Fleet::with(streaming, |config| config.centrifugo = configured).await;
    let mut boat = fleet.boat("ada:1").await;
    boat.ask(Do { text: "hello".into(), ..Do::default() }).await;
    fleet.noted("did ada:1 hello").await;
    let command = Tell { command_id: "c-1".into(), text: "go".into(), ..Tell::default() };
    let (ack, ()) = tokio::join!(fleet.hub.execute("ada:1", command, None), async {
        let told = boat.next().await;
        boat.answer(&told.command_id, "").await;
    });
    ack.unwrap();
    drop(boat);
    fleet.nothing_left().await;
    // The end waits for what is on its way.
    fleet.house.close().await;
    stand_in.published()
}

#[tokio::test]
async fn messages_and_commands_go_to_the_client_s_channel_and_to_that_of_all() {
    let published = published(streaming()).await;
    let of = |channel: &str| {
        let of_channel = published.iter().filter(|(to, _)| to == channel).map(|(_, data)| data);
        of_channel.map(|data| data["event_type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let expected = ["grpc_message_do", "grpc_command", "grpc_message_answer"];
    assert_eq!(of("fleet:ada%3A1:updates"), expected, "{published:?}");
    assert_eq!(of("fleet:all"), expected);
    let said = &published.iter().find(|(_, data)| data["event_type"] == "grpc_message_do").unwrap().1;
    assert_eq!((&said["service"], &said["client_id"]), (&"fleet".into(), &"ada:1".into()));
    assert_eq!(said["message"]["do"]["text"], "hello");
    assert!(said["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_service_may_keep_it_to_itself() {
    let quiet = StreamingConfig {
        centrifugo_auto_publish_messages: false,
        centrifugo_publish_all_channel: String::new(),
        ..streaming()
    };
    let published = published(quiet).await;
    let said: Vec<_> = published.iter().map(|(to, data)| (to.as_str(), data["event_type"].as_str().unwrap())).collect();
    assert_eq!(said, [("fleet:ada%3A1:updates", "grpc_command")]);
}
