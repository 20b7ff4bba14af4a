//! `doctor`: is everything there that `run` will need?

use std::process::ExitCode;

use serde::Serialize;
use tokio::net::TcpListener;

use super::{
    Failure,
    out::{Out, counted, printable},
};
use crate::{
    auth::Tokens,
    cache::Cache,
    config::{Config, Environment, Problems},
    db::{self, Db},
    record::metrics::Metrics,
    server::{ListenError, Plan, Server},
};

pub(super) const EXAMPLE: &str = "Example:
  cargo run -- doctor
  STEEPLE_ENV=production cargo run -- doctor --json";

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Failed,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    detail: String,
}

#[derive(Debug, Default, Serialize)]
struct Checks {
    checks: Vec<Check>,
}

impl Checks {
    fn add(&mut self, name: &'static str, verdict: Verdict, detail: impl Into<String>) {
        self.checks.push(Check { name, verdict, detail: detail.into() });
    }

    fn failed(&self) -> bool {
        self.checks.iter().any(|check| check.verdict == Verdict::Failed)
    }

    fn text(&self) -> String {
        let lines = self.checks.iter().map(|Check { name, verdict, detail }| {
            let verdict = match verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "warning",
                Verdict::Failed => "FAILED",
            };
            format!("{verdict:<8} {name:<14} {}\n", printable(detail).replace('\n', &format!("\n{:24}", "")))
        });
        let lines: String = lines.collect();
        let failed = self.checks.iter().filter(|check| check.verdict == Verdict::Failed).count();
        let verdict = match failed {
            0 => "`run` has what it needs".to_owned(),
            failed => format!("{} failed: `run` would not start", counted(failed, "check")),
        };
        format!("{lines}\n{verdict}")
    }
}

pub(super) async fn run(server: Server, loaded: Result<Config, Problems>, out: Out) -> Result<ExitCode, Failure> {
    let mut checks = Checks::default();
    match loaded {
        Err(problems) => {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            checks.add("configuration", Verdict::Failed, problems.join("\n"));
        }
        Ok(config) => {
            let files = config.files().join(", ");
            let from = if files.is_empty() { "defaults and environment".to_owned() } else { files };
            checks.add("configuration", Verdict::Ok, format!("{}, from {from}", config.env.as_str()));
            services(&server, &config, &mut checks);
            keys(&config, &mut checks);
            database(&server, &config, &mut checks).await;
            cache(&server, &config, &mut checks).await;
            port("grpc port", "server.grpc", &config.server.grpc, &mut checks).await;
            if let Some(address) = config.server.http_address() {
                port("http port", "server.http", address, &mut checks).await;
            }
        }
    }
    out.either(&checks, || checks.text());
    Ok(if checks.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn services(server: &Server, config: &Config, checks: &mut Checks) {
    match Plan::of(server, config) {
        Err(problems) => checks.add("services", Verdict::Failed, problems.join("\n")),
        Ok(plan) => {
            let own = plan.services.iter().filter(|service| service.found.app != "steeple").count();
            let verdict = if own == 0 { Verdict::Warning } else { Verdict::Ok };
            checks.add(
                "services",
                verdict,
                format!(
                    "{} of this site, {} in all",
                    counted(own, "service"),
                    counted(plan.methods().count(), "method")
                ),
            );
        }
    }
}

fn keys(config: &Config, checks: &mut Checks) {
    match Tokens::check(&config.auth) {
        Ok(()) => {
            checks.add("token keys", Verdict::Ok, format!("tokens are signed with {}", config.auth.jwt_algorithm));
        }
        Err(wrong) => checks.add("token keys", Verdict::Failed, wrong),
    }
}

async fn database(server: &Server, config: &Config, checks: &mut Checks) {
    let db = match Db::connect(&config.database, 1).await {
        Ok(db) => db,
        Err(error) => return checks.add("database", Verdict::Failed, error.to_string()),
    };
    if let Err(error) = db.ping().await {
        return checks.add("database", Verdict::Failed, format!("it does not answer: {error}"));
    }
    checks.add("database", Verdict::Ok, db::redacted(&config.database.url));
    migrations(server, config, &db, checks).await;
    db.close().await;
}

/// A site starts without its Redis, and computes what it would look up.
async fn cache(server: &Server, config: &Config, checks: &mut Checks) {
    match Cache::open(&config.cache, server.site.name(), &Metrics::new()).await {
        Err(problem) => checks.add("cache", Verdict::Failed, problem),
        Ok(cache) => match cache.ping().await {
            Ok(()) => checks.add("cache", Verdict::Ok, cache.to_string()),
            Err(error) => checks.add("cache", Verdict::Warning, format!("{cache}: {}", error.for_log())),
        },
    }
}

async fn migrations(server: &Server, config: &Config, db: &Db, checks: &mut Checks) {
    let all = server.migrations();
    match db::migrate::pending(db, &all).await {
        Err(error) => checks.add("migrations", Verdict::Failed, error.to_string()),
        Ok(pending) if pending.is_empty() => {
            checks.add("migrations", Verdict::Ok, format!("all {} applied", all.len()));
        }
        Ok(pending) => {
            let names: Vec<_> =
                pending.iter().map(|migration| format!("{}.{}", migration.app, migration.name)).collect();
            let (verdict, what) = match config.env {
                Environment::Production => (Verdict::Failed, "run `migrate`"),
                _ => (Verdict::Warning, "`run` will apply them"),
            };
            checks.add("migrations", verdict, format!("{} pending ({}): {what}", names.len(), names.join(", ")));
        }
    }
    if let Ok(unknown) = db::migrate::unknown(db, &all).await
        && !unknown.is_empty()
    {
        let names: Vec<_> = unknown.iter().map(|past| format!("{}.{}", past.app, past.name)).collect();
        let detail = format!("the database knows migrations that this site does not have: {}", names.join(", "));
        checks.add("history", Verdict::Warning, detail);
    }
}

async fn port(name: &'static str, key: &'static str, address: &str, checks: &mut Checks) {
    match TcpListener::bind(address).await {
        Ok(_) => checks.add(name, Verdict::Ok, format!("{address} is free")),
        Err(error) => checks.add(name, Verdict::Failed, ListenError::new(key, address, error).to_string()),
    }
}
