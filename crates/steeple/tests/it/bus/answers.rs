//! What comes back to whoever sends.

use std::time::Duration;

use bytes::Bytes;
use steeple::{Code, Error, bus::reason};

use super::{LONG, SERVICE, on_every_bus, peer::Peer, said, until};

const SHORT: Duration = Duration::from_millis(200);

on_every_bus! {
    async fn a_client_is_reached_from_any_node(meeting: Meeting) {
        let (here, there) = (meeting.node().await, meeting.node().await);
        let mut peer = Peer::at(&there, "wallet-7").await;
        assert!(peer.registration.is_announced() && there.is_here(SERVICE, "wallet-7"));
        for caller in [&here, &there] {
            let asking = caller.request(SERVICE, "wallet-7", Bytes::from_static(b"ping"), LONG);
            let answering = async {
                let command = peer.next().await;
                assert_eq!(command.bytes, "ping");
                assert!(!command.expires.is_past());
                command.reply.unwrap().send(Ok(Bytes::from_static(b"pong")));
            };
            assert_eq!(tokio::join!(asking, answering).0.unwrap(), "pong");
            caller.send(SERVICE, "wallet-7", Bytes::from_static(b"note"), LONG).await.unwrap();
            let note = peer.next().await;
            assert!(note.reply.is_none() && note.bytes == "note");
        }
        drop(peer);
        for bus in [&here, &there] {
            let counts = bus.counts();
            assert_eq!((counts.sessions, counts.waiting, counts.groups, counts.dropped), (0, 0, 0, 0));
        }
    }

    async fn the_first_command_after_registering_arrives(meeting: Meeting) {
        let (here, there) = (meeting.node().await, meeting.node().await);
        for round in 0..200 {
            let id = format!("client-{round}");
            let mut peer = Peer::at(&there, &id).await;
            here.send(SERVICE, &id, Bytes::from_static(b"first"), LONG).await.unwrap();
            assert_eq!(peer.next().await.bytes, "first");
        }
    }

    async fn who_is_nowhere_is_not_connected(meeting: Meeting) {
        let (here, there) = (meeting.node().await, meeting.node().await);
        let not_connected = (Code::FailedPrecondition, reason::CLIENT_NOT_CONNECTED.to_owned());
        assert_eq!(said(here.send(SERVICE, "nobody", Bytes::new(), LONG).await.unwrap_err()), not_connected);
        let peer = Peer::at(&there, "nobody").await;
        here.send(SERVICE, "nobody", Bytes::new(), LONG).await.unwrap();
        assert_eq!(said(here.send("trial.v1.Other", "nobody", Bytes::new(), LONG).await.unwrap_err()), not_connected);
        drop(peer);
        // The broker hears of it a moment later.
        let gone = async {
            while here.send(SERVICE, "nobody", Bytes::new(), SHORT).await.map_err(said) != Err(not_connected.clone()) {}
        };
        tokio::time::timeout(LONG, gone).await.unwrap();
    }

    async fn a_full_queue_refuses_and_nobody_waits(meeting: Meeting) {
        let (here, there) = (meeting.node().await, meeting.node().await);
        let mut peer = Peer::with(&there, "slow", &[], 1).await;
        here.send(SERVICE, "slow", Bytes::from_static(b"1"), LONG).await.unwrap();
        let full = here.send(SERVICE, "slow", Bytes::from_static(b"2"), LONG).await.unwrap_err();
        assert_eq!((full.code(), full.message()), (Code::ResourceExhausted, "the queue is full"));
        let full = here.request(SERVICE, "slow", Bytes::from_static(b"3"), LONG).await.unwrap_err();
        assert_eq!(full.code(), Code::ResourceExhausted);
        assert_eq!(peer.next().await.bytes, "1");
        here.send(SERVICE, "slow", Bytes::from_static(b"4"), LONG).await.unwrap();
        assert_eq!(peer.next().await.bytes, "4");
    }

    async fn a_session_that_has_ended_says_so_at_once(meeting: Meeting) {
        let (here, there) = (meeting.node().await, meeting.node().await);
        let mut peer = Peer::at(&there, "leaving").await;
        // It leaves with the command in its hands.
        let asking = here.request(SERVICE, "leaving", Bytes::new(), LONG);
        let leaving = async { drop(peer.next().await) };
        let left = tokio::join!(asking, leaving).0.unwrap_err();
        assert_eq!(said(left), (Code::Aborted, reason::CLIENT_LEFT.to_owned()));
        // Its queue is gone, and its name is about to go.
        peer.queue.close();
        let gone = here.request(SERVICE, "leaving", Bytes::new(), LONG).await.unwrap_err();
        assert_eq!(said(gone), (Code::FailedPrecondition, reason::CLIENT_NOT_CONNECTED.to_owned()));
    }

    async fn a_client_that_does_not_answer_is_silent(meeting: Meeting) {
        let (here, there) = (meeting.node().await, meeting.node().await);
        let mut peer = Peer::at(&there, "mute").await;
        let silent = here.request(SERVICE, "mute", Bytes::new(), SHORT).await.unwrap_err();
        assert_eq!(said(silent), (Code::DeadlineExceeded, reason::CLIENT_SILENT.to_owned()));
        assert_eq!(here.counts().waiting, 0);
        // Its answer comes too late for anybody to wait for it, and harms nobody.
        let command = peer.next().await;
        command.reply.unwrap().send(Ok(Bytes::from_static(b"late")));
        let asking = here.request(SERVICE, "mute", Bytes::new(), LONG);
        let answering = async { peer.next().await.reply.unwrap().send(Ok(Bytes::from_static(b"in time"))) };
        assert_eq!(tokio::join!(asking, answering).0.unwrap(), "in time");
    }

    async fn an_error_of_the_session_comes_with_its_details(meeting: Meeting) {
        let (here, there) = (meeting.node().await, meeting.node().await);
        let mut peer = Peer::at(&there, "failing").await;
        let asking = here.request(SERVICE, "failing", Bytes::new(), LONG);
        let failing = async {
            let error = Error::invalid("amount", "may not be negative").reason("BAD_AMOUNT", "trial").because("secret");
            peer.next().await.reply.unwrap().send(Err(error));
        };
        let mut error = tokio::join!(asking, failing).0.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert_eq!(error.message(), "amount: may not be negative");
        let violation = &error.details_mut().bad_request().unwrap().field_violations[0];
        assert_eq!((violation.field.as_str(), violation.description.as_str()), ("amount", "may not be negative"));
        assert_eq!(said(error).1, "BAD_AMOUNT");
    }

    async fn who_gives_up_leaves_nothing_behind(meeting: Meeting) {
        let (here, there) = (meeting.node().await, meeting.node().await);
        let mut peer = Peer::at(&there, "mute").await;
        let (bus, held) = (here.clone(), tokio::spawn(async move {
            let command = peer.next().await;
            (peer, command)
        }));
        let asking = tokio::spawn(async move { bus.request(SERVICE, "mute", Bytes::new(), LONG).await });
        let (peer, command) = held.await.unwrap();
        asking.abort();
        until("the request is forgotten", || here.counts().waiting == 0).await;
        drop((peer, command));
        until("the session is forgotten", || there.counts().sessions == 0).await;
    }

    async fn a_command_without_time_does_not_run(meeting: Meeting) {
        let (here, there) = (meeting.node().await, meeting.node().await);
        let mut peer = Peer::at(&there, "busy").await;
        for bus in [&here, &there] {
            let late = bus.send(SERVICE, "busy", Bytes::new(), Duration::ZERO).await.unwrap_err();
            assert_eq!(said(late), (Code::DeadlineExceeded, reason::COMMAND_LATE.to_owned()));
        }
        here.send(SERVICE, "busy", Bytes::from_static(b"only this"), LONG).await.unwrap();
        assert_eq!(peer.next().await.bytes, "only this");
        assert!(peer.queue.is_empty());
    }
}

#[tokio::test]
async fn what_is_too_large_for_the_broker_is_refused() {
    let Some(meeting) = super::Meeting::nats() else { return };
    let (here, there) = (meeting.node().await, meeting.node().await);
    let mut peer = Peer::at(&there, "big").await;
    let giant = Bytes::from(vec![7; 2 * 1024 * 1024]);
    let refused = here.request(SERVICE, "big", giant.clone(), LONG).await.unwrap_err();
    assert_eq!(said(refused), (Code::ResourceExhausted, reason::BUS_FULL.to_owned()));
    let asking = here.request(SERVICE, "big", Bytes::new(), LONG);
    let answering = async { peer.next().await.reply.unwrap().send(Ok(giant)) };
    assert_eq!(tokio::join!(asking, answering).0.unwrap_err().code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn no_more_wait_than_may() {
    let Some(mut meeting) = super::Meeting::nats() else { return };
    let there = meeting.node().await;
    let mut peer = Peer::at(&there, "mute").await;
    meeting.config.as_mut().unwrap().max_waiting = 1;
    let here = meeting.node().await;
    let first = here.request(SERVICE, "mute", Bytes::new(), LONG);
    let second = async {
        let command = peer.next().await;
        let refused = here.request(SERVICE, "mute", Bytes::new(), LONG).await.unwrap_err();
        assert_eq!(said(refused), (Code::ResourceExhausted, reason::BUS_FULL.to_owned()));
        command.reply.unwrap().send(Ok(Bytes::new()));
    };
    tokio::join!(first, second).0.unwrap();
    assert_eq!(here.counts().waiting, 0);
}
