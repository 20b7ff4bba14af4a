//! `changepassword`: another password for a user.

use std::process::ExitCode;

use super::{
    Failure,
    new_password::{self, Asking},
    out::Out,
};
use crate::config::Config;

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- changepassword ada
  STEEPLE_SUPERUSER_PASSWORD=… cargo run -- changepassword ada";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The username. The password is asked for, or in the variable STEEPLE_SUPERUSER_PASSWORD
    user: String,
}

pub(super) async fn run(config: Config, arguments: &Arguments, out: Out) -> Result<ExitCode, Failure> {
    let (db, users) = super::users_database(&config).await?;
    let Some(user) = users.by_username(&arguments.user).await? else {
        return Err(Failure(format!("there is no user {}: see `users`", arguments.user)));
    };
    let about = [
        ("username", user.username.as_str()),
        ("first name", &user.first_name),
        ("last name", &user.last_name),
        ("email address", &user.email),
    ];
    let password = new_password::get(Asking::of(false), config.env, &about)?;
    users.set_password(user.id.into(), Some(password.expose())).await?;
    db.close().await;
    out.either(&super::users::Line::of(&user), || format!("changed the password of {}", user.username));
    Ok(ExitCode::SUCCESS)
}
