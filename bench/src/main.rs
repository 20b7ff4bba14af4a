//! The bench: drives a Steeple site and servers written without Steeple in turn, with the same load, and tells ratios.
//!
//! One program is orchestrator, load client and the servers it compares; each server runs as a child process.

mod agents;
mod apps;
mod database;
mod duel;
mod figures;
mod fill;
mod load;
mod machine;
mod process;
mod report;
mod run;
mod serve;
mod stock;
mod suites;
mod table;

use std::{net::SocketAddr, process::ExitCode};

use clap::{Parser, Subcommand};

steeple::site!();

/// Any failure ends the run, with its sentence.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The same allocator as the demo, on every side.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What Steeple costs, against servers written without it.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Job,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// Drive the sides of each suite in turn and print what was measured
    #[command(after_help = "Example: cargo run --release -p bench -- run --suite log --rounds 9")]
    Run(run::Options),
    /// Serve the echo as tonic generates it
    ServeBare {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
    },
    /// Serve the relay of commands to connected clients with bare tonic, by hand
    ServeBareRelay {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
    },
    /// Serve the demo's GetCoin with tonic and sqlx by hand
    ServeSqlx {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
        /// A database with the demo's tables, `sqlite://…` or `postgres://…`
        #[arg(long)]
        url: String,
    },
    /// Become the echo as a Steeple site, whose command line and STEEPLE_ environment are every site's
    #[command(after_help = "Example: bench serve-steeple run")]
    ServeSteeple {
        /// The site's own arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Leave the traces of many calls in a database, for the statistics
    Fill(fill::Options),
}

fn main() -> ExitCode {
    if let Some(done) = serve::steeple::site() {
        return done;
    }
    let done = match Cli::parse().command {
        Job::Run(options) => on_one_thread(run::run(options)),
        Job::ServeBare { listen } => serve::block_on(serve::bare::serve(listen)).map(|()| ExitCode::SUCCESS),
        Job::ServeBareRelay { listen } => serve::block_on(serve::bare_relay::serve(listen)).map(|()| ExitCode::SUCCESS),
        Job::ServeSqlx { listen, url } => serve::block_on(serve::sqlx::serve(listen, &url)).map(|()| ExitCode::SUCCESS),
        Job::ServeSteeple { arguments } => serve::steeple::become_site(&arguments),
        Job::Fill(options) => on_one_thread(async move { fill::fill(&options).await.map(|()| ExitCode::SUCCESS) }),
    };
    done.unwrap_or_else(|error| {
        run::say(&format!("bench: {error}"));
        ExitCode::FAILURE
    })
}

/// The orchestrator and its load client share one thread.
fn on_one_thread(job: impl Future<Output = Outcome<ExitCode>>) -> Outcome<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, job)
}
