//! A database of its own for a suite: a SQLite file in the run's folder, or a PostgreSQL database that is dropped at the
//! end.

use std::{path::Path, process::Command};

use sqlx::{ConnectOptions, Connection, Executor, PgConnection, SqliteConnection, postgres::PgConnectOptions};

use crate::Outcome;

/// Rows of calls that ended well. A row that is still `pending` after the server stopped is a lost one.
const LOGGED: &str = "select count(*) from steeple_request_log where status = 'success'";

/// A database for one suite.
#[derive(Debug)]
pub struct Database {
    /// Where servers find it.
    pub url: String,
    /// `SQLite` or `PostgreSQL`.
    pub kind: &'static str,
    /// Where it was made and will be dropped; `None` for a file, which goes with its folder.
    made_at: Option<(PgConnectOptions, String)>,
}

impl Database {
    /// A file of this name in `folder`, not made yet.
    pub fn file(folder: &Path, name: &str) -> Self {
        Self { url: format!("sqlite://{}", folder.join(name).display()), kind: "SQLite", made_at: None }
    }

    /// A new, empty database beside the one that `url` names.
    pub async fn on_server(url: &str) -> Outcome<Self> {
        let base: PgConnectOptions = url.parse()?;
        let name = format!("steeple_bench_{}", std::process::id());
        let mut server = base.connect().await?;
        server.execute(sqlx::AssertSqlSafe(format!("create database {name}"))).await?;
        server.close().await?;
        let url = base.clone().database(&name).to_url_lossy().to_string();
        Ok(Self { url, kind: "PostgreSQL", made_at: Some((base, name)) })
    }

    /// Rows of the request log that tell of calls that ended well.
    pub async fn logged(&self) -> Outcome<u64> {
        let rows: i64 = if self.made_at.is_some() {
            let mut connection = PgConnection::connect(&self.url).await?;
            let rows = sqlx::query_scalar(LOGGED).fetch_one(&mut connection).await?;
            connection.close().await?;
            rows
        } else {
            let mut connection = SqliteConnection::connect(&self.url).await?;
            let rows = sqlx::query_scalar(LOGGED).fetch_one(&mut connection).await?;
            connection.close().await?;
            rows
        };
        Ok(rows.try_into()?)
    }

    /// Tells a Steeple site to use it.
    pub fn told_to<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("STEEPLE_DATABASE__URL", &self.url)
    }

    /// Drops what was made on a server.
    pub async fn drop(self) -> Outcome<()> {
        if let Some((base, name)) = self.made_at {
            let mut server = base.connect().await?;
            server.execute(sqlx::AssertSqlSafe(format!("drop database {name} with (force)"))).await?;
            server.close().await?;
        }
        Ok(())
    }
}
