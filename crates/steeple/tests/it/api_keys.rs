//! API keys: made, found, refused, changed and counted, on every database.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, and not in what they call")]

mod calling;
mod changing;
mod counting;
mod finding;
mod listing;

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, Statement};
use steeple::{
    Code, Db, Error,
    auth::{
        ApiKeys, Config, NewUser, Users,
        api_key::{NewApiKey, NewKey, Scopes},
    },
    clock,
};

use crate::databases::Database;

/// Long enough for any machine; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The users of these tests: 1 is active, 2 is not, 3 and 4 are superusers, the first of them not active.
const ALICE: i64 = 1;
const GONE: i64 = 2;

/// A database with the tables of identity and four users.
async fn furnished(database: &Database) -> Db {
    let db = database.connect().await;
    steeple::db::migrate::up(&db, &steeple::auth::migrations()).await.expect("the tables of identity");
    let users = Users::new(db.clone(), &Config::default());
    for (at, (name, is_active, is_superuser)) in
        [("alice", true, false), ("gone", false, false), ("was", false, true), ("root", true, true)]
            .into_iter()
            .enumerate()
    {
        let new = NewUser { username: name.to_owned(), is_active, is_superuser, ..NewUser::default() };
        assert_eq!(users.create(new).await.unwrap().id, at as i32 + 1);
    }
    db
}

fn keys(db: &Db, api_key_cache: Duration) -> ApiKeys {
    ApiKeys::new(db.clone(), &Config { api_key_cache, ..Config::default() })
}

/// Keys that are remembered for longer than any test runs.
fn lasting(db: &Db) -> ApiKeys {
    keys(db, Duration::from_secs(3600))
}

fn new(name: &str) -> NewApiKey {
    NewApiKey::new(ALICE, name)
}

async fn made(keys: &ApiKeys, name: &str) -> NewKey {
    keys.create(new(name)).await.unwrap()
}

/// The refusal that a caller reads, and what the log does.
fn refused(result: Result<std::sync::Arc<steeple::auth::ApiKey>, Error>) -> String {
    let error = result.expect_err("the key is refused");
    assert_eq!((error.code(), error.message()), (Code::Unauthenticated, "the api key is not valid"));
    error.for_log()
}

async fn execute(db: &Db, sql: &str) {
    db.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// One number from the database.
async fn number(db: &Db, sql: &str) -> i64 {
    let row = db.query_one_raw(Statement::from_string(db.backend(), sql)).await.expect("an answer").expect("a row");
    row.try_get_by_index::<i64>(0).expect("a number")
}

/// Waits until `condition` holds.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never happened: {what}"));
}
