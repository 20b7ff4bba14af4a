//! The servers that are compared, each a subcommand of this program and run as a child process.

pub mod bare;
pub mod bare_relay;
pub mod sqlx;
pub mod steeple;

use tokio::signal::unix::{SignalKind, signal};

use crate::{Outcome, machine};

/// Runs a server on as many worker threads as there are cores: the same for every side.
pub fn block_on(server: impl Future<Output = Outcome<()>>) -> Outcome<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(machine::cores()).enable_all().build()?.block_on(server)
}

/// Resolves at SIGTERM. Listens from the moment it is called, not only from the first poll.
pub fn terminated() -> Outcome<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        terminate.recv().await;
    })
}
