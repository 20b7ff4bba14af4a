//! What keeps a server from starting, other than its own description: the database, its tables, its log.

use sea_orm::ConnectionTrait as _;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};
use steeple::{App, Config, Db, Error, Server, auth::Secret, config::Environment, server::StartError};

use crate::{data::coin, trial};

struct Pets;

impl MigrationName for Pets {
    fn name(&self) -> &'static str {
        "0001_initial"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Pets {
    #[expect(elided_lifetimes_in_paths, reason = "MigrationTrait does not accept SchemaManager<'_>")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        manager.get_connection().execute_unprepared("CREATE TABLE pet (name TEXT)").await.map(drop)
    }
}

fn server() -> Server {
    let mut site = trial::site();
    let first_run = async |db: Db| -> Result<(), Error> {
        db.execute_unprepared("INSERT INTO pet VALUES ('Rex')").await?;
        Ok(())
    };
    site.app(App::new("pets").migration("0001_initial", Pets).first_run(first_run));
    Server::new(site)
}

async fn pets(config: &Config) -> Option<usize> {
    let db = Db::connect(&config.database, 1).await.unwrap();
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, "SELECT name FROM pet");
    db.query_all_raw(statement).await.ok().map(|rows| rows.len())
}

#[tokio::test]
async fn in_development_a_database_is_migrated_and_filled_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = trial::config(&folder, |config| config.env = Environment::Development);
    for _ in 0..2 {
        server().start(config.clone()).await.unwrap().stop().await;
        assert_eq!(pets(&config).await, Some(1));
    }
}

#[tokio::test]
async fn in_production_an_old_database_stops_the_start_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let config = trial::config(&folder, |config| {
        config.env = Environment::Production;
        config.auth.secret_key = Some(Secret::new("a secret of this test, longer than 32 bytes"));
    });
    let error = server().start(config.clone()).await.unwrap_err();
    let StartError::NotMigrated(pending) = &error else { panic!("{error:?}") };
    assert!(pending.contains(&"pets.0001_initial".to_owned()), "{pending:?}");
    assert!(error.to_string().ends_with("run `migrate` first"), "{error}");
    assert_eq!(pets(&config).await, None);

    let db = Db::connect(&config.database, 1).await.unwrap();
    let applied = server().migrate(&db, Environment::Production).await.unwrap();
    assert!(applied.contains(&"pets.0001_initial".to_owned()), "{applied:?}");
    server().start(config.clone()).await.unwrap().stop().await;
    assert_eq!(pets(&config).await, Some(0), "no rows for a first look in production");
}

#[tokio::test]
async fn a_database_out_of_reach_stops_the_start_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    for url in ["postgres://me:secret-4711@127.0.0.1:1/site", "mysql://me:secret-4711@127.0.0.1:1/site"] {
        let config = trial::config(&folder, |config| url.clone_into(&mut config.database.url));
        let error = server().start(config).await.unwrap_err();
        assert!(matches!(error, StartError::Database(_)), "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains("127.0.0.1:1") && !text.contains("4711"), "{text}");
    }
}

#[tokio::test]
async fn a_log_that_cannot_work_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = trial::config(&folder, |config| config.log.queue = 0);
    let error = server().start(config).await.unwrap_err();
    assert_eq!(error.to_string(), "the request log cannot be written: log.queue = 0 must be between 1 and 16777216");
}

#[tokio::test]
async fn what_an_app_says_of_its_models_in_the_admin_must_be_about_fields_and_models_that_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let start = async |app: App| {
        let mut site = trial::site();
        site.app(app);
        let error = Server::new(site).start(trial::config(&folder, |_| ())).await.unwrap_err();
        let StartError::Plan(problems) = error else { panic!("{error:?}") };
        problems.join("\n")
    };
    let wrong = start(
        App::new("crypto").model::<coin::Entity>().admin::<coin::Entity>(|coins| coins.columns(["symbol", "prize"])),
    );
    let wrong = wrong.await;
    assert!(wrong.contains("names prize, which is no field; the fields are id, symbol"), "{wrong}");
    let missing = start(App::new("crypto").admin::<coin::Entity>(|coins| coins)).await;
    assert!(
        missing.contains("app crypto says what crypto_coin looks like in the admin, and has no such model"),
        "{missing}"
    );
}
