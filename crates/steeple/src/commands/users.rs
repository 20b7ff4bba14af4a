//! `users`: who has an account.

use std::process::ExitCode;

use serde::Serialize;

use super::{
    Failure,
    out::{Out, printable, table},
};
use crate::{auth::tables::user, clock::Time, config::Config};

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- users
  cargo run -- users --json | jq '.[] | select(.is_superuser).username'";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// At most this many users
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10000))]
    limit: u64,
    /// Only users whose id is above this one: the next page
    #[arg(long, value_name = "ID", default_value_t = 0, hide_default_value = true)]
    after: i64,
}

/// A user, as the commands print one.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    id: i32,
    username: &'a str,
    email: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    is_active: bool,
    is_staff: bool,
    is_superuser: bool,
    has_password: bool,
    date_joined: Time,
    last_login: Option<Time>,
}

impl<'a> Line<'a> {
    pub fn of(user: &'a user::Model) -> Self {
        Self {
            id: user.id,
            username: &user.username,
            email: &user.email,
            first_name: &user.first_name,
            last_name: &user.last_name,
            is_active: user.is_active,
            is_staff: user.is_staff,
            is_superuser: user.is_superuser,
            has_password: user.password.is_usable(),
            date_joined: user.date_joined,
            last_login: user.last_login,
        }
    }

    fn text(&self) -> [String; 6] {
        let is = [(self.is_superuser, "superuser"), (self.is_staff, "staff"), (!self.is_active, "inactive")];
        let is: Vec<_> = is.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
        let time = |time: Time| time.format("%F %T").to_string();
        [
            self.id.to_string(),
            printable(self.username).into_owned(),
            printable(self.email).into_owned(),
            is.join(", "),
            time(self.date_joined),
            self.last_login.map_or_else(|| "never".to_owned(), time),
        ]
    }
}

pub(super) async fn run(config: Config, arguments: &Arguments, out: Out) -> Result<ExitCode, Failure> {
    let (db, users) = super::users_database(&config).await?;
    let found = users.list(arguments.after, arguments.limit).await?;
    db.close().await;
    let lines: Vec<_> = found.iter().map(Line::of).collect();
    out.either(&lines, || match lines.as_slice() {
        [] => "no users: make one with `createsuperuser`".to_owned(),
        lines => {
            let headings = [">id", "username", "email", "is", "joined (UTC)", "last login (UTC)"];
            table(headings, lines.iter().map(Line::text))
        }
    });
    Ok(ExitCode::SUCCESS)
}
