//! Logging in, staying logged in and logging out, over HTTP and over gRPC.

pub mod doors;
pub mod grpc;
mod http;
mod secrecy;
mod sessions;
mod throttle;

use steeple::{
    Db,
    auth::{Config, NewUser, Secret, Users, tables::user},
};

/// Everybody's password in these tests.
pub const PASSWORD: &str = "correct horse 4711";

/// A new user with that password.
pub async fn user(db: &Db, username: &str) -> user::Model {
    let new = NewUser {
        username: username.to_owned(),
        email: format!("{username}@example.org"),
        first_name: "Ada".to_owned(),
        password: Some(Secret::new(PASSWORD)),
        ..NewUser::default()
    };
    users(db).create(new).await.unwrap()
}

/// The users of this database, with a memory of their own.
pub fn users(db: &Db) -> Users {
    Users::new(db.clone(), &Config { user_cache: std::time::Duration::ZERO, ..Config::default() })
}
