//! `token`: tokens of a user, for whoever has the database and the secret.

use std::process::ExitCode;

use serde_json::json;

use super::{Failure, out::Out};
use crate::{
    auth::{Identity, Pair},
    config::Config,
    server,
};

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- token --user ada
  TOKEN=$(cargo run -- token --user ada --json | jq -r .access_token)";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The username of an active user
    #[arg(long, value_name = "USERNAME")]
    user: String,
}

pub(super) async fn run(config: Config, arguments: &Arguments, out: Out) -> Result<ExitCode, Failure> {
    let (db, _) = super::users_database(&config).await?;
    let Identity { users, tokens, .. } = server::identity(&db, &config).await?;
    let name = &arguments.user;
    let Some(user) = users.by_username(name).await? else {
        return Err(Failure(format!("there is no user {name:?}")));
    };
    let Some(user) = users.active(user.id.into()).await? else {
        return Err(Failure(format!("user {name:?} is not active, and gets no tokens")));
    };
    let Pair { access, refresh, expires_in } = tokens.issue(&user).await?;
    db.close().await;
    let (access, refresh, seconds) = (access.expose(), refresh.expose(), expires_in.as_secs());
    let value = json!({
        "access_token": access,
        "refresh_token": refresh,
        "token_type": "Bearer",
        "expires_in": seconds,
    });
    out.either(&value, || format!("access_token   {access}\nrefresh_token  {refresh}\nexpires_in     {seconds} s"));
    Ok(ExitCode::SUCCESS)
}
