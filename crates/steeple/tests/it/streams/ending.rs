//! How sessions end when it is the server that ends them.

use std::time::Duration;

use steeple::{Code, Error, stream::StreamingConfig};
use tonic_types::StatusExt as _;

use super::fleet::{Boat, Fleet, reason, streaming};
use crate::trial::pb::fleet::v1::{Do, Say, Tell};

#[tokio::test]
async fn a_drain_tells_every_client_to_connect_again() {
    let fleet = Fleet::with(streaming(), |config| config.server.drain = Duration::from_secs(60)).await;
    let mut boats = vec![];
    for number in 0..20 {
        boats.push(fleet.boat(&format!("boat-{number}")).await);
    }
    // One that has not said its name, and one whose handler never ends.
    boats.push(Boat::open(fleet.channel().await, Say::default()).await.unwrap());
    boats[3].ask(Do { hang: true, ..Do::default() }).await;
    let hub = fleet.hub.clone();
    // What was queued before still comes, and whoever waits learns why.
    hub.send("boat-5", Tell { text: "last order".into(), ..Tell::default() }).await.unwrap();
    let waiting =
        tokio::spawn(async move { hub.execute("boat-7", Tell::default(), Some(Duration::from_secs(60))).await });
    boats[7].next().await;
    let hub = fleet.hub.clone();
    let closing = tokio::spawn(fleet.house.close());
    assert_eq!(boats[5].next().await.text, "last order");
    for boat in &mut boats {
        let status = boat.end().await;
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert_eq!(status.get_details_error_info().unwrap().reason, "DRAINED");
        assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
    }
    assert_eq!(reason(&waiting.await.unwrap().unwrap_err()), "CLIENT_LEFT");
    let rows = closing.await.unwrap();
    assert_eq!(rows.len(), 21);
    assert!(rows.iter().all(|row| row.error_message.as_deref() == Some("the server is about to stop, connect again")));
    assert!(hub.is_empty());
    assert_eq!(hub.handlers().notes().iter().filter(|note| note.ends_with("drained")).count(), 20);
}

#[tokio::test]
async fn what_a_client_had_said_is_handled_before_the_server_stops() {
    let fleet = Fleet::open().await;
    let boat = fleet.boat("ada").await;
    boat.ask(Do { text: "one".into(), wait: 300, ..Do::default() }).await;
    boat.ask(Do { text: "two".into(), ..Do::default() }).await;
    let session = fleet.hub.session("ada").unwrap();
    super::fleet::until("both have come", async || session.messages_received() == 3).await;
    let hub = fleet.hub.clone();
    fleet.house.close().await;
    let notes = hub.handlers().notes();
    assert!(notes.contains(&"did ada one".to_owned()) && notes.contains(&"did ada two".to_owned()), "{notes:?}");
    assert_eq!(notes.last().unwrap(), "disconnected ada drained");
}

#[tokio::test]
async fn a_server_that_is_dropped_lets_go_of_its_clients() {
    let fleet = Fleet::open().await;
    let mut boat = fleet.boat("ada").await;
    let (hub, session) = (fleet.hub.clone(), fleet.hub.session("ada").unwrap());
    drop(fleet);
    assert_ne!(boat.end().await.code(), Code::Ok);
    super::fleet::until("nobody is left", async || hub.is_empty() && session.ended().is_some()).await;
}

#[tokio::test]
async fn a_service_may_end_a_session_with_a_word_of_its_own() {
    let fleet = Fleet::with(StreamingConfig { client_disconnect_grace: Duration::ZERO, ..streaming() }, |_| ()).await;
    let mut boat = fleet.boat("ada").await;
    let session = fleet.hub.session("ada").unwrap();
    session.send(Tell { text: "one more thing".into(), ..Tell::default() }).unwrap();
    session.end(Error::permission_denied("your key was revoked"));
    assert_eq!(boat.next().await.text, "one more thing");
    let status = boat.end().await;
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "your key was revoked"));
    assert_eq!(session.send(Tell::default()).unwrap_err().code(), Code::FailedPrecondition);
    fleet.nothing_left().await;
    assert_eq!(fleet.notes()[1], "disconnected ada ended");
}

#[tokio::test]
async fn two_hubs_of_one_name_and_impossible_values_stop_the_start() {
    use steeple::{Server, Site, stream::StreamingConfig};
    let start = async |configs: Vec<StreamingConfig>| {
        let folder = tempfile::tempdir().unwrap();
        let mut site = Site::new("fleet", "0.0.0", crate::trial::DESCRIPTORS);
        site.service("trial.v1.Trial", move |setup| {
            for config in &configs {
                // Kept until the server has started, as a service keeps its own.
                std::mem::forget(setup.hub(config.clone(), super::fleet::Boats::default())?);
            }
            Ok(crate::trial::pb::trial::v1::trial(crate::trial::Trial))
        });
        let config = crate::trial::config(&folder, |_| ());
        Server::new(site).start(config).await.map(drop).unwrap_err().to_string()
    };
    let error = start(vec![streaming(), streaming()]).await;
    assert!(error.contains("two hubs are called \"fleet\""), "{error}");
    let wrong = [
        (StreamingConfig::of(""), "service_name"),
        (StreamingConfig::of("a b"), "service_name"),
        (StreamingConfig { heartbeat_timeout: Duration::from_secs(1), ..streaming() }, "heartbeat_timeout"),
        (StreamingConfig { ping_interval: Duration::ZERO, ..streaming() }, "ping_interval"),
        (StreamingConfig { queue_size: 0, ..streaming() }, "queue_size"),
    ];
    for (config, key) in wrong {
        let error = start(vec![config]).await;
        assert!(error.contains(key), "{error}");
    }
}
