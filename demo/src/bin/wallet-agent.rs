//! Simulated wallet agents that connect to a running demo: `cargo run -p demo --bin wallet-agent -- --clients 50 --api-key …`.

use std::{
    process::ExitCode,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use clap::Parser;
use demo::agent::{Settings, Tally, run};
use tokio::task::JoinSet;
use tonic::{Code, Status, metadata::AsciiMetadataValue, transport::Endpoint};

/// Streams that share a connection: a server lets one connection have 200.
const PER_CONNECTION: usize = 100;

/// Simulated wallet agents: they connect, report what happens to their wallets, and obey commands.
#[derive(Debug, Parser)]
#[command(
    after_help = "Agents connect as a user, by an API key: the first `cargo run` of the demo prints one.\n\nExample:\n  \
                  cargo run -p demo --bin wallet-agent -- --clients 50 --report 1 --api-key KEY"
)]
struct Arguments {
    /// How many agents; for more than 100 it takes the key of a superuser
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    clients: u32,
    /// The running demo
    #[arg(long, default_value = "http://127.0.0.1:50051", value_name = "URL")]
    server: String,
    /// The first part of their names; the number follows
    #[arg(long, default_value = "agent")]
    name: String,
    /// Seconds between two transactions of one agent
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    report: u64,
    /// Seconds between two heartbeats, instead of what the server asks for
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    heartbeat: Option<u64>,
    /// The API key to connect with, if not in the variable WALLET_AGENT_API_KEY
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(agents(arguments)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say_wrong(&why);
            ExitCode::FAILURE
        }
    }
}

async fn agents(arguments: Arguments) -> Result<(), String> {
    let server = Endpoint::from_shared(arguments.server.clone()).map_err(|error| format!("--server: {error}"))?;
    let api_key = arguments.api_key.clone().or_else(|| std::env::var("WALLET_AGENT_API_KEY").ok());
    let api_key = match &api_key {
        None => None,
        Some(key) => {
            let mut key = AsciiMetadataValue::try_from(key.as_str()).map_err(|_| "--api-key: must be plain ASCII")?;
            key.set_sensitive(true);
            Some(key)
        }
    };
    let (tally, mut running) = (Arc::new(Tally::default()), JoinSet::new());
    let mut channel = server.connect_lazy();
    for number in 0..arguments.clients as usize {
        if number > 0 && number.is_multiple_of(PER_CONNECTION) {
            channel = server.connect_lazy();
        }
        let settings = Settings {
            name: format!("{}-{number}", arguments.name),
            report_every: Duration::from_secs(arguments.report),
            heartbeat_every: arguments.heartbeat.map(Duration::from_secs),
            api_key: api_key.clone(),
        };
        running.spawn(run(channel.clone(), settings, tally.clone()));
    }
    let mut every = tokio::time::interval(Duration::from_secs(2));
    loop {
        tokio::select! {
            _ = every.tick() => {
                say(&format!(
                    "{} of {} connected · {} messages sent · {} commands obeyed · {} streams ended",
                    tally.connected.load(Relaxed),
                    arguments.clients,
                    tally.messages.load(Relaxed),
                    tally.commands.load(Relaxed),
                    tally.ends.load(Relaxed),
                ));
                if let Some(failed) = tally.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    say_wrong(&format!("not connected, trying again: {}", reason(&failed)));
                }
            }
            _ = tokio::signal::ctrl_c() => return Ok(()),
            Some(refused) = running.join_next() => return Err(refused.map_or_else(|error| error.to_string(), |status| refusal(&status))),
        }
    }
}

/// What a status says, with what is behind it: tonic's own say no more than "transport error".
fn reason(status: &Status) -> String {
    let mut last: Option<&dyn std::error::Error> = std::error::Error::source(status);
    while let Some(source) = last.and_then(std::error::Error::source) {
        last = Some(source);
    }
    let behind = last.map(|source| format!(": {source}")).unwrap_or_default();
    format!("{} ({:?}){behind}", status.message(), status.code())
}

fn refusal(status: &Status) -> String {
    let hint = match status.code() {
        Code::Unauthenticated => "; give an API key of the site with --api-key or WALLET_AGENT_API_KEY",
        _ => "",
    };
    format!("an agent may not connect: {} ({:?}){hint}", status.message(), status.code())
}

#[expect(clippy::print_stdout, reason = "what the program is watched for")]
fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "the end of the program")]
fn say_wrong(why: &str) {
    eprintln!("error: {why}");
}
