//! Who may know of a client for whom nobody listens: its node's own way to the broker may be broken, and about to be mended.
//!
//! Must never: be asked about a client that somebody listens for, or make who asks wait for long.

use std::{fmt, pin::Pin, sync::OnceLock, time::Duration};

use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

/// Whether a client of a service, by its name, is connected to another node as far as is known.
pub(super) type Known = Box<dyn Fn(&str, &str) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// What was handed in, if anything.
pub(super) struct Elsewhere {
    known: OnceLock<Known>,
    /// Whoever sends commands to names that are nowhere shall not take the database from calls.
    places: Semaphore,
}

/// Questions at once; more are not asked.
const PLACES: usize = 2;

/// Longest time for an answer; none in time is no.
const PATIENCE: Duration = Duration::from_millis(250);

impl Default for Elsewhere {
    fn default() -> Self {
        Self { known: OnceLock::new(), places: Semaphore::new(PLACES) }
    }
}

impl Elsewhere {
    /// The first one stays.
    pub fn set(&self, known: Known) {
        let _ = self.known.set(known);
    }

    pub async fn has(&self, service: &str, id: &str, end: Instant) -> bool {
        let Some(known) = self.known.get() else { return false };
        let Ok(_place) = self.places.try_acquire() else { return false };
        timeout_at(end.min(Instant::now() + PATIENCE), known(service, id)).await.unwrap_or(false)
    }
}

impl fmt::Debug for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Elsewhere").field(&self.known.get().is_some()).finish()
    }
}
