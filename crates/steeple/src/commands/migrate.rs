//! `migrate`: bring the database up to the site.

use std::process::ExitCode;

use serde_json::json;

use super::{
    Failure,
    out::{Out, counted},
};
use crate::{
    config::Config,
    db::{self, Db},
    server::Server,
};

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- migrate
  cargo run -- migrate --check    # fails when something is pending";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Apply nothing; fail when a migration is pending
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(server: Server, config: Config, arguments: &Arguments, out: Out) -> Result<ExitCode, Failure> {
    let db = Db::connect(&config.database, 1).await?;
    let all = server.migrations();
    let pending = db::migrate::pending(&db, &all).await?;
    let pending: Vec<_> = pending.iter().map(|migration| format!("{}.{}", migration.app, migration.name)).collect();
    if arguments.check {
        db.close().await;
        out.either(&json!({ "pending": pending }), || listing("pending", &pending));
        if pending.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        // The list is the value; the failure is only said.
        Out { json: false }.failed(&format!("{} pending: run `migrate`", counted(pending.len(), "migration")));
        return Ok(ExitCode::FAILURE);
    }
    let applied = server.migrate(&db, config.env).await?;
    db.close().await;
    out.either(&json!({ "applied": applied }), || listing("applied", &applied));
    Ok(ExitCode::SUCCESS)
}

fn listing(word: &str, names: &[String]) -> String {
    match names {
        [] => format!("nothing {word}: the database is up to date"),
        names => names.iter().map(|name| format!("{word} {name}")).collect::<Vec<_>>().join("\n"),
    }
}
