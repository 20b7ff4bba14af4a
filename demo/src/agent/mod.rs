//! A simulated wallet agent: the other end of `crypto.CryptoStreamingService`, for a newcomer to watch and for tests.
//!
//! It introduces itself, says what its wallets hold, moves money between them and the world, gives a sign of life as often
//! as the server asks for, obeys the five commands, and connects again when its stream ends.
//!
//! Must never: use anything of the server but its contract.

mod talk;
mod wallets;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tonic::{Code, Status, metadata::AsciiMetadataValue, transport::Channel};
use tonic_types::StatusExt as _;

/// The longest time between two tries to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What one agent is like.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// How often it moves money.
    pub report_every: Duration,
    /// How often it gives a sign of life, if not as often as the server asks for.
    pub heartbeat_every: Option<Duration>,
    /// Its API key, where the server wants one.
    pub api_key: Option<AsciiMetadataValue>,
}

/// What all agents of a program have done.
#[derive(Debug, Default)]
pub struct Tally {
    /// Agents whose stream is open.
    pub connected: AtomicU64,
    /// Messages that were sent.
    pub messages: AtomicU64,
    /// Commands that were obeyed.
    pub commands: AtomicU64,
    /// Streams that ended.
    pub ends: AtomicU64,
    /// Why the last stream ended that came to nothing.
    pub failed: Mutex<Option<Status>>,
}

/// Runs one agent until it may not connect: its name or its key is refused. Dropped, it is gone without a word.
pub async fn run(channel: Channel, settings: Settings, tally: Arc<Tally>) -> Status {
    let mut tries = 0;
    loop {
        let (status, talked) = talk::once(channel.clone(), &settings, &tally).await;
        tally.ends.fetch_add(1, Relaxed);
        *tally.failed.lock().unwrap_or_else(PoisonError::into_inner) = (!talked).then(|| status.clone());
        match status.code() {
            Code::InvalidArgument | Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented => {
                return status;
            }
            _ => {}
        }
        tries = if talked { 0 } else { tries + 1 };
        tokio::time::sleep(pause(&status, tries)).await;
    }
}

/// As long as the server says, or longer from try to try.
fn pause(status: &Status, tries: u32) -> Duration {
    let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
    let ours = Duration::from_millis(200).saturating_mul(1 << tries.min(10));
    asked.unwrap_or_default().max(ours).min(LONGEST_PAUSE)
}
