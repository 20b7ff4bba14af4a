//! The bench: drives a Steeple site and servers written without Steeple in turn, with the same load, and tells ratios.
//!
//! One program is orchestrator, load client and the servers it compares; each server runs as a child process.

mod database;
mod duel;
mod figures;
mod load;
mod machine;
mod process;
mod run;
mod serve;
mod stock;
mod suites;
mod table;

use std::{net::SocketAddr, process::ExitCode};

use clap::{Parser, Subcommand};

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
    /// Serve the demo's GetCoin with tonic and sqlx by hand
    ServeSqlx {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
        /// A database with the demo's tables, `sqlite://…` or `postgres://…`
        #[arg(long)]
        url: String,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Job::Run(options) => drive(options),
        Job::ServeBare { listen } => serve::block_on(serve::bare::serve(listen)).map(|()| ExitCode::SUCCESS),
        Job::ServeSqlx { listen, url } => serve::block_on(serve::sqlx::serve(listen, &url)).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        run::say(&format!("bench: {error}"));
        ExitCode::FAILURE
    })
}

/// The orchestrator and its load client share one thread.
fn drive(options: run::Options) -> Outcome<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run::run(options))
}
