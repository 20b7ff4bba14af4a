//! What is kept of clients in the database, on every database.

use std::time::Duration;

use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, ConnectionTrait as _, DbBackend, IntoActiveModel as _};
use steeple::{
    Db,
    stream::{Connection, Connections, EventKind, Status, StreamingConfig},
};

use super::fleet::{Boat, Boats, streaming, until};
use crate::{
    caches::counter,
    databases::{Database, on_every_database},
    trial::{
        self,
        pb::fleet::v1::{Beat, Do, Say, Tell, say::Payload},
    },
};
use steeple::{Server, server::Running, stream::Hub};

/// A server over this database, and its hub.
async fn node(database: &Database, streaming: StreamingConfig) -> (Running, Hub<Boats>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = trial::config(&folder, |config| {
        config.database = database.config();
        config.streams.flush_interval = Duration::from_millis(20);
        config.streams.refresh_interval = Duration::from_millis(50);
    });
    let (site, hub) = super::fleet::site(streaming);
    let running = Server::new(site).start(config).await.unwrap();
    (running, hub.get().unwrap().clone(), folder)
}

async fn boat(running: &Running, name: &str) -> Boat {
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", running.grpc)).unwrap();
    let first = Say { client_id: name.into(), payload: Some(Payload::Beat(Beat {})) };
    Boat::open(channel.connect().await.unwrap(), first).await.unwrap()
}

async fn row(db: &Db, client: &str, condition: impl Fn(&Connection) -> bool) -> Connection {
    let mut found = None;
    until(&format!("the row of {client} is so"), async || {
        found = Connections::find(db, "fleet", client).await.unwrap().filter(|row| condition(row));
        found.is_some()
    })
    .await;
    found.unwrap()
}

/// Rows and events that were not written.
fn dropped(running: &Running) -> u64 {
    counter(running.metrics(), "steeple_connection_log_dropped_total")
}

on_every_database! {
    async fn a_client_has_a_row_and_a_history(database: Database) {
        let pinging = StreamingConfig { enable_ping: true, ping_interval: Duration::from_millis(30), ..streaming() };
        let (running, hub, _folder) = node(&database, pinging).await;
        let db = running.db().clone();
        let boat = boat(&running, "Ada 漢字 %_").await;
        let row_of = async |condition: &dyn Fn(&Connection) -> bool| row(&db, "Ada 漢字 %_", condition).await;
        let open = row_of(&|_| true).await;
        assert_eq!((open.status.as_str(), open.cause.as_deref(), open.principal.as_str()), ("connected", None, ""));
        assert!(open.address.unwrap().starts_with("127.0.0.1:") && open.node.contains(':') && open.disconnected_at.is_none());
        boat.ask(Do { text: "2.7.1".into(), fail: true, ..Do::default() }).await;
        let obeying = boat.obeying();
        let fresh = row_of(&|row| row.version == "2.7.1" && row.round_trip_us.is_some() && row.errors == 1).await;
        assert!(fresh.messages_received >= 3 && fresh.commands_sent >= 1 && fresh.session == open.session);
        assert_eq!(fresh.last_error.as_deref(), Some("do: told to fail: secret-4711"));
        assert!(fresh.last_seen_at >= fresh.connected_at && fresh.is_online(steeple::clock::now()));

        // A late ack is on record.
        let late = Tell { command_id: "late".into(), ..Tell::default() };
        hub.session("Ada 漢字 %_").unwrap().end(steeple::Error::aborted("enough"));
        obeying.await.unwrap();
        let _ = hub.execute("Ada 漢字 %_", late, None).await;
        let gone = row_of(&|row| row.status == "disconnected").await;
        assert_eq!((gone.id, gone.cause.as_deref()), (open.id, Some("ended")));
        assert!(gone.disconnected_at.unwrap() >= gone.connected_at);
        until("the history is written", async || {
            Connections::events(&db, "fleet", "Ada 漢字 %_", 10).await.unwrap().len() == 3
        })
        .await;
        let events = Connections::events(&db, "fleet", "Ada 漢字 %_", 10).await.unwrap();
        let kinds: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.cause.as_deref())).collect();
        assert_eq!(kinds, [("offline", Some("ended")), ("disconnected", Some("ended")), ("connected", None)]);
        assert!(events.iter().all(|event| event.session == open.session));
        running.stop().await;
    }

    async fn clients_are_found_by_what_is_known_of_them(database: Database) {
        let (running, _hub, _folder) = node(&database, streaming()).await;
        let db = running.db().clone();
        let mut boats = vec![];
        for name in ["a-1", "a-2", "A-3", "a_4", "b-1"] {
            boats.push(boat(&running, name).await);
        }
        boats.remove(0);
        row(&db, "a-1", |row| row.status == "disconnected").await;
        until("four are online", async || Connections::online().count(&db).await.unwrap() == 4).await;
        let names = async |question: Connections| {
            let mut names: Vec<_> =
                question.all(&db).await.unwrap().into_iter().map(|row| row.client_id).collect();
            names.sort();
            names
        };
        assert_eq!(names(Connections::known()).await, ["A-3", "a-1", "a-2", "a_4", "b-1"]);
        assert_eq!(names(Connections::known().named("a-")).await, ["a-1", "a-2"]);
        assert_eq!(names(Connections::online().named("a_")).await, ["a_4"]);
        assert_eq!(names(Connections::known().with_status(Status::Disconnected)).await, ["a-1"]);
        assert_eq!(names(Connections::known().of_service("other")).await, [""; 0]);
        assert_eq!(names(Connections::known().of_user(1)).await, [""; 0]);
        let node = Connections::find(&db, "fleet", "b-1").await.unwrap().unwrap().node;
        assert_eq!(Connections::online().at_node(&node).count(&db).await.unwrap(), 4);
        let page = Connections::known().limit(2).all(&db).await.unwrap();
        let next = Connections::known().limit(2).before(page[1].id).all(&db).await.unwrap();
        assert!(page[0].id > page[1].id && page[1].id > next[0].id && next[0].id > next[1].id);
        drop(boats);
        running.stop().await;
        let db = database.connect().await;
        assert_eq!(Connections::online().count(&db).await.unwrap(), 0, "a node that stopped says so");
        db.close().await;
    }

    async fn a_client_that_moved_belongs_to_its_new_node(database: Database) {
        let (one, _one_hub, _one_folder) = node(&database, streaming()).await;
        let (two, _two_hub, _two_folder) = node(&database, streaming()).await;
        let db = one.db().clone();
        let first = boat(&one, "ada").await;
        let before = row(&db, "ada", |row| row.status == "connected").await;
        let _second = boat(&two, "ada").await;
        let after = row(&db, "ada", |row| row.session != before.session).await;
        assert_eq!((after.id, after.status.as_str()), (before.id, "connected"));
        assert_ne!(after.node, before.node);
        // The old node hears of the end later, and its word counts no more.
        drop(first);
        until("the old session's end is written", async || {
            Connections::events_of(&db, "fleet", EventKind::Disconnected, 10).await.unwrap().len() == 1
        })
        .await;
        let still = row(&db, "ada", |_| true).await;
        assert_eq!((still.session, still.status.as_str()), (after.session, "connected"));
        one.stop().await;
        two.stop().await;
    }

    async fn late_acks_and_timeouts_are_on_record(database: Database) {
        let (running, hub, _folder) = node(&database, streaming()).await;
        let db = running.db().clone();
        let mut boat = boat(&running, "ada").await;
        until("it is connected", async || hub.is_connected("ada")).await;
        let command = Tell { command_id: "slow".into(), ..Tell::default() };
        hub.execute("ada", command, Some(Duration::from_millis(30))).await.unwrap_err();
        boat.next().await;
        boat.answer("slow", "too much wind").await;
        until("both are on record", async || {
            let events = Connections::events(&db, "fleet", "ada", 10).await.unwrap();
            let of = |kind: EventKind| events.iter().find(|event| event.kind == kind.as_str()).and_then(|event| event.detail.clone());
            of(EventKind::CommandTimeout).is_some_and(|detail| detail.starts_with("command slow: no ack"))
                && of(EventKind::LateAck).is_some_and(|detail| detail.starts_with("command slow: failed: too much wind, "))
        })
        .await;
        drop(boat);
        running.stop().await;
    }

    async fn what_a_client_says_is_written_whatever_it_says(database: Database) {
        let (running, hub, _folder) = node(&database, streaming()).await;
        let db = running.db().clone();
        let mut boat = boat(&running, "ada").await;
        until("it is connected", async || hub.is_connected("ada")).await;
        // No text of PostgreSQL has a NUL.
        boat.ask(Do { text: "2.7\0.1".into(), fail: true, ..Do::default() }).await;
        let command = Tell { command_id: "slow\0".into(), ..Tell::default() };
        hub.execute("ada", command, Some(Duration::from_millis(30))).await.unwrap_err();
        boat.next().await;
        boat.answer("slow\0", "\0").await;
        row(&db, "ada", |row| row.version == "2.7\u{fffd}.1").await;
        until("the ack is on record", async || {
            let events = Connections::events(&db, "fleet", "ada", 10).await.unwrap();
            events.iter().any(|event| event.kind == EventKind::LateAck.as_str())
        })
        .await;
        drop(boat);
        running.stop().await;
    }

    async fn a_burst_of_clients_is_written_whole(database: Database) {
        let (running, hub, _folder) = node(&database, streaming()).await;
        let db = running.db().clone();
        let channel = tonic::transport::Channel::from_shared(format!("http://{}", running.grpc)).unwrap().connect().await.unwrap();
        let mut boats = vec![];
        for number in 0..150 {
            let first = Say { client_id: format!("boat-{number}"), payload: Some(Payload::Beat(Beat {})) };
            boats.push(Boat::open(channel.clone(), first).await.unwrap());
        }
        until("all are connected", async || hub.len() == 150).await;
        until("all have rows", async || Connections::online().count(&db).await.unwrap() == 150).await;
        drop(boats);
        until("all have left", async || {
            Connections::known().with_status(Status::Disconnected).count(&db).await.unwrap() == 150
        })
        .await;
        running.stop().await;
    }
    async fn what_the_database_refuses_keeps_nothing_else_from_being_written(database: Database) {
        let (running, _hub, _folder) = node(&database, streaming()).await;
        let db = running.db().clone();
        for table in ["steeple_connection", "steeple_connection_event"] {
            let refuse = match db.backend() {
                DbBackend::Sqlite => format!(
                    "CREATE TRIGGER {table}_no_bad BEFORE INSERT ON {table} WHEN NEW.client_id = 'bad'
                     BEGIN SELECT RAISE(ABORT, 'no bad ones'); END"
                ),
                _ => format!("ALTER TABLE {table} ADD CONSTRAINT {table}_no_bad CHECK (client_id <> 'bad')"),
            };
            db.execute_unprepared(&refuse).await.unwrap();
        }
        // Refused, and offered again with every refresh.
        let bad = boat(&running, "bad").await;
        let mut boats = vec![];
        for number in 0..20 {
            boats.push(boat(&running, &format!("good-{number}")).await);
        }
        until("the others have rows", async || {
            Connections::online().named("good-").count(&db).await.unwrap() == 20
        })
        .await;
        until("the others have a history", async || {
            Connections::events_of(&db, "fleet", EventKind::Connected, 100).await.unwrap().len() == 20
        })
        .await;
        until("what was dropped is counted", async || dropped(&running) >= 2).await;
        assert!(Connections::find(&db, "fleet", "bad").await.unwrap().is_none());
        drop((bad, boats));
        running.stop().await;
    }
    async fn the_row_of_a_client_in_its_grace_is_believed_for_all_of_it(database: Database) {
        let grace = Duration::from_mins(10);
        let patient = StreamingConfig { client_disconnect_grace: grace, ..streaming() };
        let (running, _hub, _folder) = node(&database, patient).await;
        let db = running.db().clone();
        let boat = boat(&running, "ada").await;
        let open = row(&db, "ada", |row| row.status == "connected").await;
        assert!(open.valid_until < steeple::clock::now() + grace);
        drop(boat);
        let away = row(&db, "ada", |row| row.status == "reconnecting").await;
        assert!(away.valid_until > away.disconnected_at.unwrap() + grace);
        running.stop().await;
    }
    async fn a_clock_that_was_ahead_does_not_hide_who_is_connected_now(database: Database) {
        let (running, _hub, _folder) = node(&database, streaming()).await;
        let db = running.db().clone();
        let boat = boat(&running, "ada").await;
        let open = row(&db, "ada", |row| row.status == "connected").await;
        // What a node wrote whose clock is an hour ahead, and that the client has left.
        let ahead = open.connected_at + Duration::from_hours(1);
        let mut other = open.clone().into_active_model();
        other.session = Set("another".to_owned());
        other.status = Set("disconnected".to_owned());
        other.connected_at = Set(ahead);
        other.update(&db).await.unwrap();
        let back = row(&db, "ada", |row| row.session == open.session).await;
        assert_eq!((back.status.as_str(), back.connected_at), ("connected", open.connected_at));
        // Of two that say it is connected to them, the later has it.
        let mut other = back.into_active_model();
        other.session = Set("another".to_owned());
        other.connected_at = Set(ahead);
        other.update(&db).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(row(&db, "ada", |_| true).await.session, "another");
        drop(boat);
        running.stop().await;
    }
}
