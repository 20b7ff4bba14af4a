//! Three processes over one broker and one database: one is killed, one is drained, and every command that was given
//! meanwhile has an outcome that is true.

use std::{
    collections::HashMap,
    env,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use demo::{
    apps::crypto_streaming::commands,
    pb::crypto::{
        ClientMessage, CommandAck, DjangoCommand, HeartbeatUpdate, SendCommandRequest, client_message::Payload,
        crypto_streaming_service_client::CryptoStreamingServiceClient,
    },
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, transport::Endpoint};
use tonic_types::StatusExt as _;

use super::{Process, until};
use crate::{
    databases::{Database, skipped},
    site::Credential,
    streaming::results::Results,
};

const AGENTS: usize = 20;

/// What all agents know and have seen.
#[derive(Default)]
struct Seen {
    /// Where they may connect.
    nodes: Mutex<Vec<String>>,
    /// How often each command came.
    commands: Mutex<HashMap<String, usize>>,
    /// How often one was asked to come back later.
    asked_to_return: AtomicUsize,
}

/// An agent that acknowledges every command, and connects to the next node when its stream ends.
async fn agent(number: usize, key: Credential, seen: Arc<Seen>) {
    for turn in number.. {
        let node = {
            let nodes = seen.nodes.lock().unwrap();
            nodes[turn % nodes.len()].clone()
        };
        let ended = stream(&node, &format!("agent-{number}"), key.clone(), &seen).await;
        let asked = ended.get_details_retry_info().and_then(|info| info.retry_delay);
        if asked.is_some() {
            seen.asked_to_return.fetch_add(1, Relaxed);
        }
        tokio::time::sleep(asked.unwrap_or(Duration::from_millis(50))).await;
    }
}

async fn stream(node: &str, name: &str, key: Credential, seen: &Seen) -> Status {
    let Ok(channel) = Endpoint::from_shared(node.to_owned()).unwrap().connect().await else {
        return Status::unavailable("nobody listens");
    };
    let (say, says) = mpsc::channel(64);
    let message =
        |payload| ClientMessage { client_id: name.into(), payload: Some(payload), ..ClientMessage::default() };
    say.send(message(Payload::Heartbeat(HeartbeatUpdate {}))).await.unwrap();
    let mut client = CryptoStreamingServiceClient::new(key.on(channel));
    let mut told = match client.connect_client(ReceiverStream::new(says)).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return status,
    };
    loop {
        match told.message().await {
            Ok(Some(DjangoCommand { command_id, .. })) => {
                *seen.commands.lock().unwrap().entry(command_id.clone()).or_default() += 1;
                let ack = CommandAck { command_id, success: true, ..CommandAck::default() };
                if say.send(message(Payload::CommandAck(ack))).await.is_err() {
                    return Status::cancelled("nobody hears");
                }
            }
            Ok(None) => return Status::ok(""),
            Err(status) => return status,
        }
    }
}

/// Sends every agent a command through this node, all at once.
async fn execute(
    node: &CryptoStreamingServiceClient<crate::site::Identified>,
    number: usize,
    id: String,
) -> CommandAck {
    let command = DjangoCommand { command_id: id, ..commands::ping(1) };
    let id = command.command_id.clone();
    let mut request = Request::new(SendCommandRequest { client_id: format!("agent-{number}"), command: Some(command) });
    request.set_timeout(Duration::from_secs(3));
    match node.clone().execute_command_sync(request).await {
        Ok(outcome) => outcome.into_inner(),
        // On a busy machine the deadline may be over before the answer is there, which is an answer, too.
        Err(status) => CommandAck { command_id: id, error: status.to_string(), ..CommandAck::default() },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_killed_and_one_drained_and_no_command_is_lost_without_a_word() {
    let Ok(broker) = env::var("STEEPLE_TEST_NATS_URL") else { return skipped("STEEPLE_TEST_NATS_URL") };
    let mut results = Results::of("nodes");
    let database = Database::sqlite().await.unwrap();
    let site = format!("demo-{}", uuid::Uuid::new_v4().simple());
    let bus = [("STEEPLE_BUS__URL", broker.as_str()), ("STEEPLE_BUS__SITE", &site), ("STEEPLE_BUS__SETTLE", "0s")];
    // Who commands has no agents of its own.
    let commander = Process::start(&database, &bus);
    let mut nodes = [Process::start(&database, &bus), Process::start(&database, &bus)];
    let key = Credential::key(commander.superuser_key());
    let address = |process: &Process| format!("http://{}", process.address("grpc"));
    let seen = Arc::new(Seen::default());
    *seen.nodes.lock().unwrap() = nodes.iter().map(address).collect();
    let mut agents = JoinSet::new();
    for number in 0..AGENTS {
        agents.spawn(agent(number, key.clone(), seen.clone()));
    }
    let caller = CryptoStreamingServiceClient::new(key.clone().on(commander.channel().await));
    let all_answer = async |what: &str| {
        let count = AtomicUsize::new(0);
        until(what, async || {
            count.fetch_add(1, Relaxed);
            for number in 0..AGENTS {
                let id = format!("{what}-{}-{number}", count.load(Relaxed));
                if !execute(&caller, number, id).await.success {
                    return false;
                }
            }
            true
        })
        .await;
    };
    all_answer("at the start").await;

    let (over, acks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let more_acks = async |what: &str| {
        let enough = acks.load(Relaxed) + 50;
        until(what, async || acks.load(Relaxed) >= enough).await;
    };
    let mut commanding = JoinSet::new();
    for commander in 0..4 {
        let (caller, over, acks) = (caller.clone(), over.clone(), acks.clone());
        commanding.spawn(async move {
            let mut outcomes = vec![];
            while !over.load(Relaxed) {
                let id = format!("{commander}-{}", outcomes.len());
                let outcome = execute(&caller, (outcomes.len() * 7 + commander) % AGENTS, id).await;
                acks.fetch_add(usize::from(outcome.success), Relaxed);
                outcomes.push(outcome);
            }
            outcomes
        });
    }
    more_acks("commands go on before the kill").await;
    results.note("killed", &address(&nodes[0]));
    nodes[0].signal("KILL");
    nodes[0].ended().await;
    all_answer("after the kill").await;
    more_acks("commands go on after the kill").await;
    assert_eq!(seen.asked_to_return.load(Relaxed), 0, "who is killed says nothing");

    nodes[0] = Process::start(&database, &bus);
    *seen.nodes.lock().unwrap() = nodes.iter().map(address).collect();
    results.note("drained", &address(&nodes[1]));
    nodes[1].signal("TERM");
    assert!(nodes[1].ended().await.success(), "{}", nodes[1].said());
    all_answer("after the drain").await;
    more_acks("commands go on after the drain").await;
    assert!(seen.asked_to_return.load(Relaxed) >= AGENTS, "who is drained asks every client to come back");

    over.store(true, Relaxed);
    let (mut acked, mut failed) = (0, HashMap::<String, usize>::new());
    while let Some(outcomes) = commanding.join_next().await {
        let received = seen.commands.lock().unwrap();
        for outcome in outcomes.unwrap() {
            let times = received.get(&outcome.command_id).copied().unwrap_or_default();
            assert!(times <= 1, "{outcome:?} came {times} times");
            if outcome.success {
                assert_eq!(times, 1, "{outcome:?} was acknowledged and never came");
                acked += 1;
            } else {
                assert!(!outcome.error.is_empty(), "a failure without a reason: {outcome:?}");
                *failed.entry(outcome.error).or_default() += 1;
            }
        }
    }
    assert!(acked > 0);
    results.note("acknowledged", &acked);
    results.note("failed", &failed);
    agents.shutdown().await;
    until("nobody is left", async || nodes[0].metric("steeple_stream_sessions") == 0).await;
    results.leave();
}
