//! `createsuperuser`: a user who may do everything.

use std::process::ExitCode;

use super::{
    Failure,
    new_password::{self, Asking},
    out::Out,
};
use crate::{
    auth::{
        NewUser, Users,
        users::names::{email, username},
    },
    config::Config,
};

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- createsuperuser
  STEEPLE_SUPERUSER_PASSWORD=… cargo run -- createsuperuser --username ada --noinput";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The username; asked for when absent
    #[arg(long)]
    username: Option<String>,
    /// The email address; asked for when absent, may be empty
    #[arg(long)]
    email: Option<String>,
    /// Ask nothing: the password is in the variable STEEPLE_SUPERUSER_PASSWORD
    #[arg(long, requires = "username")]
    noinput: bool,
}

pub(super) async fn run(config: Config, arguments: &Arguments, out: Out) -> Result<ExitCode, Failure> {
    let asking = Asking::of(arguments.noinput);
    let (db, users) = super::users_database(&config).await?;
    let username = match &arguments.username {
        Some(text) => free(&users, text).await?,
        None => loop {
            match free(&users, &asking.text("Username: ", "--username")?).await {
                Ok(name) => break name,
                Err(why) => Out::note(&why.0),
            }
        },
    };
    let email = match &arguments.email {
        Some(text) => email(text)?,
        None if asking.is_possible() => loop {
            match email(&asking.text("Email address (may be empty): ", "--email")?) {
                Ok(email) => break email,
                Err(why) => Out::note(why.message()),
            }
        },
        None => String::new(),
    };
    let about = [("username", username.as_str()), ("email address", email.as_str())];
    let password = new_password::get(asking, config.env, &about)?;
    let new =
        NewUser { username, email, password: Some(password), is_staff: true, is_superuser: true, ..NewUser::default() };
    let made = users.create(new).await?;
    db.close().await;
    out.either(&super::users::Line::of(&made), || format!("made the superuser {}", made.username));
    Ok(ExitCode::SUCCESS)
}

/// A username that can be had, and that nobody has.
async fn free(users: &Users, text: &str) -> Result<String, Failure> {
    let name = username(text)?;
    match users.by_username(&name).await? {
        None => Ok(name),
        Some(_) => Err(Failure(format!(
            "user {name} already exists: choose another name, or give them another password with `changepassword {name}`"
        ))),
    }
}
