//! `bench run`: the suites one after another, their tables, and the verdict.

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use clap::Args;
use tempfile::TempDir;

use crate::{
    Outcome,
    database::Database,
    load::Load,
    machine::Machine,
    report::Report,
    suites::{self, Suite},
};

/// What `bench run` may be told.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Rounds; every second one drives the sides in the opposite order.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Measured calls of each side in each round; a tenth as many warm it up first.
    #[arg(long, default_value_t = 150_000)]
    calls: u64,
    /// Connections of the load client.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Calls in flight on each connection.
    #[arg(long, default_value_t = 50)]
    streams: usize,
    /// What to measure; several with commas between them.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all")]
    suite: Vec<Suite>,
    /// Print one JSON object with every round instead of tables.
    #[arg(long)]
    json: bool,
    /// Few calls, right or wrong, no judgement of speed. For CI, in any profile.
    #[arg(long)]
    smoke: bool,
    /// A PostgreSQL server that lets this user create a database [default: STEEPLE_TEST_POSTGRES_URL, when set];
    /// without one GetCoin and operating run on SQLite alone.
    #[arg(long)]
    postgres_url: Option<String>,
    /// A NATS server for the nodes of the streams [default: STEEPLE_TEST_NATS_URL, when set]; without one nodes are left
    /// out.
    #[arg(long)]
    nats_url: Option<String>,
    /// Write what was measured to bench/RESULTS.md, in the place of what the same suites had there. Needs a release build:
    /// other figures mean nothing.
    #[arg(long, conflicts_with = "smoke")]
    write: bool,
}

/// What every suite needs.
#[derive(Debug)]
pub struct Bench {
    /// The load of one side in one round.
    pub load: Load,
    /// Rounds.
    pub rounds: usize,
    /// Counts are judged, speed is not.
    pub smoke: bool,
    /// Where to create a PostgreSQL database.
    pub postgres_url: Option<String>,
    /// Where nodes meet.
    pub nats_url: Option<String>,
    /// Databases and the servers' last words; goes when this goes.
    pub folder: TempDir,
    /// This program.
    own: PathBuf,
    /// The demo's, built in the same profile.
    demo: PathBuf,
}

/// Runs what `options` ask for. The exit code says whether all criteria hold.
pub async fn run(options: Options) -> Outcome<ExitCode> {
    if options.write && cfg!(debug_assertions) {
        return Err("figures of a dev build are not kept: run with cargo run --release -p bench -- run --write".into());
    }
    let machine = Machine::here();
    let bench = Bench::new(&options)?;
    let mut findings = Vec::new();
    let wants = |suite| options.wants(suite);
    if wants(Suite::Noise) {
        findings.push(suites::noise::run(&bench).await?);
    }
    if wants(Suite::Echo) {
        findings.push(suites::echo::run(&bench).await?);
    }
    if wants(Suite::Log) {
        findings.push(suites::log::run(&bench).await?);
    }
    if wants(Suite::Identity) {
        findings.push(suites::identity::run(&bench).await?);
    }
    if wants(Suite::Coin) {
        findings.extend(suites::coin::run(&bench).await?);
    }
    if wants(Suite::Stats) {
        findings.push(suites::stats::run(&bench).await?);
    }
    if wants(Suite::Stream) {
        findings.extend(suites::stream::run(&bench).await?);
    }
    if wants(Suite::Operate) {
        findings.extend(suites::operate::run(&bench).await?);
    }
    if wants(Suite::Idle) {
        findings.push(suites::idle::run(&bench).await?);
    }

    let report = Report::new(bench.rounds, bench.load, machine, findings);
    let out = if options.json { serde_json::to_string_pretty(&report)? } else { report.to_string() };
    writeln!(io::stdout(), "{out}")?;
    if options.write {
        let results = concat!(env!("CARGO_MANIFEST_DIR"), "/RESULTS.md");
        fs::write(results, report.added_to(&fs::read_to_string(results)?))?;
    }
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Options {
    fn wants(&self, suite: Suite) -> bool {
        self.suite.iter().any(|wanted| [suite, Suite::All].contains(wanted))
    }
}

impl Bench {
    fn new(options: &Options) -> Outcome<Self> {
        let own = std::env::current_exe()?;
        let demo = own.with_file_name("demo");
        if options.wants(Suite::Coin) || options.wants(Suite::Idle) {
            up_to_date(&demo)?;
        }
        let &Options { rounds, calls, connections, streams, smoke, .. } = options;
        let (rounds, load) = if smoke {
            (1, Load { connections: 2, streams: 4, warm_up: 20, calls: 300 })
        } else {
            (rounds.max(1), Load { connections, streams, warm_up: calls / 10, calls })
        };
        let postgres_url = options.postgres_url.clone().or_else(|| std::env::var("STEEPLE_TEST_POSTGRES_URL").ok());
        let nats_url = options.nats_url.clone().or_else(|| std::env::var("STEEPLE_TEST_NATS_URL").ok());
        Ok(Self { load, rounds, smoke, postgres_url, nats_url, folder: tempfile::tempdir()?, own, demo })
    }

    /// A subcommand of this program that serves on `address`.
    pub fn itself(&self, subcommand: &str, address: SocketAddr) -> Command {
        let mut command = self.program(&self.own);
        command.args([subcommand, "--listen", &address.to_string()]);
        command
    }

    /// A child that knows nothing of the environment and the folder this runs in.
    fn program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env_clear().envs(std::env::vars().filter(|(name, _)| kept(name)));
        command
    }

    /// Brings a database to the tables of this program's own site.
    pub fn migrate_itself(&self, database: &Database) -> Outcome<()> {
        let mut command = self.program(&self.own);
        done(site(&mut command, database, true).args(["serve-steeple", "migrate"])).map(drop)
    }

    /// The echo site of this program on `address`, open to anyone.
    pub fn echo_site(&self, address: SocketAddr, database: &Database, log: bool) -> Command {
        let mut command = self.program(&self.own);
        command.arg("serve-steeple").env("STEEPLE_AUTH__PUBLIC_METHODS", "echo.EchoService/Echo");
        serve(site(&mut command, database, log), address);
        command
    }

    /// The echo site of this program on `address`, open to nobody who is not known, with its log.
    pub fn guarded_echo_site(&self, address: SocketAddr, database: &Database) -> Command {
        let mut command = self.program(&self.own);
        command.arg("serve-steeple");
        serve(site(&mut command, database, true), address);
        command
    }

    /// The relay of this program's own site on `address`, open to anyone and any number, with its log.
    pub fn relay_site(&self, address: SocketAddr, database: &Database, more: &[(&str, &str)]) -> Command {
        let mut command = self.program(&self.own);
        command.arg("serve-steeple").env("STEEPLE_AUTH__PUBLIC_METHODS", "relay.RelayService");
        suites::stream::unlimited(&mut command).envs(more.iter().copied());
        serve(site(&mut command, database, true), address);
        command
    }

    /// Makes a user of this program's own site, and what it may show.
    pub fn caller(&self, database: &Database) -> Outcome<Caller> {
        let ask = |arguments: &[&str]| {
            let mut command = self.program(&self.own);
            site(&mut command, database, true).env("STEEPLE_SUPERUSER_PASSWORD", "none that anybody would keep");
            done(command.arg("serve-steeple").args(arguments))
        };
        ask(&["createsuperuser", "--username", "bench", "--noinput"])?;
        let key = told(&ask(&["apikeys", "create", "--user", "bench", "--name", "bench", "--json"])?, "key")?;
        let token = told(&ask(&["token", "--user", "bench", "--json"])?, "access_token")?;
        Ok(Caller { key, token })
    }

    /// The demo on `address`.
    pub fn demo_site(&self, address: SocketAddr, database: &Database, log: bool) -> Command {
        let mut command = self.program(&self.demo);
        site(&mut command, database, log).arg("run").env("STEEPLE_SERVER__GRPC", address.to_string());
        command
    }

    /// Brings a database to the demo's tables and data, which only development gets.
    pub fn migrate_demo(&self, database: &Database) -> Outcome<()> {
        let mut command = self.program(&self.demo);
        done(site(&mut command, database, true).arg("migrate").env("STEEPLE_ENV", "development")).map(drop)
    }
}

/// What a known caller may show.
#[derive(Debug)]
pub struct Caller {
    /// An API key.
    pub key: String,
    /// An access token.
    pub token: String,
}

/// Tells a site its database, whether it logs, and to keep off the console.
fn site<'c>(command: &'c mut Command, database: &Database, log: bool) -> &'c mut Command {
    database
        .told_to(command)
        .env("STEEPLE_ENV", "production")
        .env("STEEPLE_AUTH__SECRET_KEY", "a secret for the bench, of no worth to anybody")
        .env("STEEPLE_SERVER__HTTP", "127.0.0.1:0")
        .env("STEEPLE_LOG__ENABLED", log.to_string())
        .env("STEEPLE_LOG__CONSOLE", "off")
}

/// Tells a site to serve on this address.
fn serve(command: &mut Command, address: SocketAddr) {
    command.arg("run").env("STEEPLE_SERVER__GRPC", address.to_string());
}

/// The text that a command printed under this name in a JSON object.
fn told(printed: &str, name: &str) -> Outcome<String> {
    let object: serde_json::Value = serde_json::from_str(printed)?;
    Ok(object[name].as_str().ok_or_else(|| format!("a command printed no {name}"))?.to_owned())
}

/// Runs a command to its end; what it printed.
fn done(command: &mut Command) -> Outcome<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} ended with {}:\n{words}", output.status).into())
}

/// Settings of the shell would reach the sites that are measured.
fn kept(variable: &str) -> bool {
    !variable.starts_with("STEEPLE_") && variable != "RUST_LOG" && variable != "DATABASE_URL"
}

/// Sees that the demo's program is there. Under `cargo run` it is brought up to date first.
fn up_to_date(demo: &Path) -> Outcome<()> {
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        // Both at once, so that features are unified as they were for this program and nothing is compiled twice.
        build.args(["build", "--quiet", "-p", "bench", "-p", "demo"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        for (name, _) in std::env::vars_os().filter(|(name, _)| of_this_package(&name.to_string_lossy())) {
            build.env_remove(name);
        }
        done(build.current_dir(env!("CARGO_MANIFEST_DIR")))?;
    }
    if demo.is_file() {
        return Ok(());
    }
    Err("the demo's program is not beside this one: build both with cargo build -p bench -p demo".into())
}

/// What `cargo run` tells this program of its own package. Build scripts that are told it are run again, and with them
/// half of the dependencies.
fn of_this_package(variable: &str) -> bool {
    ["OUT_DIR", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_"]
        .iter()
        .any(|name| variable.starts_with(name))
}

/// Says how far the run is. Figures go to stdout, this goes beside them.
pub fn say(line: &str) {
    // Nobody is left to be told when stderr is gone.
    drop(writeln!(io::stderr(), "{line}"));
}
