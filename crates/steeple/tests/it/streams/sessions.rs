//! From the first message to the end of the grace: names, heartbeats, duplicates, limits.

use std::time::Duration;

use steeple::{
    Code,
    stream::{Cause, DuplicatePolicy, StreamingConfig},
};
use tonic_types::StatusExt as _;

use super::fleet::{Boat, Fleet, streaming};
use crate::trial::pb::fleet::v1::{Beat, Do, Say, say::Payload};

fn beat(name: &str) -> Say {
    Say { client_id: name.into(), payload: Some(Payload::Beat(Beat {})) }
}

fn to_do(name: &str, text: &str) -> Say {
    let order = Do { text: text.into(), ..Do::default() };
    Say { client_id: name.into(), payload: Some(Payload::Do(order)) }
}

#[tokio::test]
async fn a_client_connects_speaks_and_leaves() {
    let fleet = Fleet::open().await;
    // Its first message names it, and is content like any other.
    let mut boat = Boat::open(fleet.channel().await, to_do("ada", "1.0")).await.unwrap();
    assert_eq!(boat.heartbeat, "30000", "the client is told how often to say something");
    boat.ask(Do { text: "1.1".into(), ..Do::default() }).await;
    fleet.noted("did ada 1.1").await;
    let session = fleet.hub.session("ada").unwrap();
    assert_eq!((session.client_id(), session.messages_received()), ("ada", 2));
    assert_eq!(*session.state().lock().unwrap(), ["1.0", "1.1"]);
    assert!(session.principal().user().is_none() && session.last_seen_at() >= session.connected_at());
    assert_eq!((fleet.hub.len(), fleet.house.running.sessions(), session.ended()), (1, 1, None));

    boat.half_close();
    assert_eq!(boat.end().await.code(), Code::Ok);
    fleet.nothing_left().await;
    assert_eq!(session.ended(), Some(Cause::ClosedByClient));
    assert_eq!(
        fleet.notes(),
        [
            "connected ada",
            "did ada 1.0",
            "did ada 1.1",
            "disconnected ada closed_by_client",
            "offline ada closed_by_client"
        ]
    );
    let row = fleet.house.close().await.remove(0);
    assert_eq!((row.method_name.as_str(), row.status.as_str(), row.request_messages), ("Connect", "success", 2));
}

#[tokio::test]
async fn an_open_stream_has_its_row_and_the_end_its_cause() {
    let fleet = Fleet::with(
        StreamingConfig {
            heartbeat_timeout: Duration::from_millis(100),
            heartbeat_interval: Duration::from_millis(50),
            ..streaming()
        },
        |_| (),
    )
    .await;
    let mut boat = fleet.boat("ada").await;
    let pending = fleet.house.rows(1, |row| row.method_name == "Connect" && row.status == "pending").await.remove(0);
    assert_eq!(boat.end().await.code(), Code::Unavailable);
    let ended = fleet.house.rows(1, |row| row.status == "error").await.remove(0);
    assert_eq!((ended.id, ended.request_messages), (pending.id, 1));
    assert_eq!(ended.error_message.as_deref(), Some("nothing came from this client for 0.1 s"));
    fleet.nothing_left().await;
}

#[tokio::test]
async fn what_was_said_before_the_half_close_is_handled_to_the_end() {
    let fleet = Fleet::open().await;
    let mut boat = fleet.boat("ada").await;
    for number in 0..10 {
        boat.ask(Do { text: number.to_string(), wait: 5, send: 1, ..Do::default() }).await;
    }
    boat.half_close();
    for number in 0..10 {
        assert_eq!(boat.next().await.text, number.to_string());
    }
    assert_eq!(boat.end().await.code(), Code::Ok);
    assert!(fleet.notes().contains(&"did ada 9".to_owned()));
    fleet.nothing_left().await;
}

#[tokio::test]
async fn a_name_must_be_one_and_be_allowed() {
    let fleet = Fleet::open().await;
    let long = "x".repeat(65);
    let empty = Say { client_id: String::new(), payload: Some(Payload::Beat(Beat {})) };
    for first in [empty, beat(&long), beat("new\nline")] {
        let status = Boat::open(fleet.channel().await, first).await.unwrap().end().await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "client_id");
    }
    let dressed = |name: &'static str| {
        async move |fleet: &Fleet, first: Say| {
            Boat::opened(fleet.channel().await, first, |request| {
                request.metadata_mut().insert("x-may-be", name.parse().unwrap());
            })
            .await
            .unwrap()
        }
    };
    let mut eve = dressed("eve")(&fleet, beat("ada")).await;
    let status = eve.end().await;
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "you are eve"));
    let status = Boat::open(fleet.channel().await, beat("admit panics")).await.unwrap().end().await;
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    let status = Boat::open(fleet.channel().await, beat("refused later")).await.unwrap().end().await;
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "not today"));
    fleet.nothing_left().await;
    assert_eq!(fleet.notes()[1..], ["disconnected refused later refused", "offline refused later refused"]);
}

#[tokio::test]
async fn a_stream_has_one_client() {
    let fleet = Fleet::open().await;
    let mut boat = fleet.boat("ada").await;
    // Without a name it is the same as before.
    boat.ask(Do { text: "nameless".into(), ..Do::default() }).await;
    fleet.noted("did ada nameless").await;
    boat.say(to_do("bob", "as bob")).await;
    let status = boat.end().await;
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert_eq!(status.get_details_error_info().unwrap().reason, "CLIENT_ID_CHANGED");
    fleet.nothing_left().await;
    assert!(!fleet.notes().contains(&"did ada as bob".to_owned()));
}

#[tokio::test]
async fn a_stream_that_says_nothing_is_ended() {
    let patience = Duration::from_millis(100);
    let quick = StreamingConfig { heartbeat_timeout: patience, heartbeat_interval: patience, ..streaming() };
    let fleet = Fleet::with(quick, |_| ()).await;
    let status = Boat::open(fleet.channel().await, Say::default()).await.unwrap().end().await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert_eq!(status.get_details_error_info().unwrap().reason, "NO_MESSAGE");
    // One that ends before its first message was no client.
    let mut boat = Boat::open(fleet.channel().await, Say::default()).await.unwrap();
    boat.half_close();
    assert_eq!(boat.end().await.code(), Code::InvalidArgument);
    // One that spoke once and then never again is lost.
    let mut boat = Boat::open(fleet.channel().await, beat("ada")).await.unwrap();
    let status = boat.end().await;
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.get_details_error_info().unwrap().reason, "HEARTBEAT_LOST");
    fleet.nothing_left().await;
    assert_eq!(fleet.notes()[1], "disconnected ada heartbeat_lost");
}

#[tokio::test]
async fn heartbeats_keep_a_client_and_so_does_all_it_says() {
    let patience = Duration::from_millis(400);
    let quick = StreamingConfig { heartbeat_timeout: patience, heartbeat_interval: patience / 4, ..streaming() };
    let fleet = Fleet::with(quick, |_| ()).await;
    let boat = fleet.boat("ada").await;
    let session = fleet.hub.session("ada").unwrap();
    while session.messages_received() < 30 {
        tokio::time::sleep(patience / 8).await;
        match session.messages_received() % 3 {
            0 => boat.beat("ada").await,
            1 => boat.say(Say::default()).await,
            _ => boat.answer("nothing", "").await,
        }
    }
    assert_eq!(session.ended(), None);
    drop(boat);
    fleet.nothing_left().await;
    assert_eq!(session.ended(), Some(Cause::Cancelled));
}

#[tokio::test]
async fn a_ping_measures_the_round_trip() {
    let pinging = StreamingConfig { enable_ping: true, ping_interval: Duration::from_millis(20), ..streaming() };
    let fleet = Fleet::with(pinging, |_| ()).await;
    let mut boat = fleet.boat("ada").await;
    let session = fleet.hub.session("ada").unwrap();
    assert_eq!(session.round_trip(), None);
    for sequence in 1..=3 {
        let ping = boat.next().await;
        assert_eq!(ping.ping, sequence);
        boat.answer(&ping.command_id, "").await;
    }
    super::fleet::until("the round trip is known", async || session.round_trip().is_some()).await;
    assert!(fleet.notes().iter().all(|note| !note.starts_with("unawaited")), "the service is not bothered with it");
    drop(boat);
    fleet.nothing_left().await;
}

#[tokio::test]
async fn the_newer_session_takes_the_name_and_the_grace_is_not_counted() {
    let fleet = Fleet::open().await;
    let mut older = fleet.boat("ada").await;
    let first = fleet.hub.session("ada").unwrap();
    let mut newer = Boat::open(fleet.channel().await, beat("ada")).await.unwrap();
    let status = older.end().await;
    assert_eq!(status.code(), Code::Aborted);
    assert_eq!(status.get_details_error_info().unwrap().reason, "REPLACED");
    fleet.noted("back ada").await;
    fleet.noted("disconnected ada replaced").await;
    let second = fleet.hub.session("ada").unwrap();
    assert!(first.id() != second.id() && second.connected_at() > first.connected_at());
    newer.ask(Do { text: "mine".into(), ..Do::default() }).await;
    fleet.noted("did ada mine").await;
    newer.half_close();
    newer.end().await;
    fleet.nothing_left().await;
    assert_eq!(fleet.notes().iter().filter(|note| note.starts_with("offline")).count(), 1);
}

#[tokio::test]
async fn a_hundred_take_overs_leave_one_session() {
    let fleet = Fleet::open().await;
    let channel = fleet.channel().await;
    let boats = futures(0..100, |_| Boat::open(channel.clone(), beat("ada"))).await;
    super::fleet::until("all have come", async || fleet.notes().len() == 199).await;
    assert_eq!((fleet.hub.len(), fleet.house.running.session_tasks()), (1, 1));
    drop(boats);
    fleet.nothing_left().await;
}

async fn futures<T, W>(numbers: std::ops::Range<usize>, make: impl Fn(usize) -> W) -> Vec<T>
where
    W: Future<Output = Result<T, tonic::Status>> + Send + 'static,
    T: Send + 'static,
{
    let tasks: Vec<_> = numbers.map(|number| tokio::spawn(make(number))).collect();
    let mut made = vec![];
    for task in tasks {
        made.push(task.await.unwrap().unwrap());
    }
    made
}

#[tokio::test]
async fn a_service_may_have_the_older_session_keep_its_name() {
    let refuse = StreamingConfig { duplicate_policy: DuplicatePolicy::Refuse, ..streaming() };
    let fleet = Fleet::with(refuse, |_| ()).await;
    let older = fleet.boat("ada").await;
    let mut newer = Boat::open(fleet.channel().await, beat("ada")).await.unwrap();
    let status = newer.end().await;
    assert_eq!((status.code(), status.message()), (Code::AlreadyExists, "client ada already exists"));
    assert_eq!(fleet.hub.session("ada").unwrap().ended(), None);
    drop(older);
    fleet.nothing_left().await;
    drop(fleet.boat("ada").await);
    fleet.nothing_left().await;
}

#[tokio::test]
async fn a_client_that_is_back_within_the_grace_was_never_offline() {
    let graceful = StreamingConfig { client_disconnect_grace: Duration::from_secs(60), ..streaming() };
    let fleet = Fleet::with(graceful, |_| ()).await;
    drop(fleet.boat("ada").await);
    fleet.noted("disconnected ada cancelled").await;
    super::fleet::until("it is away", async || (fleet.hub.len(), fleet.hub.away()) == (0, 1)).await;
    let back = fleet.boat("ada").await;
    fleet.noted("back ada").await;
    assert_eq!(fleet.hub.away(), 0);
    super::fleet::until("the task of the grace is gone", async || fleet.house.running.session_tasks() == 1).await;
    assert!(fleet.notes().iter().all(|note| !note.starts_with("offline")));
    // A server that stops does not wait for the grace, and nobody is called offline for it.
    drop(back);
    super::fleet::until("it is away", async || fleet.hub.away() == 1).await;
    let hub = fleet.hub.clone();
    fleet.house.close().await;
    assert!(hub.handlers().notes().iter().all(|note| !note.starts_with("offline")));
    assert_eq!((hub.len(), hub.away()), (0, 0));
}

#[tokio::test]
async fn a_client_that_stays_away_is_offline_after_the_grace() {
    let graceful = StreamingConfig { client_disconnect_grace: Duration::from_millis(50), ..streaming() };
    let fleet = Fleet::with(graceful, |_| ()).await;
    drop(fleet.boat("ada").await);
    fleet.noted("offline ada cancelled").await;
    fleet.nothing_left().await;
    assert_eq!(fleet.notes().len(), 3);
}

#[tokio::test]
async fn sessions_are_limited_per_node_and_per_caller_and_do_not_count_as_calls() {
    let fleet = Fleet::with(streaming(), |config| {
        (config.streams.max_sessions, config.streams.max_sessions_per_principal) = (0, 2);
        config.calls.max_in_flight = 2;
    })
    .await;
    let one = fleet.boat("one").await;
    let _two = fleet.boat("two").await;
    let status = Boat::open(fleet.channel().await, beat("three")).await.unwrap().end().await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.get_details_error_info().unwrap().reason, "TOO_MANY_SESSIONS");
    assert!(status.get_details_retry_info().is_some());
    // A client may always come back for its own place.
    let one_again = Boat::open(fleet.channel().await, beat("one")).await.unwrap();
    fleet.noted("back one").await;
    drop((one, one_again));
    super::fleet::until("there is room", async || fleet.hub.len() == 1).await;
    let _three = fleet.boat("three").await;

    let fleet = Fleet::with(streaming(), |config| config.streams.max_sessions = 1).await;
    let _one = fleet.boat("one").await;
    let status = Boat::open(fleet.channel().await, beat("two")).await.unwrap().end().await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("this node has 1 clients"), "{status}");
}
