//! An agent connects, introduces itself, leaves, and what is known of it then.

use demo::{
    apps::crypto_streaming::models::agent,
    pb::crypto::{ClientRegistration, ClientStatus, HeartbeatUpdate, client_message::Payload},
};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait as _, EntityTrait as _, QueryFilter as _,
};
use steeple::{Code, Db, auth::NewUser, stream::Connections};
use tonic_types::StatusExt as _;

use super::{
    agent::{Agent, registration},
    results::Results,
};
use crate::{
    databases::{Database, on_every_database},
    process::until,
    site::Site,
};

/// The row of an agent, once it is as `condition` wants it.
pub async fn row(db: &Db, name: &str, condition: impl Fn(&agent::Model) -> bool) -> agent::Model {
    let mut found = None;
    until("the agent's row is so", async || {
        let row = agent::Entity::find().filter(agent::Column::ClientId.eq(name)).one(db).await.unwrap();
        found = row.filter(|row| condition(row));
        found.is_some()
    })
    .await;
    found.unwrap()
}

on_every_database! {
    async fn an_agent_introduces_itself_and_is_known_when_it_has_left(database: Database) {
        let mut results = Results::of("registration");
        let site = Site::start(database).await;
        results.note("sent", &registration("1.2.3"));
        let agent = Agent::connect(site.tester.clone(), "Agent-1", registration("1.2.3")).await;
        let known = row(site.db(), "Agent-1", |row| row.version == "1.2.3").await;
        results.note("kept", &known);
        assert_eq!((known.name.as_str(), known.kind.as_str()), ("Agent of a test", "test"));
        assert_eq!((known.api_url.as_str(), known.status), ("http://127.0.0.1:1/api", ClientStatus::Active.into()));
        // Introduced again, it is the same agent; in another case, another.
        agent.say(registration("1.2.4")).await;
        assert_eq!(row(site.db(), "Agent-1", |row| row.version == "1.2.4").await.id, known.id);
        let other = Agent::connect(site.tester.clone(), "agent-1", Payload::Heartbeat(HeartbeatUpdate {})).await;
        assert_ne!(row(site.db(), "agent-1", |_| true).await.id, known.id);
        until("both are connected", async || Connections::online().of_service("crypto").count(site.db()).await.unwrap() == 2).await;

        assert_eq!(agent.leave().await.code(), Code::Ok);
        assert_eq!(other.leave().await.code(), Code::Ok);
        until("nobody is connected", async || site.running().sessions() == 0).await;
        let stopped = row(site.db(), "Agent-1", |row| row.status == i32::from(ClientStatus::Stopped)).await;
        results.note("kept", &stopped);
        assert_eq!(stopped.status_details, "closed_by_client");
        // It was away for longer than the grace: back, it works again.
        let agent = Agent::connect(site.tester.clone(), "Agent-1", Payload::Heartbeat(HeartbeatUpdate {})).await;
        row(site.db(), "Agent-1", |row| row.status == i32::from(ClientStatus::Active)).await;
        drop(agent);
        until("nothing is left", async || (site.running().sessions(), site.running().session_tasks()) == (0, 0)).await;
        site.stop().await;
        results.leave();
    }
}

fn beat() -> Payload {
    Payload::Heartbeat(HeartbeatUpdate {})
}

async fn reason(agent: &mut Agent) -> (Code, String) {
    let status = agent.end().await;
    (status.code(), status.get_details_error_info().map(|info| info.reason).unwrap_or_default())
}

async fn names(db: &Db) -> Vec<String> {
    agent::Entity::find().all(db).await.unwrap().into_iter().map(|agent| agent.client_id).collect()
}

#[tokio::test]
async fn a_name_that_did_not_get_in_belongs_to_nobody() {
    let database = Database::sqlite().await.unwrap();
    let site = Site::configured(database, |config| config.streams.max_sessions = 1).await;
    let agent = Agent::connect(site.tester.clone(), "agent", beat()).await;
    row(site.db(), "agent", |_| true).await;
    let mut second = Agent::connect(site.tester.clone(), "second", beat()).await;
    assert_eq!(reason(&mut second).await, (Code::ResourceExhausted, "TOO_MANY_SESSIONS".to_owned()));
    assert_eq!(names(site.db()).await, ["agent"]);
    drop((agent, second));
    site.stop().await;
}

#[tokio::test]
async fn a_user_has_so_many_names_and_no_more() {
    let site = Site::start(Database::sqlite().await.unwrap()).await;
    let agent = Agent::connect(site.tester.clone(), "agent-0", beat()).await;
    let first = row(site.db(), "agent-0", |_| true).await;
    assert_eq!(agent.leave().await.code(), Code::Ok);
    let others = (1..100).map(|number| {
        let mut other = agent::ActiveModel::from(first.clone());
        other.id = NotSet;
        other.client_id = Set(format!("agent-{number}"));
        other
    });
    agent::Entity::insert_many(others).exec_without_returning(site.db()).await.unwrap();
    let mut more = Agent::connect(site.tester.clone(), "agent-100", beat()).await;
    assert_eq!(reason(&mut more).await, (Code::ResourceExhausted, "TOO_MANY_NAMES".to_owned()));
    assert_eq!(names(site.db()).await.len(), 100);
    // Those that they have, they have.
    let agent = Agent::connect(site.tester.clone(), "agent-99", beat()).await;
    assert_eq!(agent.leave().await.code(), Code::Ok);
    drop(more);
    site.stop().await;
}

#[tokio::test]
async fn an_agent_may_change_its_type_as_often_as_it_likes() {
    let site = Site::start(Database::sqlite().await.unwrap()).await;
    let agent = Agent::connect(site.tester.clone(), "agent", beat()).await;
    for number in 0..40 {
        agent
            .say(Payload::Register(ClientRegistration {
                // The last two are of one type.
                client_type: format!("type-{}", number.min(38)),
                version: number.to_string(),
                ..ClientRegistration::default()
            }))
            .await;
    }
    assert_eq!(row(site.db(), "agent", |row| row.version == "39").await.kind, "type-38");
    assert_eq!(agent.leave().await.code(), Code::Ok);
    let mut left = None;
    until("its end is on record", async || {
        let known = Connections::find(site.db(), "crypto", "agent").await.unwrap();
        left = known.filter(|row| row.disconnected_at.is_some());
        left.is_some()
    })
    .await;
    let left = left.unwrap();
    assert_eq!((left.errors, left.last_error), (0, None));
    site.stop().await;
}

#[tokio::test]
async fn a_name_belongs_to_whoever_used_it_first() {
    let site = Site::start(Database::sqlite().await.unwrap()).await;
    let agent = Agent::connect(site.tester.clone(), "agent", beat()).await;
    let owned = row(site.db(), "agent", |_| true).await;
    let owner = site.running.identity().users.by_username("tester").await.unwrap().unwrap();
    assert_eq!(owned.owner_id, i64::from(owner.id));

    // Nobody else has it, connected or not; and nobody has the name of a user, whose wallets it would move.
    let stranger = site.user("stranger", NewUser::default(), &[]).await;
    let stranger = site.logged_in(&stranger).await;
    for name in ["agent", "alice"] {
        let status = Agent::connect(stranger.clone(), name, beat()).await.end().await;
        assert_eq!(
            (status.code(), status.get_details_error_info().unwrap().reason.as_str()),
            (Code::PermissionDenied, "NAME_TAKEN")
        );
    }
    assert_eq!(Agent::connect(stranger, "stranger", beat()).await.leave().await.code(), Code::Ok);
    assert_eq!(agent.leave().await.code(), Code::Ok);

    // A superuser goes by any name, and the name stays whose it is.
    let superuser = site.user("superuser", NewUser { is_superuser: true, ..NewUser::default() }, &[]).await;
    let agent = Agent::connect(site.logged_in(&superuser).await, "agent", registration("2")).await;
    assert_eq!(row(site.db(), "agent", |row| row.version == "2").await.owner_id, owned.owner_id);
    drop(agent);
    site.stop().await;
}
