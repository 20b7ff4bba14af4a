//! Commands: sent, waited for, broadcast, taken back, limited, late.

use std::time::Duration;

use steeple::{
    Code,
    stream::{Broadcast, StreamingConfig, To},
};

use super::fleet::{Fleet, reason, streaming, until};
use crate::trial::pb::fleet::v1::{Do, Tell};

const LONG: Option<Duration> = Some(Duration::from_secs(60));
const SHORT: Option<Duration> = Some(Duration::from_millis(50));

fn tell(text: &str) -> Tell {
    Tell { text: text.into(), ..Tell::default() }
}

#[tokio::test]
async fn a_command_reaches_its_client_and_its_ack_whoever_waits() {
    let fleet = Fleet::open().await;
    let mut boat = fleet.boat("ada").await;
    let hub = fleet.hub.clone();
    let waiting = tokio::spawn(async move { hub.execute("ada", tell("go"), LONG).await });
    let told = boat.next().await;
    assert_eq!((told.text.as_str(), told.command_id.len()), ("go", 36), "it was given an id");
    assert_eq!(fleet.hub.session("ada").unwrap().commands_in_flight(), 1);
    boat.answer(&told.command_id, "aground").await;
    assert_eq!(waiting.await.unwrap().unwrap().error, "aground", "a failure is the client's answer");
    assert_eq!(fleet.hub.session("ada").unwrap().commands_in_flight(), 0);
    // Its own id is kept.
    fleet.hub.send("ada", Tell { command_id: "mine".into(), ..Tell::default() }).await.unwrap();
    assert_eq!(boat.next().await.command_id, "mine");
    boat.answer("mine", "thanks").await;
    fleet.noted("unawaited ada thanks").await;
    drop(boat);
    fleet.nothing_left().await;
}

#[tokio::test]
async fn ten_thousand_commands_by_many_callers_each_get_their_own_ack() {
    let fleet = Fleet::with(StreamingConfig { max_commands_in_flight: 1_000, ..streaming() }, |_| ()).await;
    let mut obeying = vec![];
    for name in ["a", "b", "c", "d"] {
        let mut boat = fleet.boat(name).await;
        obeying.push(tokio::spawn(async move {
            let mut count = 0;
            while let Ok(Some(told)) = boat.tell.message().await {
                boat.answer(&told.command_id, &told.text).await;
                count += 1;
            }
            count
        }));
    }
    let mut callers = vec![];
    for caller in 0..50 {
        let hub = fleet.hub.clone();
        callers.push(tokio::spawn(async move {
            for number in 0..200 {
                let text = format!("{caller} {number}");
                let client = ["a", "b", "c", "d"][(caller + number) % 4];
                assert_eq!(hub.execute(client, tell(&text), LONG).await.unwrap().error, text);
            }
        }));
    }
    for caller in callers {
        caller.await.unwrap();
    }
    for session in fleet.hub.sessions() {
        assert_eq!((session.commands_in_flight(), session.commands_sent()), (0, 2_500));
        session.end(steeple::Error::aborted("enough"));
    }
    for count in obeying {
        assert_eq!(count.await.unwrap(), 2_500);
    }
    fleet.nothing_left().await;
}

#[tokio::test]
async fn who_is_not_connected_gets_no_command() {
    let fleet = Fleet::open().await;
    for error in [
        fleet.hub.send("nobody", tell("go")).await.unwrap_err(),
        fleet.hub.execute("nobody", tell("go"), LONG).await.unwrap_err(),
    ] {
        assert_eq!((error.code(), reason(&error)), (Code::FailedPrecondition, "CLIENT_NOT_CONNECTED".into()));
        assert_eq!(error.message(), "client nobody is not connected");
    }
    let long = "x".repeat(5_000);
    for wrong in ["", long.as_str(), "a\0b"] {
        let error = fleet.hub.send(wrong, tell("go")).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(!error.message().contains("xx"));
    }
    assert_eq!(fleet.hub.broadcast(&To::All, tell("go")).await.unwrap(), spread(0));
    assert!(!fleet.hub.cancel("nobody", "1").await.unwrap());
}

#[tokio::test]
async fn an_ack_after_its_deadline_is_told_and_not_lost() {
    let fleet = Fleet::open().await;
    let mut boat = fleet.boat("ada").await;
    let error =
        fleet.hub.execute("ada", Tell { command_id: "slow".into(), ..Tell::default() }, SHORT).await.unwrap_err();
    assert_eq!((error.code(), reason(&error)), (Code::DeadlineExceeded, "CLIENT_SILENT".into()));
    assert_eq!(fleet.hub.session("ada").unwrap().commands_in_flight(), 0);
    assert_eq!(boat.next().await.command_id, "slow");
    boat.answer("slow", "sorry").await;
    fleet.noted("late ada sorry").await;
    // Twice, or made up: nobody is told.
    boat.answer("slow", "again").await;
    boat.answer("made up", "really").await;
    boat.ask(Do { text: "still here".into(), ..Do::default() }).await;
    fleet.noted("did ada still here").await;
    assert!(fleet.notes().iter().all(|note| !note.contains("again") && !note.contains("really")));
    drop(boat);
    fleet.nothing_left().await;
}

#[tokio::test]
async fn a_handler_may_wait_for_its_own_client() {
    let fleet = Fleet::open().await;
    let mut boat = fleet.boat("ada").await;
    boat.ask(Do { text: "ask me".into(), ask: true, ..Do::default() }).await;
    let told = boat.next().await;
    boat.beat("ada").await;
    boat.answer(&told.command_id, "yes").await;
    fleet.noted("answered ada yes").await;
    fleet.noted("did ada ask me").await;
    drop(boat);
    fleet.nothing_left().await;
}

#[tokio::test]
async fn whoever_waits_learns_that_the_client_left() {
    let fleet = Fleet::open().await;
    let mut boat = fleet.boat("ada").await;
    let hub = fleet.hub.clone();
    let waiting = tokio::spawn(async move { hub.execute("ada", tell("go"), LONG).await });
    boat.next().await;
    drop(boat);
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.code(), reason(&error)), (Code::Aborted, "CLIENT_LEFT".into()));
    fleet.nothing_left().await;

    // It can answer no more when it has half-closed, either.
    let mut boat = fleet.boat("bob").await;
    boat.ask(Do { wait: 200, ..Do::default() }).await;
    let hub = fleet.hub.clone();
    let waiting = tokio::spawn(async move { hub.execute("bob", tell("go"), LONG).await });
    boat.next().await;
    boat.half_close();
    assert_eq!(reason(&waiting.await.unwrap().unwrap_err()), "CLIENT_LEFT");
    assert_eq!(boat.end().await.code(), Code::Ok);
    fleet.nothing_left().await;
}

#[tokio::test]
async fn commands_in_flight_are_limited_and_their_ids_are_their_own() {
    let fleet = Fleet::with(StreamingConfig { max_commands_in_flight: 2, ..streaming() }, |_| ()).await;
    let mut boat = fleet.boat("ada").await;
    let call = |id: &str| {
        let (hub, id) = (fleet.hub.clone(), id.to_owned());
        tokio::spawn(async move { hub.execute("ada", Tell { command_id: id, ..Tell::default() }, LONG).await })
    };
    let (one, two) = (call("1"), call("2"));
    let session = fleet.hub.session("ada").unwrap();
    until("two are in flight", async || session.commands_in_flight() == 2).await;
    let twice = call("1").await.unwrap().unwrap_err();
    assert_eq!(twice.code(), Code::AlreadyExists);
    let sent = fleet.hub.send("ada", Tell { command_id: "1".into(), ..Tell::default() }).await.unwrap_err();
    assert_eq!(sent.code(), Code::AlreadyExists, "its ack would be taken for the other's");
    let third = call("3").await.unwrap().unwrap_err();
    assert_eq!((third.code(), reason(&third)), (Code::ResourceExhausted, "TOO_MANY_COMMANDS".into()));
    for _ in 0..2 {
        let told = boat.next().await;
        boat.answer(&told.command_id, &told.command_id).await;
    }
    assert_eq!((one.await.unwrap().unwrap().error, two.await.unwrap().unwrap().error), ("1".into(), "2".into()));
    drop(boat);
    fleet.nothing_left().await;
}

#[tokio::test]
async fn a_broadcast_reaches_all_or_those_with_a_label() {
    let fleet = Fleet::open().await;
    let mut boats = vec![];
    for number in 0..20 {
        let boat = fleet.boat(&format!("boat-{number}")).await;
        if number % 4 == 0 {
            boat.ask(Do { label: "sail".into(), ..Do::default() }).await;
        }
        boats.push(boat);
    }
    until("five have the label", async || {
        fleet.hub.sessions().iter().filter(|session| session.has_label("sail")).count() == 5
    })
    .await;
    assert_eq!(fleet.hub.broadcast(&To::All, tell("all")).await.unwrap(), spread(20));
    let sail = To::Label("sail".into());
    assert_eq!(fleet.hub.broadcast(&sail, tell("sail")).await.unwrap(), spread(5));
    for (number, boat) in boats.iter_mut().enumerate() {
        assert_eq!(boat.next().await.text, "all");
        if number % 4 == 0 {
            assert_eq!(boat.next().await.text, "sail");
        }
    }
    assert!(fleet.hub.session("boat-0").unwrap().leave("sail"));
    assert_eq!(fleet.hub.broadcast(&sail, tell("sail")).await.unwrap().queued, 4);
    drop(boats);
    fleet.nothing_left().await;
}

#[tokio::test]
async fn labels_of_a_session_are_limited() {
    let fleet = Fleet::open().await;
    let _boat = fleet.boat("ada").await;
    let session = fleet.hub.session("ada").unwrap();
    for label in 0..16 {
        session.join(label.to_string()).unwrap();
    }
    session.join("7").unwrap();
    assert_eq!(session.join("one more").unwrap_err().code(), Code::ResourceExhausted);
    assert!(session.leave("7") && !session.leave("7"));
    for wrong in [String::new(), "x".repeat(65)] {
        assert_eq!(session.join(wrong).unwrap_err().code(), Code::InvalidArgument);
    }
    session.join("one more").unwrap();
    assert_eq!(fleet.hub.broadcast(&To::Label("one more".into()), tell("go")).await.unwrap(), spread(1));
}

/// On one node, taken by so many.
fn spread(queued: usize) -> Broadcast {
    Broadcast { queued, refused: 0, nodes: 1, complete: true }
}
