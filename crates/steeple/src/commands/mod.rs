//! The site's command line: what `manage.py` is to Django.
//!
//! [`Server::main`] reads the arguments, loads the configuration, and runs one command. Every command has `--json`, a
//! non-zero exit on failure, and an example in its `--help`. Without a command the site is served. Standard output has what
//! was asked for, with `--json` one value (`run`: one value a line); what went wrong is said on standard error.
//!
//! Must never: do what a library function could do. A command reads, calls and prints.

mod apikeys;
mod changepassword;
mod createsuperuser;

mod connections;
mod doctor;
mod logs;
mod methods;
mod migrate;
mod new_password;
mod out;
mod run;
mod send;
mod services;
mod stats;
mod token;
mod users;

use std::{fmt, path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use out::{Out, counted};
use tracing_subscriber::{
    EnvFilter,
    fmt::{format::Writer, time::FormatTime},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{
    auth::{self, Users},
    clock,
    config::{Config, Environment},
    db::{self, Db, migrate::Migration},
    record::{self, config::Format},
    server::{Plan, Server, StartError},
};

/// A gRPC site made with Steeple.
#[derive(Debug, Parser)]
#[command(max_term_width = 100, after_help = "Without a command the site is served, as with `run`.")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: Common,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Options of every command")]
struct Common {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
    /// The folder of steeple.toml
    #[arg(long, global = true, value_name = "FOLDER", default_value = ".")]
    config: PathBuf,
    /// Override one key of the configuration, as --set server.grpc=127.0.0.1:50051
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the site until SIGTERM or Ctrl-C
    #[command(visible_alias = "rungrpc", after_help = run::EXAMPLE)]
    Run(run::Arguments),
    /// Apply the migrations that the database lacks
    #[command(after_help = migrate::EXAMPLE)]
    Migrate(migrate::Arguments),
    /// List the services that were found, and what was skipped and why
    #[command(after_help = services::EXAMPLE)]
    Services,
    /// List the methods, each with the interceptors a call goes through
    #[command(after_help = methods::EXAMPLE)]
    Methods(methods::Arguments),
    /// Make a user who may do everything
    #[command(name = "createsuperuser", after_help = createsuperuser::EXAMPLE)]
    CreateSuperuser(createsuperuser::Arguments),
    /// Give a user another password
    #[command(name = "changepassword", after_help = changepassword::EXAMPLE)]
    ChangePassword(changepassword::Arguments),
    /// List the users
    #[command(after_help = users::EXAMPLE)]
    Users(users::Arguments),
    /// Make tokens for a user, without their password
    #[command(after_help = token::EXAMPLE)]
    Token(token::Arguments),
    /// Show calls from the request log, newest first
    #[command(after_help = logs::EXAMPLE)]
    Logs(logs::Arguments),
    /// Show totals, error rates and latencies of the last hours
    #[command(after_help = stats::EXAMPLE)]
    Stats(stats::Arguments),
    /// Make, list, revoke and rotate API keys
    #[command(name = "apikeys", after_help = apikeys::EXAMPLE)]
    ApiKeys(apikeys::Arguments),
    /// Show clients that stay connected, or what happened to one
    #[command(after_help = connections::EXAMPLE)]
    Connections(connections::Arguments),
    /// Send a connected client a command, through a running server
    #[command(after_help = send::EXAMPLE)]
    Send(send::Arguments),
    /// Check the configuration, the database, the cache and the ports
    #[command(after_help = doctor::EXAMPLE)]
    Doctor,
    /// Print the default configuration file, with what each key means
    #[command(after_help = "Example:\n  cargo run -- default-config > steeple.toml")]
    DefaultConfig,
}

/// Why a command failed: sentences for the terminal.
#[derive(Debug)]
struct Failure(String);

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let any: &dyn std::error::Error = &error;
        if let Some(StartError::Plan(problems)) = any.downcast_ref() {
            return Self::of(problems);
        }
        // Ours keeps its cause from callers; whoever sits at the terminal is none.
        any.downcast_ref::<crate::Error>().map_or_else(|| Self(error.to_string()), |error| Self(error.for_log()))
    }
}

impl Failure {
    /// Several sentences as one: a line for each below a line that counts them.
    fn of(problems: &[String]) -> Self {
        match problems {
            [problem] => Self(problem.clone()),
            problems => Self(format!("{}:\n  {}", counted(problems.len(), "problem"), problems.join("\n  "))),
        }
    }
}

impl Server {
    /// The whole program: reads the command line, loads the configuration, runs the command.
    pub fn main(self) -> ExitCode {
        let command = Arguments::command().name(self.site.name()).version(self.site.version());
        let arguments = command.try_get_matches().and_then(|matches| Arguments::from_arg_matches(&matches));
        let arguments = match arguments {
            Ok(arguments) => arguments,
            Err(error) => return unread(&error),
        };
        let out = Out { json: arguments.common.json };
        match self.command(arguments, out) {
            Ok(code) => code,
            Err(Failure(why)) => {
                out.failed(&why);
                ExitCode::FAILURE
            }
        }
    }

    fn command(self, arguments: Arguments, out: Out) -> Result<ExitCode, Failure> {
        let Arguments { command, common } = arguments;
        let command = command.unwrap_or_else(|| Command::Run(run::Arguments::default()));
        if matches!(command, Command::DefaultConfig) {
            Out::text(&Config::default_toml());
            return Ok(ExitCode::SUCCESS);
        }
        if !common.config.is_dir() {
            let folder = common.config.display();
            return Err(Failure(format!("--config {folder}: no such folder; name the folder that steeple.toml is in")));
        }
        // With --json every line of `run` is JSON, the calls' lines too.
        let lines =
            (common.json && matches!(command, Command::Run(_))).then(|| ("log.format".to_owned(), "json".to_owned()));
        let overrides: Vec<_> = lines.into_iter().chain(common.set).chain(command.overrides()).collect();
        let loaded = Config::load(&common.config, std::env::vars_os(), &overrides);
        if let Command::Doctor = command {
            let workers = loaded.as_ref().map_or(1, |config| config.server.workers());
            return runtime(workers)?.block_on(doctor::run(self, loaded, out));
        }
        let config = loaded?;
        trace(&config);
        let runtime = runtime(config.server.workers())?;
        match command {
            Command::Run(_) => runtime.block_on(run::run(self, config, out)),
            Command::Migrate(arguments) => runtime.block_on(migrate::run(self, config, &arguments, out)),
            Command::Services => services::run(&self, &config, out),
            Command::Methods(arguments) => methods::run(&self, &config, &arguments, out),
            Command::CreateSuperuser(arguments) => runtime.block_on(createsuperuser::run(config, &arguments, out)),
            Command::ChangePassword(arguments) => runtime.block_on(changepassword::run(config, &arguments, out)),
            Command::Users(arguments) => runtime.block_on(users::run(config, &arguments, out)),
            Command::Token(arguments) => runtime.block_on(token::run(config, &arguments, out)),
            Command::Logs(arguments) => runtime.block_on(logs::run(self, config, &arguments, out)),
            Command::ApiKeys(arguments) => runtime.block_on(apikeys::run(self, config, &arguments, out)),
            Command::Stats(arguments) => runtime.block_on(stats::run(config, &arguments, out)),
            Command::Connections(arguments) => runtime.block_on(connections::run(config, &arguments, out)),
            Command::Send(arguments) => runtime.block_on(send::run(self, config, &arguments, out)),
            Command::Doctor | Command::DefaultConfig => Ok(ExitCode::SUCCESS),
        }
    }
}

impl Command {
    fn overrides(&self) -> Vec<(String, String)> {
        match self {
            Self::Run(arguments) => arguments.overrides(),
            _ => vec![],
        }
    }
}

/// The end of a command line that cannot be read, or that asks for help.
fn unread(error: &clap::Error) -> ExitCode {
    // A reader that has left is no failure.
    let _ = error.print();
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let text = error.to_string();
        let why = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        Out::text(&serde_json::json!({ "error": why }).to_string());
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// The site against the configuration.
fn plan(server: &Server, config: &Config) -> Result<Plan, Failure> {
    Plan::of(server, config).map_err(|problems| Failure::of(&problems))
}

/// The database with the request log in it.
async fn log_database(config: &Config) -> Result<Db, Failure> {
    database(config, &record::migrations(), "is no request log").await
}

/// The database with users in it.
async fn users_database(config: &Config) -> Result<(Db, Users), Failure> {
    let db = database(config, &auth::migrations::migrations(), "are no users").await?;
    Ok((db.clone(), Users::new(db, &config.auth)))
}

/// The database, with these migrations applied; `lacks` is what it says when they are not.
async fn database(config: &Config, needed: &[Migration], lacks: &str) -> Result<Db, Failure> {
    let db = Db::connect(&config.database, 1).await?;
    if db::migrate::pending(&db, needed).await?.is_empty() {
        return Ok(db);
    }
    db.close().await;
    let address = db::redacted(&config.database.url);
    Err(Failure(format!("there {lacks} in {address} yet: run `migrate`, or `run` in development")))
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, as server.http=off")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn runtime(workers: usize) -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).thread_name("steeple").enable_all().build()
}

/// Sends what the program says of itself to standard error; `RUST_LOG` chooses how much (default `info`).
fn trace(config: &Config) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,h2=warn,hyper=warn,async_nats=warn"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(out::colours());
    let registry = tracing_subscriber::registry().with(filter);
    let pretty = match config.log.format {
        Format::Auto => config.env == Environment::Development,
        Format::Pretty => true,
        Format::Json => false,
    };
    // A site may have set its own subscriber before main; then that one stands.
    let _ = if pretty {
        registry.with(lines.with_target(false).with_timer(TimeOfDay)).try_init()
    } else {
        registry.with(lines.json()).try_init()
    };
}

/// As the calls' lines have it, in UTC.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", clock::now().format("%T%.3f"))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn as_many_threads_run_calls_as_the_configuration_says() {
        let config = crate::server::Config { max_workers: 3, ..crate::server::Config::default() };
        assert_eq!(super::runtime(config.workers()).unwrap().metrics().num_workers(), 3);
    }
}
