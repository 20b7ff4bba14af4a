//! Users, groups and permissions in Django's tables, on every database; and Django itself beside them.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, and not in what they call")]

mod accounts;
mod django;
mod grants;
mod identity;
mod passwords;
mod tables;

use sea_orm::{ConnectionTrait as _, Statement};
use steeple::{
    App, Db, Server, Site,
    auth::{Config, Hasher, NewUser, Secret, Users, tables::user},
    config::Environment,
};

use crate::{data::coin, databases::Database};

/// A password that no rule minds.
const PASSWORD: &str = "Grüße aus Zürich 77";

/// A site with two models.
fn server() -> Server {
    let mut site = Site::new("trial", "0.0.0", &[]);
    site.app(App::new("crypto").model::<coin::Entity>().model::<coin::basket::Entity>());
    Server::new(site)
}

/// A migrated database.
async fn migrated(database: &Database) -> Db {
    let db = database.connect().await;
    server().migrate(&db, Environment::Test).await.expect("migrates");
    db
}

/// Users who are remembered for longer than any test takes.
fn config() -> Config {
    Config { user_cache: std::time::Duration::from_secs(3600), ..Config::default() }
}

async fn users(database: &Database) -> Users {
    Users::new(migrated(database).await, &config())
}

/// A user without a password, which takes no time to make.
async fn make(users: &Users, username: &str) -> user::Model {
    users.create(NewUser { username: username.to_owned(), ..NewUser::default() }).await.expect("makes a user")
}

fn with_password(username: &str) -> NewUser {
    NewUser { username: username.to_owned(), password: Some(Secret::new(PASSWORD)), ..NewUser::default() }
}

fn hashing_by(hasher: Hasher) -> Config {
    Config { password_hasher: hasher, ..config() }
}

async fn execute(db: &Db, sql: &str) {
    db.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// The first column of each row, as text.
async fn texts(db: &Db, sql: &str) -> Vec<String> {
    let rows = db.query_all_raw(Statement::from_string(db.backend(), sql)).await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}
