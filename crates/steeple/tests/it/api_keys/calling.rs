//! Calls with keys, through real clients.

use std::sync::Arc;

use steeple::{
    Access, App, Server, Site,
    auth::Secret,
    config::Environment,
    record::RequestLog,
    server::{Running, StartError},
};
use tempfile::TempDir;
use tonic::{Request, Status, metadata::MetadataValue, transport::Channel};

use super::*;
use crate::{
    databases::on_every_database,
    trial::{
        self, DESCRIPTORS, Trial,
        pb::trial::v1::{self as v1, Order, trial_client::TrialClient},
    },
};

const SECRET: &str = "the-secret-key-of-this-site-with-32-bytes";

struct House {
    running: Running,
    _folder: TempDir,
    database: Database,
}

/// Unary is for who is logged in, Old for the scope `old:call`, Nothing for everybody.
fn app() -> App {
    App::new("first")
        .service("trial.v1.Trial", "Trial", "here", |_| Ok(v1::trial(Trial)))
        .access("trial.v1.Trial/Nothing", Access::Public)
        .access("trial.v1.Trial/Old", Access::scope("old:call"))
}

async fn start(
    database: &Database,
    configure: impl FnOnce(&mut steeple::Config),
) -> (Result<Running, StartError>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = trial::config(&folder, |config| {
        config.database = database.config();
        config.auth.public_methods = vec![];
        configure(config);
    });
    let mut site = Site::new("trial", "0.0.0", DESCRIPTORS);
    site.app(app());
    (Server::new(site).start(config).await, folder)
}

impl House {
    async fn open(database: Database) -> Self {
        Self::with(database, |_| ()).await
    }

    async fn with(database: Database, configure: impl FnOnce(&mut steeple::Config)) -> Self {
        furnished(&database).await.close().await;
        let (running, folder) = start(&database, configure).await;
        Self { running: running.expect("the server starts"), _folder: folder, database }
    }

    fn keys(&self) -> &ApiKeys {
        &self.running.identity().keys
    }

    async fn client(&self) -> TrialClient<Channel> {
        let address = format!("http://{}", self.running.grpc);
        TrialClient::new(Channel::from_shared(address).unwrap().connect().await.expect("the server answers"))
    }

    /// Drains; gives a connection to what is there then.
    async fn close(self) -> (Db, Database) {
        self.running.stop().await;
        (self.database.connect().await, self.database)
    }
}

fn with<T>(key: impl AsRef<[u8]>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-api-key", MetadataValue::try_from(key.as_ref()).expect("a header"));
    request
}

async fn call(client: &mut TrialClient<Channel>, key: impl AsRef<[u8]>) -> Result<(), Status> {
    client.unary(with(key, Order::default())).await.map(drop)
}

fn code(result: Result<(), Status>) -> Code {
    result.map_or_else(|status| status.code(), |()| Code::Ok)
}

on_every_database! {
    async fn a_call_with_a_key_is_its_users_and_shows_both_in_its_row(database: Database) {
        let house = House::open(database).await;
        let NewKey { row, text } = made(house.keys(), "one").await;
        let mut client = house.client().await;
        call(&mut client, text.expose()).await.unwrap();
        call(&mut client, text.expose()).await.unwrap();
        let (db, _database) = house.close().await;
        let rows = RequestLog::all_time().all(&db).await.unwrap();
        assert_eq!(rows.len(), 2);
        for call in rows {
            assert_eq!((call.user_id, call.api_key_id, call.is_authenticated), (Some(ALICE), Some(row.id), true));
        }
        assert_eq!(number(&db, "SELECT request_count FROM steeple_api_key").await, 2, "written at the end at the latest");
    }

    async fn what_is_no_good_key_is_refused_and_has_a_row(database: Database) {
        let house = House::open(database).await;
        let keys = house.keys();
        let good = made(keys, "good").await.text;
        let revoked = made(keys, "revoked").await;
        keys.revoke(revoked.row.id).await.unwrap();
        let foreign = made(&lasting(&furnished(&Database::sqlite().await.unwrap()).await), "foreign").await.text;
        let short = chrono::TimeDelta::milliseconds(1);
        let expired = keys.create(NewApiKey { expires_at: Some(clock::now() + short), ..new("expired") }).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
        let mut client = house.client().await;
        let wrong = [
            String::new(), " ".to_owned(), "x".to_owned(), "stp_".to_owned(), "k".repeat(4_000),
            revoked.text.expose().to_owned(), foreign.expose().to_owned(), expired.text.expose().to_owned(),
            format!("{}x", good.expose()), format!("Bearer {}", good.expose()), good.expose().to_lowercase(),
            format!("{}{}", &good.expose()[..13], &foreign.expose()[13..]), SECRET.to_owned(),
        ];
        let mut calls = 0;
        for text in &wrong {
            let status = call(&mut client, text).await.expect_err("a wrong key");
            assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "the api key is not valid"), "{text}");
            // Nor is it nobody's call where anybody may.
            assert_eq!(client.nothing(with(text, ())).await.expect_err("a wrong key").code(), Code::Unauthenticated);
            calls += 2;
        }
        let status = call(&mut client, b"sch\xfcssel").await.expect_err("not ASCII");
        assert_eq!(status.code(), Code::Unauthenticated);
        let mut twice = with(good.expose(), Order::default());
        twice.metadata_mut().append("x-api-key", good.expose().parse().unwrap());
        assert_eq!(client.unary(twice).await.unwrap_err().code(), Code::Unauthenticated);
        call(&mut client, good.expose()).await.unwrap();
        let (db, _database) = house.close().await;
        let rows = RequestLog::all_time().all(&db).await.unwrap();
        assert_eq!(rows.len(), calls + 3);
        let refused: Vec<_> = rows.iter().filter(|row| !row.is_authenticated).collect();
        assert_eq!(refused.len(), calls + 2);
        for row in refused {
            assert_eq!((row.user_id, row.api_key_id, row.grpc_status_code.as_deref()), (None, None, Some("UNAUTHENTICATED")));
            let shown = format!("{row:?}");
            for text in [good.expose(), revoked.text.expose(), foreign.expose(), expired.text.expose()] {
                assert!(!shown.contains(&text[13..]), "{shown}");
            }
        }
    }

    #[expect(deprecated, reason = "the method of the tests is")]
    async fn scopes_open_what_they_name(database: Database) {
        use Code::{Ok as Fine, PermissionDenied as Denied, Unimplemented as Reached};

        let house = House::open(database).await;
        let mut client = house.client().await;
        for (scopes, unary, old, nothing) in [
            (&["*"][..], Fine, Reached, Fine),
            (&["trial.*"], Fine, Denied, Fine),
            (&["trial.v1.Trial/Unary"], Fine, Denied, Denied),
            (&["trial.v1.Trial/*", "old:call"], Fine, Reached, Fine),
            (&["old:call"], Denied, Reached, Denied),
            (&["old:called"], Denied, Denied, Denied),
            (&["other.v1.Trial/*"], Denied, Denied, Denied),
        ] {
            let scopes_read = Scopes::read(scopes).unwrap();
            let key = house.keys().create(NewApiKey { scopes: scopes_read, ..new("scoped") }).await.unwrap().text;
            let key = key.expose();
            assert_eq!(code(call(&mut client, key).await), unary, "{scopes:?}");
            assert_eq!(code(client.old(with(key, Order::default())).await.map(drop)), old, "{scopes:?}");
            assert_eq!(code(client.nothing(with(key, ())).await.map(drop)), nothing, "{scopes:?}");
        }
    }

    async fn a_key_lives_no_longer_than_its_user_does(database: Database) {
        let house = House::with(database, |config| config.auth.user_cache = Duration::ZERO).await;
        let text = made(house.keys(), "one").await.text;
        let mut client = house.client().await;
        call(&mut client, text.expose()).await.unwrap();
        let users = Users::new(house.running.db().clone(), &Config::default());
        users.set_active(ALICE, false).await.unwrap();
        assert_eq!(code(call(&mut client, text.expose()).await), Code::Unauthenticated);
        users.set_active(ALICE, true).await.unwrap();
        call(&mut client, text.expose()).await.unwrap();
        users.delete(ALICE).await.unwrap();
        assert_eq!(code(call(&mut client, text.expose()).await), Code::Unauthenticated);
        assert_eq!(number(house.running.db(), "SELECT COUNT(*) FROM steeple_api_key").await, 0);
    }

    async fn a_revoked_key_opens_nothing_from_the_next_call_on(database: Database) {
        let house = House::with(database, |config| config.auth.api_key_cache = Duration::from_secs(3600)).await;
        let NewKey { row, text } = made(house.keys(), "one").await;
        let mut client = house.client().await;
        call(&mut client, text.expose()).await.unwrap();
        house.keys().revoke(row.id).await.unwrap();
        assert_eq!(code(call(&mut client, text.expose()).await), Code::Unauthenticated);
    }

    async fn uses_are_written_while_the_server_runs(database: Database) {
        let house = House::open(database).await;
        let NewKey { row, text } = made(house.keys(), "one").await;
        let mut client = house.client().await;
        for _ in 0..3 {
            call(&mut client, text.expose()).await.unwrap();
        }
        until("they are in the table", async || {
            let row = house.keys().get(&row.key_prefix).await.unwrap();
            row.request_count == 3 && row.last_used_at.is_some()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_calls_from_eight_threads_are_counted_to_the_last() {
    let database = Database::sqlite().await.unwrap();
    let house = House::with(database, |config| config.log.enabled = false).await;
    let NewKey { row, text } = made(house.keys(), "one").await;
    let (address, key) = (house.running.grpc, Arc::new(text.expose().to_owned()));
    let calling: Vec<_> = (0..8)
        .map(|_| {
            let key = key.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
                    let calls: Vec<_> = (0..10)
                        .map(|_| {
                            let (mut client, key) = (TrialClient::new(channel.clone()), key.clone());
                            tokio::spawn(async move {
                                for _ in 0..1_250 {
                                    call(&mut client, &*key).await.unwrap();
                                }
                            })
                        })
                        .collect();
                    for calls in calls {
                        calls.await.unwrap();
                    }
                });
            })
        })
        .collect();
    tokio::task::spawn_blocking(|| calling.into_iter().for_each(|thread| thread.join().unwrap())).await.unwrap();
    let (db, _database) = house.close().await;
    assert_eq!(number(&db, &format!("SELECT request_count FROM steeple_api_key WHERE id = {}", row.id)).await, 100_000);
}

#[tokio::test]
async fn the_secret_key_opens_the_site_in_development_only_and_when_asked_for() {
    let accept = |env: Environment, accept: bool| {
        move |config: &mut steeple::Config| {
            config.env = env;
            config.auth.accept_secret_key = accept;
            config.auth.secret_key = Some(Secret::new(SECRET));
        }
    };
    let database = Database::sqlite().await.unwrap();
    let house = House::with(database, accept(Environment::Development, true)).await;
    let mut client = house.client().await;
    call(&mut client, SECRET).await.unwrap();
    assert_eq!(code(call(&mut client, &SECRET[1..]).await), Code::Unauthenticated);
    let (db, database) = house.close().await;
    let row = RequestLog::all_time().all(&db).await.unwrap().pop().unwrap();
    assert_eq!((row.user_id, row.api_key_id, row.is_authenticated), (Some(4), None, true), "a user, and no key");
    db.close().await;

    let (running, _folder) = start(&database, accept(Environment::Development, false)).await;
    let running = running.unwrap();
    let channel = Channel::from_shared(format!("http://{}", running.grpc)).unwrap().connect().await.unwrap();
    assert_eq!(code(call(&mut TrialClient::new(channel), SECRET).await), Code::Unauthenticated);
    running.stop().await;
    for env in [Environment::Test, Environment::Production] {
        let error = start(&database, accept(env, true)).await.0.expect_err("it does not start");
        assert!(error.to_string().contains("accept_secret_key"), "{error}");
    }
}
