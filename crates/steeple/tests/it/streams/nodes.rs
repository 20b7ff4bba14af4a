//! Three nodes over one broker: every client is reached from everywhere, has one session, and no command is lost without a
//! word.

use std::{
    collections::HashMap,
    env,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use steeple::{
    Code, Error,
    auth::Secret,
    bus::{Bus, Config},
    stream::{Connections, DuplicatePolicy, Remote, StreamingConfig, To},
};
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt as _;

use super::fleet::{Boat, Boats, Fleet, reason, streaming, until};
use crate::{
    bus::broker::{Broker, Proxy},
    databases::{Database, skipped},
    trial::pb::fleet::v1::{Beat, Do, Say, Tell, say::Payload},
};

const LONG: Option<Duration> = Some(Duration::from_secs(20));

fn beat(name: &str) -> Say {
    Say { client_id: name.into(), payload: Some(Payload::Beat(Beat {})) }
}

fn tell(text: &str) -> Tell {
    Tell { text: text.into(), ..Tell::default() }
}

fn config(url: &str) -> Config {
    Config {
        url: Some(Secret::new(url)),
        site: format!("streams-{}", uuid::Uuid::new_v4().simple()),
        settle: Duration::ZERO,
        connect_timeout: Duration::from_millis(500),
        ..Config::default()
    }
}

/// The broker of the tests, in a site of its own.
fn shared() -> Option<Config> {
    let Ok(url) = env::var("STEEPLE_TEST_NATS_URL") else {
        skipped("STEEPLE_TEST_NATS_URL");
        return None;
    };
    Some(config(&url))
}

async fn node(bus: &Config) -> Fleet {
    Fleet::with(streaming(), |config| config.bus = bus.clone()).await
}

async fn three(bus: &Config) -> [Fleet; 3] {
    [node(bus).await, node(bus).await, node(bus).await]
}

/// A client that other nodes can reach.
async fn boat(fleet: &Fleet, name: &str) -> Boat {
    let boat = fleet.boat(name).await;
    fleet.noted(&format!("connected {name}")).await;
    boat
}

fn said(error: &Error) -> (Code, String) {
    (error.code(), reason(error))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_is_reached_from_every_node_and_from_other_processes() {
    let Some(bus) = shared() else { return };
    let nodes = three(&bus).await;
    let mut tasks = vec![];
    for (number, node) in nodes.iter().enumerate() {
        for name in [format!("a-{number}"), format!("b-{number}")] {
            let boat = boat(node, &name).await;
            if name.starts_with('a') {
                boat.ask(Do { label: "alpha".into(), ..Do::default() }).await;
                until("it has the label", async || node.hub.session(&name).unwrap().has_label("alpha")).await;
            }
            tasks.push(boat.obeying());
        }
    }
    for node in &nodes {
        for number in 0..3 {
            let command = Tell { command_id: format!("c-{number}"), ..tell("go") };
            let ack = node.hub.execute(&format!("a-{number}"), command, LONG).await.unwrap();
            assert_eq!(ack.command_id, format!("c-{number}"));
            node.hub.send(&format!("b-{number}"), tell("sent")).await.unwrap();
        }
        let error = node.hub.execute("nobody", tell("go"), LONG).await.unwrap_err();
        assert_eq!(said(&error), (Code::FailedPrecondition, "CLIENT_NOT_CONNECTED".into()));
        assert!(!node.hub.cancel("nobody", "1").await.unwrap());
        assert!(!node.hub.cancel("a-0", "long ago").await.unwrap());
        let all = node.hub.broadcast(&To::All, tell("all")).await.unwrap();
        assert_eq!((all.queued, all.refused, all.nodes), (6, 0, 3));
    }
    // The broker hears of a label a moment after the node.
    until("the label is known everywhere", async || {
        let some = nodes[0].hub.broadcast(&To::Label("alpha".into()), tell("some")).await.unwrap();
        (some.queued, some.refused) == (3, 0)
    })
    .await;
    for (number, node) in nodes.iter().enumerate() {
        node.noted(&format!("unawaited b-{number} ")).await;
    }

    let elsewhere = Bus::open(&bus, "worker").await.unwrap();
    let remote = Remote::<Boats>::new(&elsewhere, "fleet");
    let within = Duration::from_secs(20);
    assert_eq!(
        remote.execute("b-2", Tell { command_id: "w".into(), ..tell("go") }, within).await.unwrap().command_id,
        "w"
    );
    remote.send("b-1", tell("go"), within).await.unwrap();
    assert_eq!(remote.broadcast(&To::All, tell("all"), within).await.unwrap().queued, 6);
    assert_eq!(remote.send("", tell("go"), within).await.unwrap_err().code(), Code::InvalidArgument);

    for task in tasks {
        task.abort();
    }
    for node in &nodes {
        node.nothing_left().await;
        until("the bus holds nothing", async || {
            let counts = node.house.running.bus().counts();
            (counts.sessions, counts.waiting, counts.groups) == (0, 0, 0)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_connects_elsewhere_is_found_there_and_its_old_session_ends() {
    let Some(bus) = shared() else { return };
    let nodes = three(&bus).await;
    let mut older = boat(&nodes[0], "ada").await;
    for round in 0..6 {
        let (here, before) = (&nodes[(round + 1) % 3], &nodes[round % 3]);
        let mut newer = Boat::open(here.channel().await, beat("ada")).await.unwrap();
        let status = older.end().await;
        assert_eq!(status.code(), Code::Aborted, "{status}");
        assert_eq!(status.get_details_error_info().unwrap().reason, "REPLACED");
        before.noted("disconnected ada replaced").await;
        before.nothing_left().await;
        for node in &nodes {
            let (ack, ()) = tokio::join!(node.hub.execute("ada", tell("whose?"), LONG), async {
                let told = newer.next().await;
                newer.answer(&told.command_id, "mine").await;
            });
            assert_eq!(ack.unwrap().error, "mine");
        }
        older = newer;
    }
    drop(older);
    for node in &nodes {
        node.nothing_left().await;
    }
    let offline = nodes.iter().flat_map(Fleet::notes).filter(|note| note.starts_with("offline")).count();
    assert_eq!(offline, 1, "a session that was replaced is not offline");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_comes_back_to_another_node_within_its_grace_was_never_offline() {
    let Some(bus) = shared() else { return };
    let patient = StreamingConfig { client_disconnect_grace: Duration::from_millis(500), ..streaming() };
    let one = Fleet::with(patient.clone(), |config| config.bus = bus.clone()).await;
    let other = Fleet::with(patient, |config| config.bus = bus.clone()).await;
    drop(boat(&one, "ada").await);
    one.noted("disconnected ada cancelled").await;
    let back = boat(&other, "ada").await;
    one.nothing_left().await;
    assert!(!one.notes().iter().any(|note| note.starts_with("offline")), "{:?}", one.notes());
    drop(back);
    other.noted("offline ada cancelled").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_at_the_client_s_node_is_told_to_who_asked() {
    let Some(bus) = shared() else { return };
    let small = StreamingConfig { max_commands_in_flight: 1, queue_size: 20, ..streaming() };
    let owner = Fleet::with(small, |config| config.bus = bus.clone()).await;
    let other = node(&bus).await;
    let mut ada = boat(&owner, "ada").await;
    let short = Some(Duration::from_millis(200));
    let error = other.hub.execute("ada", Tell { command_id: "slow".into(), ..tell("go") }, short).await.unwrap_err();
    assert_eq!(said(&error), (Code::DeadlineExceeded, "CLIENT_SILENT".into()));
    assert_eq!(ada.next().await.command_id, "slow");
    ada.answer("slow", "sorry").await;
    owner.noted("late ada sorry").await;

    // One command in flight, whoever waits for it; and when the client leaves, both hear of it.
    let hub = other.hub.clone();
    let waiting = tokio::spawn(async move { hub.execute("ada", tell("first"), LONG).await });
    ada.next().await;
    let error = other.hub.execute("ada", tell("second"), LONG).await.unwrap_err();
    assert_eq!(said(&error), (Code::ResourceExhausted, "TOO_MANY_COMMANDS".into()));
    assert!(error.details().retry_info().is_some(), "details come along");
    drop(ada);
    assert_eq!(said(&waiting.await.unwrap().unwrap_err()), (Code::Aborted, "CLIENT_LEFT".into()));

    // A client that does not read: its queue is full for everybody, and what waits too long is dropped and told.
    let slow = boat(&owner, "slow").await;
    let filling = Tell { filling: vec![7; 16 * 1024], ..tell("filling") };
    let error = loop {
        if let Err(error) = other.hub.send("slow", filling.clone()).await {
            break error;
        }
    };
    assert_eq!(said(&error), (Code::ResourceExhausted, "QUEUE_FULL".into()));
    let session = owner.hub.session("slow").unwrap();
    assert!(other.hub.cancel("slow", "no such").await.is_ok_and(|done| !done));
    drop((session, slow));
    owner.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_may_have_the_older_session_keep_its_name_on_another_node() {
    let Some(bus) = shared() else { return };
    let refuse = StreamingConfig { duplicate_policy: DuplicatePolicy::Refuse, ..streaming() };
    let one = Fleet::with(refuse.clone(), |config| config.bus = bus.clone()).await;
    let two = Fleet::with(refuse, |config| config.bus = bus.clone()).await;
    let older = boat(&one, "ada").await;
    let status = Boat::open(two.channel().await, beat("ada")).await.unwrap().end().await;
    assert_eq!(status.code(), Code::AlreadyExists, "{status}");
    drop(older);
    one.nothing_left().await;
    drop(boat(&two, "ada").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_away_at_the_start_and_goes_and_comes_back() {
    let Some(mut broker) = Broker::stopped("") else { return };
    let bus = config(&broker.url());
    let (one, two) = (node(&bus).await, node(&bus).await);
    let (ada, bob) = (boat(&one, "ada").await.obeying(), boat(&two, "bob").await.obeying());
    for _ in 0..2 {
        // Each node serves its own, and says why it does not reach the others'.
        one.hub.execute("ada", tell("here"), LONG).await.unwrap();
        two.hub.execute("bob", tell("here"), LONG).await.unwrap();
        until("the other is out of reach", async || {
            let error = one.hub.execute("bob", tell("there"), LONG).await;
            error.is_err_and(|error| said(&error) == (Code::Unavailable, "BUS_AWAY".into()))
        })
        .await;
        assert!(!one.hub.broadcast(&To::All, tell("all")).await.unwrap().complete);
        broker.run().await;
        until("both reach each other", async || {
            one.hub.execute("bob", tell("there"), LONG).await.is_ok()
                && two.hub.execute("ada", tell("there"), LONG).await.is_ok()
        })
        .await;
        broker.kill();
    }
    ada.abort();
    bob.abort();
    one.nothing_left().await;
    two.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whose_node_is_cut_off_is_not_said_to_be_absent() {
    let Some(broker) = Broker::start().await else { return };
    let database = Database::sqlite().await.unwrap();
    let line = Proxy::to(broker.port).await;
    let bus = config(&broker.url());
    let over = |bus: Config| {
        let database = database.config();
        Fleet::with(streaming(), move |config| (config.bus, config.database) = (bus, database))
    };
    let other = over(bus.clone()).await;
    let owner = over(Config { url: Some(Secret::new(line.url())), ..bus }).await;
    let ada = boat(&owner, "ada").await.obeying();
    other.hub.execute("ada", tell("before"), LONG).await.unwrap();
    let db = owner.house.running.db();
    let status = async || Connections::find(db, "fleet", "ada").await.unwrap().map(|row| row.status);
    until("ada has a row", async || status().await.as_deref() == Some("connected")).await;
    line.cut();
    // Until the broker has noticed, commands are on their way to it.
    let short = Some(Duration::from_millis(100));
    let missing = async |wanted: &str| {
        until(&format!("ada is {wanted}"), async || match other.hub.execute("ada", tell("there"), short).await {
            Ok(_) => false,
            Err(error) if ["CLIENT_SILENT", "NODE_SILENT"].contains(&reason(&error).as_str()) => false,
            Err(error) => {
                assert_eq!(reason(&error), wanted);
                true
            }
        })
        .await;
    };
    missing("ROUTE_SETTLING").await;
    let error = other.hub.execute("nobody", tell("there"), LONG).await.unwrap_err();
    assert_eq!(said(&error), (Code::FailedPrecondition, "CLIENT_NOT_CONNECTED".into()));
    ada.abort();
    until("ada has left", async || status().await.as_deref() == Some("disconnected")).await;
    missing("CLIENT_NOT_CONNECTED").await;
}

/// How long the storm lasts: `STEEPLE_TEST_STREAM_SECONDS=60` for the whole of it.
fn storm() -> (Duration, usize) {
    let seconds = env::var("STEEPLE_TEST_STREAM_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    (Duration::from_secs(seconds), if seconds >= 60 { 300 } else { 60 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_killed_and_restarted_and_no_command_is_lost_without_a_word() {
    let Some(bus) = shared() else { return };
    let (lasts, clients) = storm();
    let addresses: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
    let received: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let over = Arc::new(AtomicBool::new(false));
    let mut nodes = three(&bus).await;
    let listed = |nodes: &[Fleet; 3]| nodes.iter().map(|node| node.house.running.grpc).collect::<Vec<_>>();
    *addresses.lock().unwrap() = listed(&nodes);

    let mut sailing = tokio::task::JoinSet::new();
    for number in 0..clients {
        let (addresses, received) = (addresses.clone(), received.clone());
        sailing.spawn(async move {
            let name = format!("boat-{number}");
            for turn in number.. {
                let address = addresses.lock().unwrap()[turn % 3];
                sail(address, &name, &received).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    let hubs = Arc::new(Mutex::new(nodes.each_ref().map(|node| node.hub.clone())));
    let (acked, failed) = (Arc::new(Mutex::new(vec![])), Arc::new(AtomicUsize::new(0)));
    let mut commanding = tokio::task::JoinSet::new();
    for commander in 0..8 {
        let (hubs, over, acked, failed) = (hubs.clone(), over.clone(), acked.clone(), failed.clone());
        commanding.spawn(async move {
            let mut count = 0;
            while !over.load(Relaxed) {
                count += 1;
                let hub = hubs.lock().unwrap()[count % 3].clone();
                let id = format!("{commander}-{count}");
                let boat = format!("boat-{}", (count * 7 + commander) % clients);
                let command = Tell { command_id: id.clone(), ..tell("go") };
                match hub.execute(&boat, command, Some(Duration::from_secs(2))).await {
                    Ok(_) => acked.lock().unwrap().push(id),
                    Err(error) => {
                        assert!(!reason(&error).is_empty(), "a failure without a reason: {error:?}");
                        failed.fetch_add(1, Relaxed);
                    }
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            count
        });
    }
    until("commands are acknowledged", async || acked.lock().unwrap().len() > 50).await;
    let began = Instant::now();
    for turn in 0.. {
        if began.elapsed() >= lasts {
            break;
        }
        // Without a word to anybody; then another one in its place.
        let fresh = node(&bus).await;
        let killed = std::mem::replace(&mut nodes[turn % 3], fresh);
        *addresses.lock().unwrap() = listed(&nodes);
        *hubs.lock().unwrap() = nodes.each_ref().map(|node| node.hub.clone());
        drop(killed);
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    over.store(true, Relaxed);
    let mut sent = 0;
    while let Some(count) = commanding.join_next().await {
        sent += count.unwrap();
    }
    until("all are back", async || nodes.iter().map(|node| node.hub.len()).sum::<usize>() == clients).await;
    sailing.shutdown().await;
    for node in &nodes {
        node.nothing_left().await;
    }
    let (acked, received) = (acked.lock().unwrap(), received.lock().unwrap());
    assert_eq!(acked.len() + failed.load(Relaxed), sent, "every command has an outcome");
    let lost: Vec<_> = acked.iter().filter(|id| received.get(*id) != Some(&1)).collect();
    assert!(lost.is_empty(), "acknowledged and not received once: {lost:?}");
    assert!(received.values().all(|count| *count == 1), "a command reached a client twice");
    let record = serde_json::json!({
        "test": "nodes-killed", "clients": clients, "seconds": lasts.as_secs(),
        "sent": sent, "acknowledged": acked.len(), "failed": failed.load(Relaxed), "received": received.len(),
    });
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("streaming-results");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("nodes-killed.json"), record.to_string()).unwrap();
}

/// One stream of a client that obeys, until it ends.
async fn sail(address: SocketAddr, name: &str, received: &Mutex<HashMap<String, usize>>) {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let Ok(channel): Result<Channel, _> = endpoint.connect().await else { return };
    let Ok(mut boat) = Boat::open(channel, beat(name)).await else { return };
    while let Ok(Some(told)) = boat.tell.message().await {
        *received.lock().unwrap().entry(told.command_id.clone()).or_default() += 1;
        boat.answer(&told.command_id, "").await;
    }
}
