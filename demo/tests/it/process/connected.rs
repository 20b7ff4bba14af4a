//! Connected clients as an operator sees them: the commands `connections` and `send`, `wallet-agent`, and a drain.

use std::{
    env,
    process::{Command, Stdio},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use demo::agent::{Settings, Tally, run};
use serde_json::Value;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::{Process, command, json, text, until};
use crate::databases::Database;

/// A command that must succeed, and what it prints as JSON.
fn done(database: &Database, arguments: &[&str]) -> Value {
    let output = command(&env::temp_dir(), database.url(), arguments).arg("--json").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    json(&output)
}

/// A command that must fail, and why it says it did.
fn failed(database: &Database, arguments: &[&str]) -> String {
    let output = command(&env::temp_dir(), database.url(), arguments).arg("--json").output().unwrap();
    assert!(!output.status.success(), "{arguments:?}: {}", text(&output.stdout));
    json(&output)["error"].as_str().unwrap().to_owned()
}

async fn agents(process: &Process, count: usize) -> (JoinSet<tonic::Status>, Arc<Tally>) {
    let channel = Channel::from_shared(format!("http://{}", process.address("grpc"))).unwrap().connect_lazy();
    let (mut agents, tally) = (JoinSet::new(), Arc::new(Tally::default()));
    for number in 0..count {
        let settings = Settings {
            name: format!("agent-{number}"),
            report_every: Duration::from_secs(1),
            heartbeat_every: None,
            api_key: Some(process.superuser_key().parse().unwrap()),
        };
        agents.spawn(run(channel.clone(), settings, tally.clone()));
    }
    until("they are connected", async || tally.connected.load(Relaxed) == count as u64).await;
    (agents, tally)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_clients_and_commands_them() {
    let database = Database::sqlite().await.unwrap();
    let process = Process::start(&database, &[("STEEPLE_STREAMS__FLUSH_INTERVAL", "50ms")]);
    let (agents, tally) = agents(&process, 3).await;
    let mut online = Value::Null;
    until("all are listed", async || {
        online = done(&database, &["connections"]);
        online.as_array().unwrap().len() == 3
    })
    .await;
    let client = &online[0];
    assert_eq!((&client["service"], &client["status"]), (&"crypto".into(), &"connected".into()), "{client}");
    assert!(client["client_id"].as_str().unwrap().starts_with("agent-") && client["connected_at"].is_string());

    let (server, key) = (format!("http://{}", process.address("grpc")), process.superuser_key());
    let send = |arguments: &[&str]| {
        [&["send"], arguments, &["--server", &server, "--api-key", key]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let run = |arguments: Vec<String>| done(&database, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let refuse = |arguments: Vec<String>| failed(&database, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let ack = run(send(&["agent-1", r#"{"ping":{"sequence":7}}"#]));
    assert_eq!((&ack["success"], &ack["message"]), (&true.into(), &"pong 7".into()), "{ack}");
    assert_eq!(ack["current_status"], "CLIENT_STATUS_ACTIVE");
    let before = tally.commands.load(Relaxed);
    assert_eq!(run(send(&["*", r#"{"request_status":{}}"#]))["success"], true);
    until("all have obeyed", async || tally.commands.load(Relaxed) >= before + 3).await;
    assert_eq!(refuse(send(&["nobody", r#"{"ping":{}}"#])), "CLIENT_NOT_CONNECTED: client nobody is not connected");
    assert!(refuse(send(&["agent-1", r#"{"pong":{}}"#])).contains("unrecognized field name 'pong'"));
    assert!(refuse(send(&["agent-1", "ping"])).contains("no JSON"));
    assert!(refuse(send(&["agent-1", "{}"])).starts_with("InvalidArgument"));
    let other = refuse(send(&["agent-1", "{}", "--service", "crypto.CryptoService"]));
    assert!(
        other.ends_with("has a method ExecuteCommandSync; these have it: crypto.CryptoStreamingService"),
        "{other}"
    );
    let short = &["agent-1", r#"{"ping":{}}"#, "--service", "CryptoStreamingService"];
    assert_eq!(run(send(short))["success"], true);
    let stranger = failed(&database, &["send", "agent-1", r#"{"ping":{}}"#, "--server", &server]);
    assert!(stranger.starts_with("Unauthenticated"), "{stranger}");
    let away = failed(&database, &["send", "agent-1", "{}", "--server", "http://127.0.0.1:1"]);
    assert!(away.starts_with("no server answers at http://127.0.0.1:1"), "{away}");

    drop(agents);
    until("they are gone", async || done(&database, &["connections"]).as_array().unwrap().is_empty()).await;
    assert_eq!(done(&database, &["connections", "--all"]).as_array().unwrap().len(), 3);
    let known = done(&database, &["connections", "agent-2"]);
    assert_eq!(known[0]["client"]["client_id"], "agent-2");
    assert!(known[0]["events"].as_array().unwrap().iter().any(|event| event["kind"] == "connected"));
    assert_eq!(failed(&database, &["connections", "nobody"]), "no client nobody is known");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_tells_clients_to_connect_again_and_they_do() {
    let database = Database::sqlite().await.unwrap();
    let mut process = Process::start(&database, &[]);
    let (_agents, tally) = agents(&process, 10).await;
    process.signal("TERM");
    assert!(process.ended().await.success(), "{}", process.said());
    until("all streams have ended", async || tally.ends.load(Relaxed) >= 10).await;
    let rows = process.rows().await;
    let of_agents: Vec<_> = rows.iter().filter(|row| row.method_name == "ConnectClient").collect();
    assert_eq!(of_agents.len(), 10);
    for row in of_agents {
        assert_eq!(row.error_message.as_deref(), Some("the server is about to stop, connect again"));
        assert!(row.request_messages >= 4 && row.completed_at.is_some());
    }
    assert!(done(&database, &["connections"]).as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wallet_agents_connect_as_a_program() {
    let database = Database::sqlite().await.unwrap();
    let process = Process::start(&database, &[("STEEPLE_STREAMS__FLUSH_INTERVAL", "50ms")]);
    let server = format!("http://{}", process.address("grpc"));
    let mut program = Command::new(env!("CARGO_BIN_EXE_wallet-agent"));
    let stranger = Command::new(env!("CARGO_BIN_EXE_wallet-agent")).args(["--server", &server]).output().unwrap();
    let why = text(&stranger.stderr);
    assert!(!stranger.status.success() && why.contains("--api-key"), "{why}");
    program.args(["--clients", "5", "--server", &server, "--name", "program"]).stdout(Stdio::null());
    program.env("WALLET_AGENT_API_KEY", process.superuser_key());
    let mut program = program.spawn().unwrap();
    until("all are listed", async || done(&database, &["connections"]).as_array().unwrap().len() == 5).await;
    program.kill().unwrap();
    program.wait().unwrap();
    until("they are gone", async || done(&database, &["connections"]).as_array().unwrap().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_whose_process_has_stopped_are_found_out_and_come_back() {
    let database = Database::sqlite().await.unwrap();
    let process = Process::start(
        &database,
        &[
            ("STEEPLE_STREAMS__FLUSH_INTERVAL", "50ms"),
            ("STEEPLE_SETTINGS__CRYPTO_STREAMING__HEARTBEAT_INTERVAL", "200ms"),
            ("STEEPLE_SETTINGS__CRYPTO_STREAMING__HEARTBEAT_TIMEOUT", "2s"),
            ("STEEPLE_SETTINGS__CRYPTO_STREAMING__CLIENT_DISCONNECT_GRACE", "0s"),
        ],
    );
    let server = format!("http://{}", process.address("grpc"));
    let mut program = Command::new(env!("CARGO_BIN_EXE_wallet-agent"));
    program.args(["--clients", "3", "--server", &server]).stdout(Stdio::null());
    let mut program = program.env("WALLET_AGENT_API_KEY", process.superuser_key()).spawn().unwrap();
    let signal = |name: &str| {
        assert!(Command::new("kill").args(["-s", name, &program.id().to_string()]).status().unwrap().success());
    };
    let online = || done(&database, &["connections"]).as_array().unwrap().len();
    until("all are listed", async || online() == 3).await;
    // Its connection stays open, and the system goes on taking what it is sent.
    signal("STOP");
    until("they are found out", async || online() == 0).await;
    let known = done(&database, &["connections", "--all"]);
    for client in known.as_array().unwrap() {
        assert_eq!((&client["status"], &client["cause"]), (&"disconnected".into(), &"heartbeat_lost".into()));
    }
    assert_eq!(process.metric("steeple_stream_sessions"), 0);
    signal("CONT");
    until("they are back", async || online() == 3).await;
    program.kill().unwrap();
    program.wait().unwrap();
}
