//! A node is cut off from the broker, or stops in the middle of its work.

use std::time::Duration;

use bytes::Bytes;
use steeple::{
    Code,
    auth::Secret,
    bus::{Bus, Config, State, reason},
};
use tokio::task::JoinSet;

use super::{
    LONG, SERVICE,
    broker::{Broker, Proxy},
    config,
    peer::Echo,
    said, until,
};

/// While the broker has not noticed that a node is gone, it hands commands to nobody.
const SHORT: Duration = Duration::from_millis(100);

/// Pings at times that a test does not reach, so that a stalled line is not taken for a dead one.
fn patient(url: &str) -> Config {
    Config { ping_interval: Duration::from_secs(600), ..config(url) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_was_left_behind_is_fenced_when_its_node_comes_back() {
    let Some(broker) = Broker::start().await else { return };
    let line = Proxy::to(broker.port).await;
    let config = config(&broker.url());
    let cut_off = Config { url: Some(Secret::new(line.url())), ..config.clone() };
    let (caller, two) = (Bus::open(&config, "caller").await.unwrap(), Bus::open(&config, "two").await.unwrap());
    let one = Bus::open(&cut_off, "one").await.unwrap();
    for round in 0..5 {
        let id = format!("moving-{round}");
        let stale = Echo::at(&one, &id).await;
        line.cut();
        until("the node is cut off", || matches!(one.state(), State::Away(_))).await;
        // The client is reached within its node, as long as it is there; for others it is absent.
        one.request(SERVICE, &id, Bytes::from_static(b"local"), LONG).await.unwrap();
        let absent = async {
            while caller.send(SERVICE, &id, Bytes::new(), SHORT).await.map_err(said)
                != Err((Code::FailedPrecondition, reason::CLIENT_NOT_CONNECTED.to_owned()))
            {}
        };
        tokio::time::timeout(LONG, absent).await.unwrap();
        assert!(!stale.registration.is_superseded() && !stale.registration.is_announced());
        // It reconnects elsewhere, and is found there at once.
        let current = Echo::at(&two, &id).await;
        caller.request(SERVICE, &id, Bytes::from_static(b"one"), LONG).await.unwrap();
        // Its first node comes back, under fire: not one command is run there, nor twice, nor lost.
        let before = stale.count();
        line.mend();
        let mut sent = 0;
        while !stale.registration.is_superseded() {
            let command = Bytes::from(format!("fire-{sent}"));
            assert_eq!(caller.request(SERVICE, &id, command.clone(), LONG).await.unwrap(), command);
            assert_eq!(current.ran(&command), 1);
            sent += 1;
        }
        assert_eq!(stale.count(), before);
        assert!(!current.registration.is_superseded() && current.registration.is_announced());
        assert!(!one.is_here(SERVICE, &id));
        until("the node is back", || one.state() == State::Connected).await;
        one.request(SERVICE, &id, Bytes::from_static(b"from there"), LONG).await.unwrap();
        assert_eq!(current.ran(b"from there"), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sessions_that_met_nobody_agree_when_the_broker_is_back() {
    let Some(mut broker) = Broker::stopped("") else { return };
    let config = Config { connect_timeout: Duration::from_millis(100), ..config(&broker.url()) };
    let (one, two) = (Bus::open(&config, "one").await.unwrap(), Bus::open(&config, "two").await.unwrap());
    let older = Echo::at(&one, "both").await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let newer = Echo::at(&two, "both").await;
    broker.run().await;
    tokio::time::timeout(LONG, older.registration.superseded()).await.unwrap();
    until("the newer one is announced", || newer.registration.is_announced()).await;
    assert!(!newer.registration.is_superseded());
    one.request(SERVICE, "both", Bytes::from_static(b"hello"), LONG).await.unwrap();
    assert_eq!((older.count(), newer.count()), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_asked_nobody_runs_nothing_while_a_newer_one_has_the_name() {
    let Some(broker) = Broker::start().await else { return };
    let line = Proxy::to(broker.port).await;
    let config = Config { connect_timeout: Duration::from_millis(200), ..config(&broker.url()) };
    let cut_off = Config { url: Some(Secret::new(line.url())), ..config.clone() };
    let (caller, two) = (Bus::open(&config, "caller").await.unwrap(), Bus::open(&config, "two").await.unwrap());
    line.cut();
    let one = Bus::open(&cut_off, "one").await.unwrap();
    let mut pairs = vec![];
    for number in 0..40 {
        let id = format!("client-{number}");
        let older = Echo::at(&one, &id).await;
        pairs.push((id, older));
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    let mut callers = JoinSet::new();
    let mut newer = vec![];
    for (id, _) in &pairs {
        newer.push(Echo::at(&two, id).await);
        let (caller, id) = (caller.clone(), id.clone());
        callers.spawn(async move {
            for number in 0.. {
                let command = Bytes::from(format!("command-{number}"));
                assert_eq!(caller.request(SERVICE, &id, command.clone(), LONG).await.unwrap(), command);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }
    // The older sessions join, under fire; they have met nobody until now.
    line.mend();
    for (_, older) in &pairs {
        tokio::time::timeout(LONG, older.registration.superseded()).await.unwrap();
    }
    callers.abort_all();
    while let Some(ended) = callers.join_next().await {
        assert!(ended.unwrap_err().is_cancelled(), "a command was not answered");
    }
    for ((id, older), newer) in pairs.iter().zip(&newer) {
        assert_eq!(older.count(), 0, "{id}");
        assert!(newer.count() > 0 && !newer.registration.is_superseded(), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stopped_runs_nothing_late() {
    let Some(broker) = Broker::start().await else { return };
    let line = Proxy::to(broker.port).await;
    let config = patient(&broker.url());
    let caller = Bus::open(&config, "caller").await.unwrap();
    let stopped = Bus::open(&Config { url: Some(Secret::new(line.url())), ..config }, "stopped").await.unwrap();
    let echo = Echo::at(&stopped, "client").await;
    caller.request(SERVICE, "client", Bytes::from_static(b"before"), LONG).await.unwrap();
    line.stall();
    for _ in 0..50 {
        let (short, late) = (Duration::from_millis(20), Bytes::from_static(b"late"));
        let silent = caller.request(SERVICE, "client", late, short).await.unwrap_err();
        assert_eq!(said(silent), (Code::DeadlineExceeded, reason::NODE_SILENT.to_owned()));
    }
    // One has time enough: it is run when the node goes on, after all that is refused.
    let waiting = tokio::spawn({
        let caller = caller.clone();
        async move { caller.request(SERVICE, "client", Bytes::from_static(b"after"), LONG).await }
    });
    until("it is on its way", || caller.counts().waiting == 1).await;
    line.mend();
    assert_eq!(waiting.await.unwrap().unwrap(), "after");
    assert_eq!((echo.ran(b"before"), echo.ran(b"late"), echo.ran(b"after")), (1, 0, 1));
    assert_eq!(caller.counts().waiting, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_taken_over_from_a_node_that_stopped() {
    let Some(broker) = Broker::start().await else { return };
    let line = Proxy::to(broker.port).await;
    let config = patient(&broker.url());
    let caller = Bus::open(&config, "caller").await.unwrap();
    let two = Bus::open(&config, "two").await.unwrap();
    let stopped = Bus::open(&Config { url: Some(Secret::new(line.url())), ..config }, "stopped").await.unwrap();
    let older = Echo::at(&stopped, "client").await;
    line.stall();
    let newer = Echo::at(&two, "client").await;
    for number in 0..20 {
        let command = Bytes::from(format!("command-{number}"));
        assert_eq!(caller.request(SERVICE, "client", command.clone(), LONG).await.unwrap(), command);
    }
    // It finds the claim in its socket before the commands.
    line.mend();
    tokio::time::timeout(LONG, older.registration.superseded()).await.unwrap();
    assert_eq!((older.count(), newer.count()), (0, 20));
    assert!(!newer.registration.is_superseded());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stopped_is_noticed() {
    let Some(broker) = Broker::start().await else { return };
    let line = Proxy::to(broker.port).await;
    let url = Some(Secret::new(line.url()));
    let config = Config { url, ping_interval: Duration::from_millis(50), ..config(&broker.url()) };
    let bus = Bus::open(&config, "one").await.unwrap();
    let echo = Echo::at(&bus, "client").await;
    line.stall();
    until("the node knows", || matches!(bus.state(), State::Away(_))).await;
    assert_eq!(
        said(bus.send(SERVICE, "elsewhere", Bytes::new(), LONG).await.unwrap_err()),
        (Code::Unavailable, reason::BUS_AWAY.to_owned())
    );
    bus.request(SERVICE, "client", Bytes::new(), LONG).await.unwrap();
    line.mend();
    until("the client is announced again", || echo.registration.is_announced()).await;
}
