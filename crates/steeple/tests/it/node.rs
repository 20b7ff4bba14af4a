//! Servers among each other: each row its own, who lives and who is gone.

use std::time::Duration;

use sea_orm::ConnectionTrait as _;
use steeple::{
    Db,
    node::{About, Config, Figures, Liveness, Node, Served, Server, State, list, migrations},
};

use crate::{
    databases::{Database, on_every_database},
    lines::Lines,
    trial::House,
};

async fn migrated(database: &Database) -> Db {
    let db = database.connect().await;
    steeple::db::migrate::up(&db, &migrations()).await.unwrap();
    db
}

fn about(port: u16) -> About {
    About {
        site: "trial".to_owned(),
        version: "1.2.3".to_owned(),
        grpc: format!("[::]:{port}").parse().unwrap(),
        http: None,
        workers: 4,
        reflection: true,
        health: false,
        services: vec![Served { name: "a.B".to_owned(), app: "a".to_owned(), methods: vec!["C".to_owned()] }],
    }
}

async fn register(db: &Db, port: u16) -> std::sync::Arc<Node> {
    Node::register(db, &Config::default(), about(port), || Figures { in_flight: 3, log_dropped: 2 }).await
}

async fn servers(db: &Db) -> Vec<Server> {
    list(db, &Liveness::by_heartbeat()).await.unwrap()
}

async fn execute(db: &Db, sql: &str) {
    db.execute_unprepared(sql).await.unwrap();
}

/// Sets a server's heartbeat back.
async fn age(db: &Db, instance_id: &str, seconds: i64) {
    use sea_orm::Statement;
    let then = steeple::clock::now() - chrono::TimeDelta::seconds(seconds);
    let sql = match db.backend() {
        sea_orm::DbBackend::Postgres => "UPDATE steeple_server_status SET last_heartbeat = $1 WHERE instance_id = $2",
        _ => "UPDATE steeple_server_status SET last_heartbeat = ? WHERE instance_id = ?",
    };
    let values = [then.into(), instance_id.into()];
    db.execute_raw(Statement::from_sql_and_values(db.backend(), sql, values)).await.unwrap();
}

on_every_database! {
    async fn a_server_tells_all_about_itself(database: Database) {
        let db = migrated(&database).await;
        let node = register(&db, 50051).await;
        let server = servers(&db).await.remove(0);
        assert_eq!(server.instance_id, format!("{}:50051:{}", steeple::node::hostname(), std::process::id()));
        assert_eq!((server.status.as_str(), server.is_running), ("starting", true));
        assert_eq!((server.address.as_str(), server.host.as_str(), server.port), ("[::]:50051", "::", 50051));
        assert_eq!((server.max_workers, server.enable_reflection, server.enable_health_check), (4, true, false));
        assert_eq!((server.in_flight, server.log_dropped, server.version.as_str()), (3, 2, "1.2.3"));
        assert_eq!(server.services, about(1).services);
        for (state, status, lives) in [
            (State::Running, "running", true),
            (State::Stopping, "stopping", true),
            (State::Error("no more".to_owned()), "error", false),
            (State::Running, "error", false),
        ] {
            node.enter(state).await;
            let server = servers(&db).await.remove(0);
            assert_eq!((server.status.as_str(), server.is_running, server.stopped_at.is_some()), (status, lives, !lives));
        }
        assert_eq!(servers(&db).await[0].error_message.as_deref(), Some("no more"));
        db.close().await;
    }

    async fn servers_of_one_address_on_two_hosts_leave_each_other_alone(database: Database) {
        let db = migrated(&database).await;
        register(&db, 50051).await.enter(State::Running).await;
        // The same row as another host would have written it.
        execute(&db, "UPDATE steeple_server_status SET instance_id = 'elsewhere:50051:1', hostname = 'elsewhere', pid = 1").await;
        let other = servers(&db).await.remove(0);
        let here = register(&db, 50051).await;
        here.enter(State::Running).await;
        here.enter(State::Stopped).await;
        let all = servers(&db).await;
        assert_eq!(all.len(), 2);
        let still = all.iter().find(|server| server.hostname == "elsewhere").unwrap();
        assert_eq!((still.status.as_str(), still.is_running), ("running", true));
        assert_eq!((still.last_heartbeat, still.started_at), (other.last_heartbeat, other.started_at));
        db.close().await;
    }

    async fn a_silent_server_is_dead_and_later_forgotten(database: Database) {
        let db = migrated(&database).await;
        let node = register(&db, 50051).await;
        node.enter(State::Running).await;
        let silent = "elsewhere:1:1";
        // The row as another host would have written it; this server writes its own anew.
        execute(&db, &format!("UPDATE steeple_server_status SET instance_id = '{silent}', hostname = 'elsewhere'")).await;
        node.enter(State::Running).await;
        age(&db, silent, 34).await;
        let lives = async |id: &str| servers(&db).await.iter().any(|server| server.instance_id == id && server.is_running);
        assert!(lives(silent).await, "three heartbeats of 10 s and 5 s for the clocks");
        age(&db, silent, 40).await;
        assert!(!lives(silent).await && lives(node.instance_id()).await);
        let dead = servers(&db).await.into_iter().find(|server| server.instance_id == silent).unwrap();
        assert_eq!((dead.status.as_str(), dead.stopped_at), ("running", None));
        age(&db, silent, 31 * 86_400).await;
        let beating = tokio::spawn(node.clone().beat(tokio_util::sync::CancellationToken::new()));
        for _ in 0..500 {
            if servers(&db).await.len() == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        beating.abort();
        assert_eq!(servers(&db).await.len(), 1, "swept; its own row is not");
        db.close().await;
    }
}

on_every_database! {
    /// As containers do that have one host name and are all process 1.
    async fn servers_of_one_instance_id_keep_rows_of_their_own_and_say_so(database: Database) {
        let db = migrated(&database).await;
        let lines = Lines::default();
        let caught = lines.catch();
        let (one, two) = (register(&db, 50051).await, register(&db, 50051).await);
        assert_eq!(one.instance_id(), two.instance_id());
        one.enter(State::Running).await;
        two.enter(State::Stopped).await;
        let all = servers(&db).await;
        let seen: Vec<_> = all.iter().map(|server| (&*server.start_token, &*server.status, server.is_running)).collect();
        assert_eq!(seen, [(one.start_token(), "running", true), (two.start_token(), "stopped", false)]);
        assert_eq!(lines.count("the same host name"), 0, "who ended before is no double");
        age(&db, two.instance_id(), -60).await;
        for _ in 0..2 {
            one.enter(State::Running).await;
        }
        assert_eq!(lines.count("another server has the same host name, port and process id"), 1);
        drop(caught);
        db.close().await;
    }
}

/// A server that has run for long is not left out for those that start over and over.
#[tokio::test]
async fn those_that_live_are_listed_before_a_thousand_that_are_gone() {
    let database = Database::sqlite().await.unwrap();
    let db = migrated(&database).await;
    let node = register(&db, 50051).await;
    node.enter(State::Running).await;
    let rest = "start_token, site, version, host, port, address, http_address, pid, hostname, status, error_message, max_workers, \
                enable_reflection, enable_health_check, registered_services, in_flight, log_dropped, heartbeat_seconds";
    let copies = format!(
        "INSERT INTO steeple_server_status (instance_id, {rest}, started_at, last_heartbeat, stopped_at)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
         SELECT 'gone:' || i, {rest}, ?, ?, ? FROM n, steeple_server_status"
    );
    let ago = |minutes| steeple::clock::now() - chrono::TimeDelta::minutes(minutes);
    let values = [ago(10).into(), ago(9).into(), ago(9).into()];
    db.execute_raw(sea_orm::Statement::from_sql_and_values(db.backend(), &copies, values)).await.unwrap();
    let old = "UPDATE steeple_server_status SET started_at = ? WHERE instance_id = ?";
    let values = [ago(60).into(), node.instance_id().into()];
    db.execute_raw(sea_orm::Statement::from_sql_and_values(db.backend(), old, values)).await.unwrap();
    let all = servers(&db).await;
    assert_eq!((&*all[0].instance_id, all[0].is_running, all.len()), (node.instance_id(), true, 1000));
    let events = steeple::node::events(&db, &Liveness::by_heartbeat(), ago(120)).await.unwrap();
    assert!(events.iter().any(|event| event.instance_id == node.instance_id()), "its start is among them");
    db.close().await;
}

#[tokio::test]
async fn a_deleted_row_comes_back_with_the_next_heartbeat() {
    let house = House::configured(|config| config.node.heartbeat_interval = Duration::from_secs(1)).await;
    let db = house.running.db();
    assert_eq!(servers(db).await[0].status, "running");
    execute(db, "DELETE FROM steeple_server_status").await;
    for _ in 0..500 {
        if servers(db).await.len() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never came back");
}

#[tokio::test]
async fn a_server_that_ends_says_so() {
    let house = House::open().await;
    let url = house.config.database.clone();
    let address = house.running.grpc;
    let (running, folder) = house.into_parts();
    running.stop().await;
    let db = Db::connect(&url, 1).await.unwrap();
    let server = servers(&db).await.remove(0);
    assert_eq!((server.status.as_str(), server.is_running), ("stopped", false));
    assert_eq!(server.address, address.to_string());
    db.close().await;
    drop(folder);
}

/// In development, and on this host, a process that is gone is gone at once, whatever its row says.
#[tokio::test]
async fn a_dead_process_is_seen_before_its_heartbeat_is_missed() {
    let database = Database::sqlite().await.unwrap();
    let db = migrated(&database).await;
    register(&db, 50051).await.enter(State::Running).await;
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let lives = async |liveness: Liveness| list(&db, &liveness).await.unwrap()[0].is_running;
    assert!(lives(Liveness::by_process()).await);
    execute(&db, &format!("UPDATE steeple_server_status SET pid = {pid}")).await;
    assert!(!lives(Liveness::by_process()).await);
    assert!(lives(Liveness::by_heartbeat()).await, "in production only the heartbeat counts");
    execute(&db, "UPDATE steeple_server_status SET hostname = 'elsewhere'").await;
    assert!(lives(Liveness::by_process()).await, "another host's processes cannot be asked for");
}
