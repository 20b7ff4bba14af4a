//! Several servers on one database: what they count adds up, and each tells of itself alone.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use steeple::{
    Db,
    node::{Liveness, Server, list},
    record::stats::Question,
};

use super::{Process, command, get_coin, json, text, until};
use crate::databases::Database;

const QUICK: [(&str, &str); 1] = [("STEEPLE_NODE__HEARTBEAT_INTERVAL", "1s")];

async fn servers(db: &Db) -> Vec<Server> {
    list(db, &Liveness::by_heartbeat()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_add_up_and_a_killed_one_is_seen_to_be_gone() {
    let Some(database) = Database::postgres().await else { return };
    let mut processes: Vec<_> = (0..3).map(|_| Process::start(&database, &QUICK)).collect();
    for (index, process) in processes.iter().enumerate() {
        let mut client = process.client().await;
        for call in 0..=index * 10 {
            get_coin(&mut client, &format!("{index}-{call}")).await.unwrap();
        }
    }
    let db = database.connect().await;
    until("all calls are counted", async || {
        Question::last(1).unwrap().statistics(&db).await.unwrap().total == 1 + 11 + 21
    })
    .await;
    let before = servers(&db).await;
    assert_eq!(before.iter().filter(|server| server.is_running).count(), 3);
    let service = before[0].services.iter().find(|service| service.name == "crypto.CryptoService").unwrap();
    assert!(service.methods.contains(&"GetCoin".to_owned()), "{service:?}");

    let killed = processes.remove(1);
    let of = |process: &Process| process.report["grpc"].as_str().unwrap().to_owned();
    let address = of(&killed);
    killed.signal("KILL");
    until("its heartbeat is missed", async || {
        servers(&db).await.iter().any(|server| server.address == address && !server.is_running)
    })
    .await;
    let after = servers(&db).await;
    for server in &after {
        let known = before.iter().find(|known| known.instance_id == server.instance_id).unwrap();
        assert_eq!((server.started_at, &server.status, server.stopped_at), (known.started_at, &known.status, None));
        assert_eq!(server.is_running, server.address != address);
    }
    assert_eq!((after.len(), Question::last(1).unwrap().statistics(&db).await.unwrap().total), (3, 33));

    let mut first = processes.remove(0);
    first.signal("TERM");
    assert!(first.ended().await.success());
    let ended = servers(&db).await.into_iter().find(|server| server.address == of(&first)).unwrap();
    assert_eq!((ended.status.as_str(), ended.is_running), ("stopped", false));
    let still = servers(&db).await.into_iter().find(|server| server.address == of(&processes[0])).unwrap();
    assert!(still.is_running, "{still:?}");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_terminal_shows_the_same_figures() {
    let database = Database::sqlite().await.unwrap();
    let process = Process::start(&database, &[]);
    let mut client = process.client().await;
    for call in 0..5 {
        get_coin(&mut client, &format!("call-{call}")).await.unwrap();
    }
    until("the rows are written", async || process.rows().await.len() == 5).await;
    let stats = |arguments: &[&str]| {
        let arguments = [&["stats"], arguments, &["--json"]].concat();
        let output = command(&std::env::temp_dir(), database.url(), &arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        json(&output)
    };
    assert_eq!(stats(&[])["total"], 5);
    assert_eq!(stats(&["services"])[0]["total"], 5);
    assert_eq!(stats(&["services", "--service", "no.Such"]), serde_json::json!([]));
    let timeline = stats(&["timeline", "--hours", "2", "--interval", "minute"]);
    assert_eq!(timeline["buckets"].as_array().unwrap().len(), 121);
    assert_eq!(stats(&["errors"])["total_errors"], 0);
    assert_eq!(stats(&["slowest", "--limit", "2"]).as_array().unwrap().len(), 2);
    assert_eq!((stats(&["users"]), stats(&["keys"])), (serde_json::json!([]), serde_json::json!([])));
    let server = &stats(&["servers"])[0];
    assert_eq!((&server["is_running"], &server["address"]), (&true.into(), &process.report["grpc"]));
    for what in ["methods", "services", "timeline", "errors", "slowest", "users", "keys", "servers"] {
        let output = command(&std::env::temp_dir(), database.url(), &["stats", what]).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{what}");
    }
    let too_long = ["stats", "timeline", "--hours", "25", "--interval", "minute"];
    let refused = command(&std::env::temp_dir(), database.url(), &too_long).output().unwrap();
    assert!(!refused.status.success() && text(&refused.stderr).contains("must be between 1 and 24 by minute"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_followed() {
    let database = Database::sqlite().await.unwrap();
    let process = Process::start(&database, &[]);
    let mut client = process.client().await;
    get_coin(&mut client, "before").await.unwrap();
    until("the row is written", async || process.rows().await.len() == 1).await;
    let mut follow = command(&std::env::temp_dir(), database.url(), &["logs", "--follow", "--json"]);
    let mut follow = follow.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (told, hears) = std::sync::mpsc::channel();
    let stdout = BufReader::new(follow.stdout.take().unwrap());
    std::thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| told.send(line).is_ok()));
    // Nobody says when it has begun to look, so calls go on until one is seen.
    let mut line = None;
    until("a call is shown", async || {
        get_coin(&mut client, "after").await.unwrap();
        line = hears.try_recv().ok();
        line.is_some()
    })
    .await;
    let row: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
    assert_eq!((&row["request_id"], &row["method_name"]), (&"after".into(), &"GetCoin".into()));
    let told = std::process::Command::new("kill").args(["-s", "TERM", &follow.id().to_string()]).status().unwrap();
    assert!(told.success() && follow.wait().unwrap().success());
}
