//! One connected client: what handlers know of it, and what may be sent to it.
//!
//! Must never: wait for the client other than in [`Session::execute`].

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use prost::Message as _;
use uuid::Uuid;

use super::{
    Cause, Handlers,
    ack::{self, Acks, Waiting},
    hub::{Core, stamped},
    hubs::Place,
    line::{self, Line},
    refused,
    state::{Connection, Event, EventKind, Status},
    wire::{Order, cancelled},
};
use crate::{
    Context, Principal,
    bus::{Delivery, MOST_LABELS, Registration},
    clock::{self, Time},
    context::Settled,
    error::{Error, Result},
    record::shortened,
};

/// Longest version that is kept, in bytes.
const VERSION_LIMIT: usize = 100;
/// Longest text of a failure that is kept, in bytes.
const ERROR_LIMIT: usize = 1_000;
/// The client's node gives up a little before whoever waits on another one, which so learns why.
const EARLIER: Duration = Duration::from_millis(20);
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
    /// Given back when the session is over, and not only when nobody knows it any more.
    held: Mutex<Option<Held>>,
}

/// What a session has of its node.
struct Held {
    _place: Place,
    _settled: Settled,
    /// Where other nodes find it.
    registration: Option<Arc<Registration>>,
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
        let held = Held { _place: place, _settled: cx.settle(), registration: None };
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
        shortened(version, VERSION_LIMIT).clone_into(&mut self.notes().version);
    }

    /// Adds a label: [`To::Label`](super::To) reaches every session that has it, from other nodes a moment later.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for one that is empty or longer than 64 bytes, RESOURCE_EXHAUSTED for more than [`MOST_LABELS`].
    pub fn join(&self, label: impl Into<String>) -> Result<()> {
        let label = label.into();
        let registration = self.registration();
        let mut notes = self.notes();
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
        if let Some(registration) = self.registration() {
            registration.leave(label);
        }
        self.notes().labels.remove(label)
    }

    /// Whether it has this label.
    pub fn has_label(&self, label: &str) -> bool {
        self.notes().labels.contains(label)
    }

    // === commands ===

    /// Queues a command, without waiting. A command without an id gets one. Not read within `command_timeout` of the
    /// configuration, it is dropped and put on record.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED (QUEUE_FULL) when the client does not read as fast as it is sent to, FAILED_PRECONDITION
    /// (CLIENT_NOT_CONNECTED) when it has left.
    pub fn send(&self, command: H::Command) -> Result<()> {
        self.queue(command, self.0.core.config.command_timeout)
    }

    /// The same, to be read `within` this time.
    fn queue(&self, mut command: H::Command, within: Duration) -> Result<()> {
        let id = stamped::<H>(&mut command);
        self.0.acks.remember(&id);
        self.push(command, Some(Instant::now() + within)).inspect_err(|_| self.0.acks.forget(&id))
    }

    /// Queues a command and waits for its ack.
    ///
    /// Dropped, or out of time, while the client has not read the command, it is taken back.
    ///
    /// # Errors
    /// As [`Session::send`]; DEADLINE_EXCEEDED when no ack came in time (CLIENT_SILENT: it may have been done; NOT_READ: it was
    /// not), ABORTED (CLIENT_LEFT: it may have been done) when the client left meanwhile, RESOURCE_EXHAUSTED (TOO_MANY_COMMANDS) beyond
    /// `max_commands_in_flight`, ALREADY_EXISTS for an id that is waited for already.
    pub async fn execute(&self, command: H::Command, deadline: Duration) -> Result<H::Ack> {
        self.begin(command)?.within(deadline).await
    }

    /// Queues a command that somebody is about to wait for.
    fn begin(&self, mut command: H::Command) -> Result<Begun<H>> {
        let id = stamped::<H>(&mut command);
        let waiting = self.0.acks.expect(&id).map_err(|why| match why {
            ack::Refused::Many => {
                refused::too_many_commands(self.client_id(), self.0.core.config.max_commands_in_flight)
            }
            ack::Refused::Twice => Error::already_exists("command", &id),
            ack::Refused::Over => refused::not_connected(self.client_id()),
        })?;
        match self.push(command, None) {
            Ok(()) => Ok(Begun { session: self.clone(), id, waiting: Some(waiting) }),
            Err(error) => {
                waiting.forget();
                Err(error)
            }
        }
    }

    /// What takes the bus's deliveries. It does not keep the session.
    pub(super) fn receiver(&self) -> impl Fn(Delivery) + Send + Sync + 'static {
        let session: Weak<Inner<H>> = Arc::downgrade(&self.0);
        move |delivery| match session.upgrade() {
            Some(inner) => Self(inner).deliver(delivery),
            // Dropped, it tells the sender that nobody is connected.
            None => drop(delivery),
        }
    }

    /// Something has come over the bus.
    fn deliver(&self, delivery: Delivery) {
        let order = match Order::<H::Command>::decode(delivery.bytes()) {
            Ok(order) => order,
            Err(error) => return delivery.refuse(error),
        };
        match order {
            Order::Cancel(id) => {
                let done = self.cancel(&id);
                if let Some(reply) = delivery.accept().reply {
                    reply.send(Ok(cancelled(done)));
                }
            }
            Order::Command(command) if delivery.wants_answer() => match self.begin(command) {
                Ok(begun) => {
                    let accepted = delivery.accept();
                    let Some(reply) = accepted.reply else { return };
                    let left = accepted.expires.left();
                    let within = left.saturating_sub(EARLIER.min(left / 10));
                    self.0.core.hubs.tasks.spawn(async move {
                        reply.send(begun.within(within).await.map(|ack| Bytes::from(ack.encode_to_vec())));
                    });
                }
                Err(error) => delivery.refuse(error),
            },
            Order::Command(command) => match self.queue(command, delivery.expires().left()) {
                Ok(()) => drop(delivery.accept()),
                Err(error) => delivery.refuse(error),
            },
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

    /// Ends it with a word of its own.
    pub(super) fn close_with(&self, cause: Cause, status: Error) {
        self.0.line.close(cause, Some(status));
    }

    fn push(&self, command: H::Command, expires: Option<Instant>) -> Result<()> {
        let core = &self.0.core;
        let counts = &core.counts;
        let shown = core.publisher.as_ref().filter(|publisher| publisher.commands);
        let shown = shown.map(|publisher| (publisher, command.encode_to_vec()));
        match self.0.line.push(command, expires) {
            Ok(()) => {
                counts.queued.increment(1);
                if let Some((publisher, command)) = shown {
                    publisher.sent(&core.config.service_name, self.client_id(), &command);
                }
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

    /// Other nodes find it now.
    pub(super) fn registered(&self, registration: Arc<Registration>) {
        if let Some(held) = &mut *self.0.held.lock().unwrap_or_else(PoisonError::into_inner) {
            held.registration = Some(registration);
        }
    }

    fn registration(&self) -> Option<Arc<Registration>> {
        let held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().and_then(|held| held.registration.clone())
    }

    /// The service is about to be told that the client has connected.
    pub(super) fn greet(&self) {
        self.0.greeted.store(true, Relaxed);
    }

    pub(super) fn is_greeted(&self) -> bool {
        self.0.greeted.load(Relaxed)
    }

    /// These commands were not read in time; nobody waits for them.
    pub(super) fn expired(&self, commands: Vec<H::Command>) {
        for mut command in commands {
            let id = stamped::<H>(&mut command);
            self.0.acks.forget(&id);
            self.0.core.counts.expired.increment(1);
            self.happened(EventKind::CommandExpired, None, Some(format!("command {id}: not read in time, not sent")));
        }
    }

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
        let _ = self.0.line.push(command, None);
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
            method: self.0.cx.method().path.trim_start_matches('/').to_owned(),
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

/// A command that somebody waits for. Dropped while the client has not read it, it is taken back.
struct Begun<H: Handlers> {
    session: Session<H>,
    id: String,
    /// `None` when there is nothing to wait for any more.
    waiting: Option<Waiting<H::Ack>>,
}

impl<H: Handlers> Begun<H> {
    async fn within(mut self, deadline: Duration) -> Result<H::Ack> {
        let answer = match &mut self.waiting {
            Some(waiting) => tokio::time::timeout(deadline, waiting).await,
            None => Ok(None),
        };
        let session = self.session.clone();
        if let Ok(ack) = answer {
            self.waiting = None;
            let over = session.ended().is_some() || session.0.acks.is_over();
            ack.ok_or_else(|| if over { refused::left(session.client_id()) } else { refused::taken_back(&self.id) })
        } else {
            session.0.core.counts.timed_out.increment(1);
            let seconds = deadline.as_secs_f64();
            let detail = format!("command {}: no ack within {seconds} s", self.id);
            session.happened(EventKind::CommandTimeout, None, Some(detail));
            let error = if self.take_back() { refused::not_read } else { refused::silent };
            Err(error(session.client_id()))
        }
    }

    fn take_back(&mut self) -> bool {
        let Some(waiting) = self.waiting.take() else { return false };
        let taken = self.session.0.line.take_back(|command| *H::command_id(command) == self.id);
        if taken {
            waiting.forget();
        }
        taken
    }
}

impl<H: Handlers> Drop for Begun<H> {
    fn drop(&mut self) {
        self.take_back();
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
