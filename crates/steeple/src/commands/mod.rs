//! The site's command line: what `manage.py` is to Django.
//!
//! [`Server::main`] reads the arguments, loads the configuration, and runs one command. Every command has `--json`, a
//! non-zero exit on failure, and an example in its `--help`. Without a command the site is served.
//!
//! Must never: do what a library function could do. A command reads, calls and prints.

mod doctor;
mod logs;
mod methods;
mod migrate;
mod out;
mod run;
mod services;
mod stats;

use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use out::Out;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    config::{Config, Environment},
    record::config::Format,
    server::Server,
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
    #[command(alias = "rungrpc", after_help = run::EXAMPLE)]
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
    /// Show calls from the request log, newest first
    #[command(after_help = logs::EXAMPLE)]
    Logs(logs::Arguments),
    /// Show totals, error rates and latencies of the last hours
    #[command(after_help = stats::EXAMPLE)]
    Stats(stats::Arguments),
    /// Check the configuration, the database and the ports
    #[command(after_help = doctor::EXAMPLE)]
    Doctor,
    /// Print the default configuration file, with what each key means
    #[command(after_help = "Example:\n  cargo run -- default-config > steeple.toml")]
    DefaultConfig,
}

/// Why a command failed: sentences for the terminal.
#[derive(Debug)]
struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl Server {
    /// The whole program: reads the command line, loads the configuration, runs the command.
    pub fn main(self) -> ExitCode {
        let command = Arguments::command().name(self.site.name()).version(self.site.version());
        let matches = command.get_matches_from(std::env::args_os());
        let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
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
        let overrides: Vec<_> = common.set.into_iter().chain(command.overrides()).collect();
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
            Command::Logs(arguments) => runtime.block_on(logs::run(self, config, &arguments, out)),
            Command::Stats(arguments) => runtime.block_on(stats::run(config, &arguments, out)),
            Command::Doctor | Command::DefaultConfig => Ok(ExitCode::SUCCESS),
        }
    }

    /// The help text of the command line and of each command: a contract, kept as a file under test.
    pub fn help(&self) -> String {
        let mut command = Arguments::command().name(self.site.name()).term_width(100);
        command.build();
        let mut text = command.render_long_help().to_string();
        for command in command.get_subcommands_mut().filter(|command| command.get_name() != "help") {
            let (name, help) = (command.get_name().to_owned(), command.render_long_help());
            text = format!("{text}\n\n--- {name} ---\n\n{help}");
        }
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        lines.join("\n") + "\n"
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

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, as server.http=off")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn runtime(workers: usize) -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).thread_name("steeple").enable_all().build()
}

/// Sends what the program says of itself to standard error; `RUST_LOG` chooses how much (default `info`).
fn trace(config: &Config) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,h2=warn,hyper=warn"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter);
    let pretty = match config.log.format {
        Format::Auto => config.env == Environment::Development,
        Format::Pretty => true,
        Format::Json => false,
    };
    // A site may have set its own subscriber before main; then that one stands.
    let _ = if pretty { registry.with(lines.with_target(false)).try_init() } else { registry.with(lines.json()).try_init() };
}
