//! What clients and networks do wrong, and what becomes of it.

use std::time::Duration;

use steeple::{
    Code,
    stream::{Broadcast, Cause, StreamingConfig, To},
};
use tokio_stream::StreamExt as _;
use tonic_types::StatusExt as _;

use super::fleet::{Boat, Cable, Fleet, reason, streaming, until};
use crate::trial::pb::fleet::v1::{Beat, Do, Say, Tell, say::Payload};

fn quick(patience: Duration) -> StreamingConfig {
    StreamingConfig { heartbeat_timeout: patience, heartbeat_interval: patience, ..streaming() }
}

fn beat(name: &str) -> Say {
    Say { client_id: name.into(), payload: Some(Payload::Beat(Beat {})) }
}

#[tokio::test]
async fn an_empty_or_unknown_payload_is_passed_over() {
    let fleet = Fleet::open().await;
    // Also as the first message: it has a name, which is all it needs.
    let boat = Boat::open(fleet.channel().await, Say { client_id: "ada".into(), payload: None }).await.unwrap();
    fleet.connected("ada").await;
    boat.say(Say::default()).await;
    boat.ask(Do { text: "after".into(), ..Do::default() }).await;
    fleet.noted("did ada after").await;
    assert_eq!(fleet.hub.session("ada").unwrap().messages_received(), 3);
    drop(boat);
    fleet.nothing_left().await;
}

/// What a client says that is newer than the server.
#[derive(Clone, PartialEq, prost::Message)]
struct Newer {
    #[prost(string, tag = "1")]
    client_id: String,
    #[prost(message, optional, tag = "99")]
    novelty: Option<Do>,
}

#[tokio::test]
async fn an_unknown_field_of_the_oneof_is_passed_over() {
    let fleet = Fleet::open().await;
    let mut grpc = tonic::client::Grpc::new(fleet.channel().await);
    grpc.ready().await.unwrap();
    let (say, says) = tokio::sync::mpsc::channel(4);
    say.send(Newer { client_id: "ada".into(), novelty: Some(Do { text: "new".into(), ..Do::default() }) })
        .await
        .unwrap();
    let path = http::uri::PathAndQuery::from_static("/fleet.v1.Fleet/Connect");
    let request = tonic::Request::new(tokio_stream::wrappers::ReceiverStream::new(says));
    let codec = tonic_prost::ProstCodec::<Newer, Tell>::default();
    let answer = grpc.streaming(request, path, codec).await.unwrap();
    fleet.connected("ada").await;
    assert_eq!(fleet.hub.session("ada").unwrap().ended(), None);
    drop((answer, say));
    fleet.nothing_left().await;
}

#[tokio::test]
async fn what_is_no_message_or_too_large_a_one_ends_the_stream() {
    let fleet = Fleet::with(streaming(), |config| config.server.max_receive_message_bytes = 10_000).await;
    let mut boat = fleet.boat("ada").await;
    boat.ask(Do { text: "x".repeat(20_000), ..Do::default() }).await;
    let status = boat.end().await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("10000 bytes this server receives"), "{status}");
    fleet.nothing_left().await;
    assert_eq!(fleet.notes()[1], "disconnected ada refused");
}

#[tokio::test]
async fn a_client_may_say_less_at_once_than_a_caller_may_send() {
    let fleet = Fleet::with(StreamingConfig { max_message_bytes: 1_000, ..streaming() }, |_| ()).await;
    let mut boat = fleet.boat("ada").await;
    boat.ask(Do { text: "x".repeat(900), ..Do::default() }).await;
    boat.ask(Do { text: "x".repeat(1_000), ..Do::default() }).await;
    let status = boat.end().await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert_eq!(status.get_details_error_info().unwrap().reason, "MESSAGE_TOO_LARGE");
    fleet.nothing_left().await;
}

#[tokio::test]
async fn a_service_that_takes_for_ever_to_take_a_client_gives_its_name_back() {
    let fleet = Fleet::with(quick(Duration::from_millis(200)), |_| ()).await;
    for name in ["admit hangs", "connected hangs"] {
        let mut boat = Boat::open(fleet.channel().await, beat(name)).await.unwrap();
        let status = boat.end().await;
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(status.get_details_retry_info().is_some());
        fleet.nothing_left().await;
    }
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_does_not_end_the_session() {
    let fleet = Fleet::open().await;
    let boat = fleet.boat("ada").await;
    boat.ask(Do { text: "fails".into(), fail: true, ..Do::default() }).await;
    boat.ask(Do { text: "panics".into(), panic: true, ..Do::default() }).await;
    boat.ask(Do { text: "works".into(), ..Do::default() }).await;
    fleet.noted("did ada works").await;
    assert_eq!(fleet.hub.session("ada").unwrap().ended(), None);
    drop(boat);
    fleet.nothing_left().await;
}

#[tokio::test]
async fn a_handler_that_hangs_holds_up_its_own_client_only_and_ends_with_it() {
    let fleet = Fleet::open().await;
    let mut stuck = fleet.boat("stuck").await;
    let free = fleet.boat("free").await;
    stuck.ask(Do { hang: true, ..Do::default() }).await;
    // More than may wait: the rest waits in the network.
    let flood = async {
        for _ in 0..200 {
            stuck.ask(Do { text: "more".into(), ..Do::default() }).await;
        }
    };
    tokio::time::timeout(Duration::from_millis(200), flood).await.ok();
    free.ask(Do { text: "sails on".into(), ..Do::default() }).await;
    fleet.noted("did free sails on").await;
    fleet.hub.send("stuck", Tell::default()).await.unwrap();
    stuck.next().await;
    drop((stuck, free));
    fleet.nothing_left().await;
}

#[tokio::test]
async fn a_last_word_of_the_service_that_hangs_holds_up_nobody_else() {
    let fleet = Fleet::open().await;
    drop(fleet.boat("hook hangs").await);
    fleet.noted("disconnected hook hangs cancelled").await;
    // Its name is free already.
    let again = fleet.boat("hook hangs").await;
    assert_eq!(fleet.hub.len(), 1);
    drop(again);
    fleet.nothing_left().await;
}

#[tokio::test]
async fn a_client_that_never_reads_delays_nobody_and_is_ended() {
    let patience = Duration::from_millis(500);
    let config = StreamingConfig { queue_size: 50, ..quick(patience) };
    let fleet = Fleet::with(config, |config| config.streams.max_sessions = 2).await;
    let slow = fleet.boat("slow").await;
    let mut quick = fleet.boat("quick").await;
    let session = fleet.hub.session("slow").unwrap();
    // 16 KiB each: the window of HTTP/2 is full soon, then the queue.
    let filling = Tell { filling: vec![7; 16 * 1024], ..Tell::default() };
    let error = loop {
        slow.beat("slow").await;
        match fleet.hub.send("slow", filling.clone()).await {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!((error.code(), reason(&error)), (Code::ResourceExhausted, "QUEUE_FULL".into()));
    // It keeps saying that it lives, and everybody else is served.
    let mut done = Broadcast::default();
    while session.ended().is_none() {
        slow.beat("slow").await;
        quick.beat("quick").await;
        let round = fleet.hub.broadcast(&To::All, Tell { text: "all".into(), ..Tell::default() }).await.unwrap();
        assert!(round.queued >= 1);
        done.refused += round.refused;
        assert_eq!(quick.next().await.text, "all");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(done.refused > 0);
    assert_eq!(session.ended(), Some(Cause::Slow));
    fleet.noted("disconnected slow slow").await;
    assert_eq!(fleet.hub.len(), 1);
    // Its call is still there, unread: so is its share of the limits.
    let third = async || Boat::open(fleet.channel().await, beat("third")).await.unwrap();
    let status = third().await.end().await;
    assert_eq!(status.get_details_error_info().unwrap().reason, "TOO_MANY_SESSIONS");
    // When it reads after all, this is what it finds.
    let mut slow = slow;
    let status = slow.end().await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.get_details_error_info().unwrap().reason, "SLOW");
    until("its place is free", async || {
        let _third = third().await;
        tokio::time::timeout(Duration::from_millis(100), fleet.connected("third")).await.is_ok()
    })
    .await;
    drop((slow, quick));
    fleet.nothing_left().await;
}

#[tokio::test]
async fn a_command_that_was_not_read_in_time_is_taken_back() {
    let fleet = Fleet::with(StreamingConfig { queue_size: 1_000, ..streaming() }, |_| ()).await;
    let mut slow = fleet.boat("slow").await;
    let filling = Tell { text: "filling".into(), filling: vec![7; 16 * 1024], ..Tell::default() };
    let session = fleet.hub.session("slow").unwrap();
    // Until nothing moves any more.
    until("the window is full", async || {
        session.send(filling.clone()).unwrap();
        session.commands_waiting() > 20
    })
    .await;
    let late = Tell { command_id: "late".into(), ..Tell::default() };
    let error = fleet.hub.execute("slow", late, Some(Duration::from_millis(50))).await.unwrap_err();
    assert_eq!((error.code(), reason(&error)), (Code::DeadlineExceeded, "NOT_READ".into()));
    // Whoever goes away takes it along, and so does whoever cancels it.
    let gone = Tell { command_id: "gone".into(), ..Tell::default() };
    let waiting = fleet.hub.execute("slow", gone, None);
    assert!(tokio::time::timeout(Duration::from_millis(20), waiting).await.is_err());
    let hub = fleet.hub.clone();
    let cancelled = Tell { command_id: "cancelled".into(), ..Tell::default() };
    let waiting = tokio::spawn(async move { hub.execute("slow", cancelled, None).await });
    until("it waits", async || session.commands_in_flight() == 1).await;
    assert!(fleet.hub.cancel("slow", "cancelled").await.unwrap());
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.code(), reason(&error)), (Code::Cancelled, "TAKEN_BACK".into()));

    session.send(Tell { text: "last".into(), ..Tell::default() }).unwrap();
    loop {
        let told = slow.next().await;
        assert!(told.command_id != "late" && told.command_id != "gone" && told.command_id != "cancelled");
        if told.text == "last" {
            break;
        }
    }
    assert_eq!(session.commands_in_flight(), 0);
    drop(slow);
    fleet.nothing_left().await;
}

#[tokio::test]
async fn a_client_that_vanishes_without_a_word_is_found_out() {
    let patience = Duration::from_millis(400);
    let fleet = Fleet::with(quick(patience), |_| ()).await;
    let cable = Cable::to(fleet.house.running.grpc).await;
    let boat = Boat::open(cable.channel().await, beat("ada")).await.unwrap();
    fleet.connected("ada").await;
    let hub = fleet.hub.clone();
    let waiting = tokio::spawn(async move { hub.execute("ada", Tell::default(), Some(Duration::from_secs(60))).await });
    cable.cut();
    fleet.noted("disconnected ada heartbeat_lost").await;
    assert_eq!(reason(&waiting.await.unwrap().unwrap_err()), "CLIENT_LEFT");
    fleet.nothing_left().await;
    drop(boat);
}

#[tokio::test]
async fn keepalive_finds_a_dead_connection_before_the_heartbeat_does() {
    let fleet = Fleet::with(streaming(), |config| {
        config.server.keepalive_interval = Duration::from_millis(100);
        config.server.keepalive_timeout = Duration::from_millis(100);
    })
    .await;
    let cable = Cable::to(fleet.house.running.grpc).await;
    let boat = Boat::open(cable.channel().await, beat("ada")).await.unwrap();
    fleet.connected("ada").await;
    cable.cut();
    fleet.noted("disconnected ada cancelled").await;
    fleet.nothing_left().await;
    drop(boat);
}

#[tokio::test]
async fn a_storm_of_clients_that_come_and_go_leaves_nothing() {
    let fleet = Fleet::open().await;
    let mut storms = vec![];
    for storm in 0..8 {
        let channel = fleet.channel().await;
        storms.push(tokio::spawn(async move {
            for number in 0..40 {
                let mut boat = Boat::open(channel.clone(), beat(&format!("{storm}-{number}"))).await.unwrap();
                match number % 4 {
                    0 => boat.half_close(),
                    1 => boat.ask(Do { hang: true, ..Do::default() }).await,
                    2 => boat.say(beat("another")).await,
                    _ => {}
                }
                if number % 8 == 0 {
                    boat.end().await;
                }
            }
        }));
    }
    for storm in storms {
        storm.await.unwrap();
    }
    fleet.nothing_left().await;
}

#[tokio::test]
async fn a_stream_of_the_client_that_breaks_off_is_cancelled() {
    let fleet = Fleet::open().await;
    let boat = fleet.boat("ada").await;
    let session = fleet.hub.session("ada").unwrap();
    drop(boat);
    until("it is over", async || session.ended() == Some(Cause::Cancelled)).await;
    fleet.nothing_left().await;
    let rows = fleet.house.close().await;
    assert_eq!(rows[0].status, "cancelled");
}

#[tokio::test]
async fn silence_is_judged_by_the_clock_and_not_by_a_slow_handler() {
    let patience = Duration::from_millis(300);
    let fleet = Fleet::with(quick(patience), |_| ()).await;
    let boat = fleet.boat("ada").await;
    let session = fleet.hub.session("ada").unwrap();
    // The handler takes longer than the client may be silent; the client goes on giving signs of life.
    boat.ask(Do { text: "slow work".into(), wait: 1_000, ..Do::default() }).await;
    let beats = async {
        loop {
            boat.beat("ada").await;
            tokio::time::sleep(patience / 6).await;
        }
    };
    tokio::select! {
        () = beats => {}
        () = fleet.noted("did ada slow work") => {}
    }
    assert_eq!(session.ended(), None);
    drop(boat);
    fleet.nothing_left().await;
}

#[tokio::test]
async fn a_stream_as_others_write_it_is_read_in_any_pieces() {
    let fleet = Fleet::open().await;
    let mut boat = fleet.boat("ada").await;
    let session = fleet.hub.session("ada").unwrap();
    for number in 0..2_000_u32 {
        boat.ask(Do {
            text: format!("{number} {}", "y".repeat((number % 300) as usize)),
            send: u32::from(number % 100 == 0),
            ..Do::default()
        })
        .await;
    }
    let mut told = vec![];
    for _ in 0..20 {
        told.push(boat.next().await.text);
    }
    assert!(told.last().unwrap().starts_with("1900 "));
    until("all were read", async || session.messages_received() == 2_001).await;
    boat.half_close();
    assert!(boat.tell.next().await.is_none());
    fleet.nothing_left().await;
}
