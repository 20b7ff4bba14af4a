//! The broker is away at the start, goes, and comes back.

use std::time::Duration;

use bytes::Bytes;
use steeple::{
    Code,
    bus::{Bus, Config, State, reason},
};

use super::{
    LONG, SERVICE,
    broker::Broker,
    config,
    peer::{Echo, Peer},
    said, until,
};

fn away() -> (Code, String) {
    (Code::Unavailable, reason::BUS_AWAY.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_starts_without_a_broker_and_joins_when_it_comes() {
    let Some(mut broker) = Broker::stopped("") else { return };
    let config = Config { connect_timeout: Duration::from_millis(200), ..config(&broker.url()) };
    let (one, two) = (Bus::open(&config, "one").await.unwrap(), Bus::open(&config, "two").await.unwrap());
    assert!(matches!(one.state(), State::Away(why) if !why.is_empty()));
    // Within each node everything works.
    let mut peer = Peer::with(&one, "early", &["eu"], 4).await;
    assert!(!peer.registration.is_announced());
    one.send(SERVICE, "early", Bytes::from_static(b"local"), LONG).await.unwrap();
    assert_eq!(peer.next().await.bytes, "local");
    let spread = one.publish_all(SERVICE, Bytes::from_static(b"all"), LONG, None).await.unwrap();
    assert_eq!((spread.queued, spread.complete), (1, false));
    assert_eq!(peer.next().await.bytes, "all");
    // Beyond it, the answer comes at once: the deadline is longer than this test may take.
    let hours = Duration::from_hours(3);
    assert_eq!(said(two.send(SERVICE, "early", Bytes::from_static(b"lost"), hours).await.unwrap_err()), away());
    broker.run().await;
    until("the client is announced", || peer.registration.is_announced()).await;
    until("the other node is connected", || two.state() == State::Connected).await;
    two.send(SERVICE, "early", Bytes::from_static(b"remote"), LONG).await.unwrap();
    assert_eq!(peer.next().await.bytes, "remote");
    let label = async {
        while two.publish_label(SERVICE, "eu", Bytes::from_static(b"eu"), LONG, Some(2)).await.unwrap().queued != 1 {}
    };
    tokio::time::timeout(LONG, label).await.unwrap();
    assert_eq!(peer.next().await.bytes, "eu");
}

#[tokio::test]
async fn a_node_that_needs_the_broker_does_not_start_without() {
    let Some(broker) = Broker::stopped("") else { return };
    let config = Config { required: true, connect_timeout: Duration::from_millis(200), ..config(&broker.url()) };
    let refused = Bus::open(&config, "one").await.unwrap_err();
    assert!(refused.contains("cannot be reached") && refused.contains("bus.required"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_comes_back_and_nothing_runs_late() {
    let Some(mut broker) = Broker::start().await else { return };
    let config = Config { settle: Duration::from_millis(300), ..config(&broker.url()) };
    let (one, two) = (Bus::open(&config, "one").await.unwrap(), Bus::open(&config, "two").await.unwrap());
    let mut echoes = vec![];
    for number in 0..100 {
        let node = if number % 2 == 0 { &one } else { &two };
        echoes.push((format!("client-{number}"), Echo::at(node, &format!("client-{number}")).await));
    }
    let reached = |from: Bus, word: &'static str| {
        let names: Vec<_> = echoes.iter().map(|(name, _)| name.clone()).collect();
        async move {
            for name in names {
                let answer = from.request(SERVICE, &name, Bytes::from_static(word.as_bytes()), LONG).await;
                assert_eq!(answer.unwrap(), word);
            }
        }
    };
    reached(one.clone(), "before").await;
    for round in 0..2 {
        broker.kill();
        for bus in [&one, &two] {
            until("the node knows", || matches!(bus.state(), State::Away(_))).await;
        }
        for (name, _) in &echoes {
            let answer = one.request(SERVICE, name, Bytes::from_static(b"during"), LONG).await;
            if one.is_here(SERVICE, name) {
                assert_eq!(answer.unwrap(), "during");
            } else {
                assert_eq!(said(answer.unwrap_err()), away());
            }
        }
        // Clients come and go meanwhile.
        let newcomer = Peer::at(&two, &format!("newcomer-{round}")).await;
        broker.run().await;
        until("the newcomer is announced", || newcomer.registration.is_announced()).await;
        until("all are announced", || echoes.iter().all(|(_, echo)| echo.registration.is_announced())).await;
        until("the node is settled", || one.state() == State::Connected).await;
        reached(one.clone(), "after").await;
        one.send(SERVICE, newcomer.registration.id(), Bytes::new(), LONG).await.unwrap();
        let nobody = one.send(SERVICE, "nobody", Bytes::new(), LONG).await.unwrap_err();
        assert_eq!(said(nobody), (Code::FailedPrecondition, reason::CLIENT_NOT_CONNECTED.to_owned()));
        for (name, echo) in &echoes {
            let local = one.is_here(SERVICE, name);
            assert_eq!(echo.ran(b"during"), if local { round + 1 } else { 0 }, "{name}");
            assert!(!echo.registration.is_superseded());
        }
    }
    assert_eq!((one.counts().waiting, two.counts().waiting), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absent_moments_after_a_reconnect_is_not_yet_absent() {
    let Some(mut broker) = Broker::start().await else { return };
    let config = Config { settle: Duration::from_secs(600), ..config(&broker.url()) };
    let bus = Bus::open(&config, "one").await.unwrap();
    for _ in 0..2 {
        assert_eq!(bus.state(), State::Settling);
        let mut error = bus.send(SERVICE, "nobody", Bytes::new(), LONG).await.unwrap_err();
        assert!(error.details_mut().retry_info().unwrap().retry_delay.is_some());
        assert_eq!(said(error), (Code::Unavailable, reason::ROUTE_SETTLING.to_owned()));
        broker.kill();
        until("the node knows", || matches!(bus.state(), State::Away(_))).await;
        broker.run().await;
        until("the node is back", || bus.state() == State::Settling).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_is_closed_or_dropped_leaves_no_connection() {
    let Some(broker) = Broker::start().await else { return };
    let watch = Bus::open(&config(&broker.url()), "watch").await.unwrap();
    let config = config(&broker.url());
    let (closed, dropped) = (Bus::open(&config, "a").await.unwrap(), Bus::open(&config, "b").await.unwrap());
    let held = Peer::at(&closed, "a").await;
    let gone = Peer::at(&dropped, "b").await;
    closed.close().await;
    until("the client is not announced", || !held.registration.is_announced()).await;
    assert!(closed.send(SERVICE, "elsewhere", Bytes::new(), LONG).await.is_err());
    closed.send(SERVICE, "a", Bytes::new(), LONG).await.unwrap();
    drop((gone, dropped));
    let other = Bus::open(&config, "c").await.unwrap();
    for id in ["a", "b"] {
        let absent = async {
            while other.send(SERVICE, id, Bytes::new(), Duration::from_millis(100)).await.map_err(said)
                != Err((Code::FailedPrecondition, reason::CLIENT_NOT_CONNECTED.to_owned()))
            {}
        };
        tokio::time::timeout(LONG, absent).await.unwrap();
    }
    drop(watch);
}
