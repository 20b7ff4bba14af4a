//! One connected client: what handlers know of it, and what may be sent to it.
//!
//! Must never: wait for the client other than in [`Session::execute`].

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

use super::{
    Cause, Handlers,
    ack::{self, Acks, Waiting},
    hub::Core,
    hubs::Place,
    line::{self, Line},
    refused,
    state::{Connection, Event, EventKind, Status},
};
use crate::{
    Context, Principal,
    clock::{self, Time},
    context::Settled,
    error::{Error, Result},
    record::shortened,
};

/// Longest version that is kept, in bytes.
const VERSION_LIMIT: usize = 100;
/// Longest text of a failure that is kept, in bytes.
const ERROR_LIMIT: usize = 1_000;
/// Labels that one session may have.
const LABELS: usize = 32;
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
    /// Given back when the session is over, and not only when nobody knows it any more.
    held: Mutex<Option<(Place, Settled)>>,
}

/// What is rarely touched.
#[derive(Default)]
struct Notes {
    version: String,
    labels: BTreeSet<String>,
    last_error: Option<String>,
    /// The ping that waits for its ack.
    ping: Option<(String, Instant)>,
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
        let held = Mutex::new(Some((place, cx.settle())));
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
            held,
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
        shortened(version, VERSION_LIMIT).clone_into(&mut self.notes().version);
    }

    /// Adds a label: [`To::Label`](super::To) reaches every session that has it.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED for the 33rd.
    pub fn join(&self, label: impl Into<String>) -> Result<()> {
        let label = label.into();
        let mut notes = self.notes();
        if notes.labels.len() >= LABELS && !notes.labels.contains(&label) {
            return Err(Error::resource_exhausted(format!("a session has {LABELS} labels at most")));
        }
        notes.labels.insert(label);
        Ok(())
    }

    /// Takes a label away; tells whether it was there.
    pub fn leave(&self, label: &str) -> bool {
        self.notes().labels.remove(label)
    }

    /// Whether it has this label.
    pub fn has_label(&self, label: &str) -> bool {
        self.notes().labels.contains(label)
    }

    // === commands ===

    /// Queues a command, without waiting. A command without an id gets one.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED (QUEUE_FULL) when the client does not read as fast as it is sent to, FAILED_PRECONDITION
    /// (CLIENT_NOT_CONNECTED) when it has left.
    pub fn send(&self, mut command: H::Command) -> Result<()> {
        let id = stamped::<H>(&mut command);
        self.0.acks.remember(&id);
        self.push(command).inspect_err(|_| self.0.acks.forget(&id))
    }

    /// Queues a command and waits for its ack.
    ///
    /// Dropped, or out of time, while the client has not read the command, it is taken back.
    ///
    /// # Errors
    /// As [`Session::send`]; DEADLINE_EXCEEDED when no ack came in time (CLIENT_SILENT: it may have been done; NOT_READ: it was
    /// not), UNAVAILABLE (CLIENT_LEFT) when the client left meanwhile, RESOURCE_EXHAUSTED (TOO_MANY_COMMANDS) beyond
    /// `max_commands_in_flight`, ALREADY_EXISTS for an id that is waited for already.
    pub async fn execute(&self, mut command: H::Command, deadline: Duration) -> Result<H::Ack> {
        let id = stamped::<H>(&mut command);
        let waiting = self.0.acks.expect(&id).map_err(|why| match why {
            ack::Refused::Many => {
                refused::too_many_commands(self.client_id(), self.0.core.config.max_commands_in_flight)
            }
            ack::Refused::Twice => Error::already_exists("command", &id),
            ack::Refused::Over => refused::not_connected(self.client_id()),
        })?;
        let taken_back = AtomicBool::new(false);
        let unread = match self.push(command) {
            Ok(()) => Unread { session: self, id: &id, waiting: Some(waiting), taken_back: &taken_back },
            Err(error) => {
                waiting.forget();
                return Err(error);
            }
        };
        match tokio::time::timeout(deadline, unread.acknowledged()).await {
            Ok(Some(ack)) => Ok(ack),
            Ok(None) if self.ended().is_none() && !self.0.acks.is_over() => Err(refused::taken_back(&id)),
            Ok(None) => Err(refused::left(self.client_id())),
            Err(_) => {
                self.0.core.counts.timed_out.increment(1);
                let seconds = deadline.as_secs_f64();
                self.happened(
                    EventKind::CommandTimeout,
                    None,
                    Some(format!("command {id}: no ack within {seconds} s")),
                );
                if taken_back.load(Relaxed) {
                    return Err(refused::not_read(self.client_id(), deadline));
                }
                Err(refused::silent(self.client_id(), deadline))
            }
        }
    }

    /// Takes back a command that the client has not read yet; tells whether it did. Whoever waits for its ack reads
    /// CANCELLED.
    pub fn cancel(&self, command_id: &str) -> bool {
        let taken = self.0.line.take_back(|command| H::command_id(command) == command_id);
        if taken {
            self.0.acks.withdraw(command_id);
        }
        taken
    }

    /// Ends the session: the client reads what was queued, and then this.
    pub fn end(&self, status: Error) {
        self.0.line.close(Cause::Ended, Some(status));
    }

    pub(super) fn close(&self, cause: Cause) {
        let patience = match cause {
            Cause::Drained => self.0.core.hubs.spread(),
            _ => self.0.core.config.heartbeat_timeout,
        };
        self.0.line.close(cause, cause.status(patience));
    }

    fn push(&self, command: H::Command) -> Result<()> {
        let counts = &self.0.core.counts;
        match self.0.line.push(command) {
            Ok(()) => {
                counts.queued.increment(1);
                Ok(())
            }
            Err(line::Refused::Full) => {
                counts.full.increment(1);
                Err(refused::full(self.client_id(), self.0.core.config.queue_size))
            }
            Err(line::Refused::Over) => Err(refused::not_connected(self.client_id())),
        }
    }

    // === for its task ===

    /// A message has come.
    pub(super) fn touch(&self) {
        self.0.received.fetch_add(1, Relaxed);
        self.alive();
    }

    /// The client is not silent, or it is not its fault.
    pub(super) fn alive(&self) {
        self.0.seen.store(self.0.begun.elapsed().as_micros() as u64, Relaxed);
    }

    /// How long nothing has come.
    pub(super) fn silence(&self) -> Duration {
        self.0.begun.elapsed().saturating_sub(Duration::from_micros(self.0.seen.load(Relaxed)))
    }

    /// Queues a ping; a full queue does without.
    pub(super) fn ping(&self, sequence: i32) {
        let mut command = H::ping(sequence);
        let id = stamped::<H>(&mut command);
        self.notes().ping = Some((id, Instant::now()));
        // Full or over: whoever judges the line sees that by itself.
        let _ = self.0.line.push(command);
    }

    /// Whether this is the ack of the last ping; then the round trip is known.
    pub(super) fn ponged(&self, id: &str) -> bool {
        let mut notes = self.notes();
        let Some((_, sent)) = notes.ping.take_if(|(ping, _)| ping == id) else { return false };
        drop(notes);
        self.0.round_trip.store(sent.elapsed().as_micros() as u64, Relaxed);
        true
    }

    /// A handler failed. The log is told of the first few: a client may send as much nonsense as it likes.
    pub(super) fn failed(&self, what: &str, error: &Error) {
        self.0.core.counts.failed.increment(1);
        let before = self.0.errors.fetch_add(1, Relaxed);
        let (client, error) = (self.client_id(), error.for_log());
        if before < 10 {
            tracing::warn!(client, what, error, "a handler failed");
        } else {
            tracing::debug!(client, what, error, "a handler failed");
        }
        self.notes().last_error = Some(shortened(&format!("{what}: {error}"), ERROR_LIMIT).to_owned());
    }

    /// Gives back its share of the limits.
    pub(super) fn release(&self) {
        let held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(held);
    }

    pub(super) fn happened(&self, kind: EventKind, cause: Option<Cause>, detail: Option<String>) {
        let core = &self.0.core;
        core.hubs.ledger.event(Event {
            id: 0,
            service: core.config.service_name.clone(),
            client_id: self.client_id().to_owned(),
            session: self.0.id.to_string(),
            node: core.hubs.node.clone(),
            kind: kind.as_str().to_owned(),
            cause: cause.map(|cause| cause.as_str().to_owned()),
            detail,
            created_at: clock::now(),
        });
    }

    /// Its row, as it is now.
    pub(super) fn row(&self, status: Status) -> Connection {
        let core = &self.0.core;
        let caller = self.principal().caller().unwrap_or_default();
        let over = status != Status::Connected;
        let notes = self.notes();
        Connection {
            id: 0,
            service: core.config.service_name.clone(),
            client_id: self.client_id().to_owned(),
            session: self.0.id.to_string(),
            node: core.hubs.node.clone(),
            status: status.as_str().to_owned(),
            cause: self.ended().filter(|_| over).map(|cause| cause.as_str().to_owned()),
            user_id: caller.user_id,
            api_key_id: caller.api_key_id,
            principal: self.principal().user().map(|user| user.username.clone()).unwrap_or_default(),
            address: self.0.cx.peer().map(|peer| peer.to_string()),
            version: notes.version.clone(),
            connected_at: self.connected_at(),
            disconnected_at: over.then(clock::now),
            last_seen_at: self.last_seen_at(),
            round_trip_us: self.round_trip().map(|time| time.as_micros() as i64),
            messages_received: self.messages_received() as i64,
            commands_sent: self.commands_sent() as i64,
            errors: self.0.errors.load(Relaxed) as i64,
            last_error: notes.last_error.clone(),
            valid_until: core.hubs.ledger.valid_until(),
        }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of a command; it gets one if it has none.
fn stamped<H: Handlers>(command: &mut H::Command) -> String {
    let id = H::command_id(command);
    if id.is_empty() {
        *id = Uuid::new_v4().to_string();
    }
    id.clone()
}

/// A command that somebody waits for. Dropped while the client has not read it, it is taken back.
struct Unread<'s, H: Handlers> {
    session: &'s Session<H>,
    id: &'s str,
    /// `None` when there is nothing to take back.
    waiting: Option<Waiting<H::Ack>>,
    taken_back: &'s AtomicBool,
}

impl<H: Handlers> Unread<'_, H> {
    async fn acknowledged(mut self) -> Option<H::Ack> {
        let ack = match &mut self.waiting {
            Some(waiting) => waiting.await,
            None => None,
        };
        self.waiting = None;
        ack
    }
}

impl<H: Handlers> Drop for Unread<'_, H> {
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.take()
            && self.session.0.line.take_back(|command| H::command_id(command) == self.id)
        {
            waiting.forget();
            self.taken_back.store(true, Relaxed);
        }
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
