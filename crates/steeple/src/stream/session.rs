//! One connected client: what handlers know of it, and what may be sent to it.
//!
//! Must never: wait for the client other than in [`Session::execute`].

mod commands;
mod life;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{Cause, Handlers, ack::Acks, hub::Core, hubs::Place, line::Line};
use crate::{
    Context, Principal,
    bus::{MOST_LABELS, Registration},
    clock::{self, Time},
    context::Settled,
    error::{Error, Result},
    record::{clean, shortened},
};

/// Longest version that is kept, in bytes.
const VERSION_LIMIT: usize = 100;
/// `round_trip` before the first ack of a ping.
const UNKNOWN: u64 = u64::MAX;

/// A client that is connected, or was a moment ago. Cheap to clone.
pub struct Session<H: Handlers>(pub(super) Arc<Inner<H>>);

pub(super) struct Inner<H: Handlers> {
    pub core: Arc<Core<H>>,
    id: Uuid,
    client_id: Arc<str>,
    cx: Context,
    pub line: Arc<Line<H::Command>>,
    pub acks: Arc<Acks<H::Ack>>,
    state: H::State,
    resumed: bool,
    connected_at: Time,
    begun: Instant,
    /// Microseconds since it began.
    seen: AtomicU64,
    /// Microseconds.
    round_trip: AtomicU64,
    received: AtomicU64,
    errors: AtomicU64,
    notes: Mutex<Notes>,
    /// Whether the service was told that the client has connected.
    greeted: AtomicBool,
    /// Whether a ping waits for its ack.
    pinged: AtomicBool,
    /// Given back when the session is over, and not only when nobody knows it any more.
    held: Mutex<Option<Held>>,
}

/// What a session has of its node, until it is over.
struct Held {
    _stay: Arc<Stay>,
    /// Where other nodes find it.
    registration: Option<Arc<Registration>>,
}

/// Its share of the limits: kept also by what the client reads, since a client that never reads keeps its call after its
/// session has ended.
pub(super) struct Stay {
    _place: Place,
    _settled: Settled,
}

/// What is rarely touched.
#[derive(Default)]
struct Notes {
    version: String,
    labels: BTreeSet<String>,
    last_error: Option<String>,
    /// The ping that waits for its ack.
    ping: Option<(Arc<str>, Instant)>,
}

/// What a new session is made of.
pub(super) struct Parts<H: Handlers> {
    pub core: Arc<Core<H>>,
    pub client_id: Arc<str>,
    pub cx: Context,
    pub line: Arc<Line<H::Command>>,
    pub resumed: bool,
    /// Later than the session it replaces, whatever the clock says.
    pub after: Option<Time>,
    pub place: Place,
}

impl<H: Handlers> Inner<H> {
    pub fn name(&self) -> Arc<str> {
        self.client_id.clone()
    }
}

impl<H: Handlers> Session<H> {
    pub(super) fn new(parts: Parts<H>) -> Self {
        let Parts { core, client_id, cx, line, resumed, after, place } = parts;
        let now = clock::now();
        let connected_at = after.map_or(now, |after| now.max(after + chrono::TimeDelta::microseconds(1)));
        let stay = Arc::new(Stay { _place: place, _settled: cx.settle() });
        line.keep(stay.clone());
        let held = Held { _stay: stay, registration: None };
        Self(Arc::new(Inner {
            id: Uuid::now_v7(),
            acks: Acks::new(core.config.max_commands_in_flight),
            core,
            client_id,
            cx,
            line,
            state: H::State::default(),
            resumed,
            connected_at,
            begun: Instant::now(),
            seen: AtomicU64::new(0),
            round_trip: AtomicU64::new(UNKNOWN),
            received: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            notes: Mutex::default(),
            greeted: AtomicBool::new(false),
            pinged: AtomicBool::new(false),
            held: Mutex::new(Some(held)),
        }))
    }

    // === who it is ===

    /// The name the client goes by.
    pub fn client_id(&self) -> &str {
        &self.0.client_id
    }

    /// A UUID of version 7; a client that connects again has another.
    pub fn id(&self) -> Uuid {
        self.0.id
    }

    /// Who the client authenticated as.
    pub fn principal(&self) -> &Principal {
        self.0.cx.principal()
    }

    /// The context of the call that the session is: metadata, peer, database.
    pub fn context(&self) -> &Context {
        &self.0.cx
    }

    /// What the service keeps of it.
    pub fn state(&self) -> &H::State {
        &self.0.state
    }

    /// Whether the client was away for less than the grace.
    pub fn is_resumed(&self) -> bool {
        self.0.resumed
    }

    /// When it connected.
    pub fn connected_at(&self) -> Time {
        self.0.connected_at
    }

    /// When the client last said something.
    pub fn last_seen_at(&self) -> Time {
        self.0.connected_at + Duration::from_micros(self.0.seen.load(Relaxed))
    }

    /// From the last ping to its ack; `None` before the first.
    pub fn round_trip(&self) -> Option<Duration> {
        Some(self.0.round_trip.load(Relaxed)).filter(|micros| *micros != UNKNOWN).map(Duration::from_micros)
    }

    /// Messages that came from the client.
    pub fn messages_received(&self) -> u64 {
        self.0.received.load(Relaxed)
    }

    /// Commands that were handed to the client's connection.
    pub fn commands_sent(&self) -> u64 {
        self.0.line.counts().1
    }

    /// Commands that wait for the client to read them.
    pub fn commands_waiting(&self) -> usize {
        self.0.line.counts().0
    }

    /// Commands whose acks somebody waits for.
    pub fn commands_in_flight(&self) -> usize {
        self.0.acks.awaited()
    }

    /// Why it ended; `None` while it goes on.
    pub fn ended(&self) -> Option<Cause> {
        self.0.line.cause()
    }

    // === what the service notes ===

    /// What the client says of its version, for rows and pages; longer ones are cut.
    pub fn set_version(&self, version: &str) {
        self.notes().version = clean(shortened(version, VERSION_LIMIT)).into_owned();
    }

    /// Adds a label: [`To::Label`](super::To) reaches every session that has it, from other nodes a moment later.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for one that is empty or longer than 64 bytes, RESOURCE_EXHAUSTED for more than [`MOST_LABELS`].
    pub fn join(&self, label: impl Into<String>) -> Result<()> {
        let label = label.into();
        // First the lock, then the look: see `registered`.
        let mut notes = self.notes();
        let registration = self.registration();
        if notes.labels.len() >= MOST_LABELS && !notes.labels.contains(&label) {
            return Err(Error::resource_exhausted(format!("a session has {MOST_LABELS} labels at most")));
        }
        if let Some(registration) = registration {
            registration.join(&label)?;
        }
        notes.labels.insert(label);
        Ok(())
    }

    /// Takes a label away; tells whether it was there.
    pub fn leave(&self, label: &str) -> bool {
        let mut notes = self.notes();
        if let Some(registration) = self.registration() {
            registration.leave(label);
        }
        notes.labels.remove(label)
    }

    /// Whether it has this label.
    pub fn has_label(&self, label: &str) -> bool {
        self.notes().labels.contains(label)
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H: Handlers> Clone for Session<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Handlers> fmt::Debug for Session<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("client_id", &self.client_id())
            .field("id", &self.0.id)
            .field("ended", &self.ended())
            .finish_non_exhaustive()
    }
}
