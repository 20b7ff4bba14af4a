//! The inbound half of one stream: the task that reads what the client sends, from its first message to the end of its
//! grace.
//!
//! Reads have no timeout: silence is judged by a clock of its own. Content is handled one message at a time, while
//! heartbeats and acks go on being read, up to a bound, so that a handler may wait for an ack of its own client.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use prost::Message as _;
use tokio::time::{Sleep, sleep_until, timeout};

use super::{
    Cause, DuplicatePolicy, Handlers, Incoming, Session, Streaming,
    ack::Expected,
    caught::Caught,
    hub::Core,
    line::{Line, News},
    refused,
    state::{EventKind, Status},
};
use crate::{
    Code, Context,
    bus::Registration,
    error::{DOMAIN, Error, Result},
    record::shortened,
};

/// Messages that may wait for the handler before them; then the client has to wait.
const BACKLOG: usize = 64;
/// How long a new stream has for its first message, at most: until then it counts as a call, and nobody's.
const FIRST_WORDS: Duration = Duration::from_secs(20);
/// How long a hook may take at the end of a session, and what the client said before it.
const LAST_WORDS: Duration = Duration::from_secs(5);

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The whole life of one stream.
pub(super) async fn run<H: Handlers>(
    core: Arc<Core<H>>,
    cx: Context,
    mut messages: Streaming<H::Message>,
    line: Arc<Line<H::Command>>,
) {
    let first = tokio::select! {
        biased;
        _ = line.over() => return,
        // Boxed, as all that comes before and after the long middle: a session's task is as large as its largest part.
        first = Box::pin(Caught::new(enter(&core, &cx, &mut messages, &line))) => first,
        () = core.hubs.drains() => {
            return line.close(Cause::Drained, Cause::Drained.status(core.hubs.spread()));
        }
    };
    let (session, first) = match first {
        Ok(entered) => entered,
        Err(error) if error.code() == Code::Cancelled => return line.close(Cause::Cancelled, Some(error)),
        Err(error) => return line.close(Cause::Refused, Some(error)),
    };
    // Whatever happens from here on, the name is given back.
    let leaving = Leaving(&session);
    begin(&session);
    let registration = Box::pin(register(&session)).await;
    let (cause, unhandled) = Talk::new(session.clone(), messages, registration).run(first).await;
    session.close(cause);
    let back = leaving.now();
    Box::pin(end(&session, back, unhandled)).await;
}

/// The first message: who is it, and may it?
async fn enter<H: Handlers>(
    core: &Arc<Core<H>>,
    cx: &Context,
    messages: &mut Streaming<H::Message>,
    line: &Arc<Line<H::Command>>,
) -> Result<(Session<H>, H::Message)> {
    let patience = core.config.heartbeat_timeout.min(FIRST_WORDS);
    let first = timeout(patience, messages.next()).await.map_err(|_| {
        let seconds = patience.as_secs_f64();
        Error::deadline_exceeded(format!("no first message came within {seconds} s")).reason("NO_MESSAGE", DOMAIN)
    })??;
    let first = first.ok_or_else(|| Error::invalid_argument("the stream ended before its first message"))?;
    let client_id = H::client_id(&first);
    refused::unfit(client_id)?;
    if !cx.check_superuser() {
        let admitted = timeout(core.config.heartbeat_timeout, core.handlers.admit(cx, client_id)).await;
        admitted.map_err(|_| refused::overdue("admit"))??;
    }
    if core.config.duplicate_policy == DuplicatePolicy::Refuse && core.remote.is_elsewhere(client_id).await? {
        return Err(refused::connected(client_id));
    }
    let session = core.registry.take(core, client_id, cx, line)?;
    Ok((session, first))
}

/// The session is known.
fn begin<H: Handlers>(session: &Session<H>) {
    let core = &session.0.core;
    core.counts.begun.increment(1);
    core.counts.sessions.increment(1.0);
    let kind = if session.is_resumed() { EventKind::Reconnected } else { EventKind::Connected };
    let peer = session.context().peer().map(|peer| format!("from {peer}"));
    session.happened(kind, None, peer);
    core.hubs.ledger.row(session.row(Status::Connected));
    // Between the look at the drain and the name being taken, the drain may have begun.
    if core.hubs.is_draining() {
        session.close(Cause::Drained);
    }
}

/// Makes the session known to the bus; with many nodes, the older session of the name on another one ends. `None`: the
/// session has ended meanwhile.
async fn register<H: Handlers>(session: &Session<H>) -> Option<Arc<Registration>> {
    let core = &session.0.core;
    let served = core.remote.bus().serve(&core.config.service_name, session.client_id(), &[], session.receiver());
    let served = tokio::select! {
        biased;
        _ = session.0.line.over() => return None,
        served = served => served,
    };
    match served {
        Ok(registration) => {
            let registration = Arc::new(registration);
            session.registered(&registration);
            Some(registration)
        }
        // In the same moment it has connected elsewhere, and that session is the newer.
        Err(error) if error.code() == Code::Aborted => {
            session.close(Cause::Replaced);
            None
        }
        Err(error) => {
            session.close_with(Cause::Refused, error);
            None
        }
    }
}

/// Gives the name back, also when the task is dropped.
struct Leaving<'s, H: Handlers>(&'s Session<H>);

impl<H: Handlers> Leaving<'_, H> {
    fn leave(&self) -> Option<Arc<tokio::sync::Notify>> {
        let (session, core) = (self.0, &self.0.0.core);
        session.close(Cause::Shutdown);
        let cause = session.ended().unwrap_or(Cause::Shutdown);
        let grace = cause.has_grace() && !core.config.client_disconnect_grace.is_zero() && !core.hubs.is_draining();
        session.0.acks.end();
        // The place before the name: whoever finds the name free may connect at once.
        session.release();
        let back = core.registry.give_back(session, grace);
        core.counts.sessions.decrement(1.0);
        core.counts.ended(cause).increment(1);
        back
    }

    fn now(self) -> Option<Arc<tokio::sync::Notify>> {
        let back = self.leave();
        std::mem::forget(self);
        back
    }
}

impl<H: Handlers> Drop for Leaving<'_, H> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// What is left to do when nobody can find the session any more: rows, hooks, the grace.
async fn end<H: Handlers>(session: &Session<H>, back: Option<Arc<tokio::sync::Notify>>, unhandled: usize) {
    let core = &session.0.core;
    let cause = session.ended().unwrap_or(Cause::Shutdown);
    let status = if back.is_some() { Status::Reconnecting } else { Status::Disconnected };
    let (waiting, sent) = (session.commands_waiting(), session.commands_sent());
    let received = session.messages_received();
    let unhandled = if unhandled > 0 { format!(", {unhandled} messages not handled") } else { String::new() };
    let detail = format!("{received} messages received, {sent} commands sent, {waiting} left{unhandled}");
    session.happened(EventKind::Disconnected, Some(cause), Some(detail));
    session.expired(session.0.line.expired());
    core.hubs.ledger.row(session.row(status));
    if session.is_greeted() {
        hook(session, "disconnected", core.handlers.disconnected(session, cause)).await;
    }
    if let Some(back) = &back {
        tokio::select! {
            () = back.notified() => return,
            () = core.hubs.drains() => {}
            () = tokio::time::sleep(core.config.client_disconnect_grace) => {}
        }
        if !core.registry.is_gone(session, back) {
            return;
        }
        core.hubs.ledger.row(session.row(Status::Disconnected));
    }
    if core.hubs.is_draining() || cause == Cause::Replaced {
        return;
    }
    // Back, on another node.
    if core.remote.is_elsewhere(session.client_id()).await.unwrap_or(false) {
        return;
    }
    session.happened(EventKind::Offline, Some(cause), None);
    if !session.is_greeted() {
        return;
    }
    hook(session, "offline", core.handlers.offline(session, cause)).await;
}

/// One of the service's last words. It may fail, panic or hang.
async fn hook<H: Handlers>(session: &Session<H>, what: &'static str, hook: impl Future<Output = Result<()>>) {
    let said = timeout(LAST_WORDS, Caught::new(hook)).await;
    if let Err(error) = said.unwrap_or_else(|elapsed| Err(elapsed.into())) {
        session.failed(what, &error);
    }
}

/// The middle: from the first message to the cause of the end.
struct Talk<H: Handlers> {
    session: Session<H>,
    messages: Streaming<H::Message>,
    /// Tells when another node has the name.
    registration: Option<Arc<Registration>>,
    /// The client may still say something.
    open: bool,
    /// What is being handled now.
    work: Option<Work>,
    backlog: VecDeque<Job<H>>,
    next_ping: Option<Instant>,
    sequence: i32,
}

/// What waits to be handled.
enum Job<H: Handlers> {
    Content(H::Content),
    Unawaited(H::Ack, bool),
}

/// What woke the task.
enum Woken<H: Handlers> {
    Over(Cause),
    Expired(Vec<H::Command>),
    Message(Result<Option<H::Message>>),
    Done,
    Time,
}

impl<H: Handlers> Talk<H> {
    fn new(session: Session<H>, messages: Streaming<H::Message>, registration: Option<Arc<Registration>>) -> Self {
        let config = &session.0.core.config;
        let next_ping = config.enable_ping.then(|| Instant::now() + config.ping_interval);
        let backlog = VecDeque::new();
        Self { session, messages, registration, open: true, work: None, backlog, next_ping, sequence: 0 }
    }

    /// Gives the cause of the end, and how many messages were not handled for it.
    async fn run(mut self, first: H::Message) -> (Cause, usize) {
        let cause = self.talk(first).await;
        // Not the client's doing: what it has said counts, also to a client that will be back on another node.
        if matches!(cause, Cause::Drained | Cause::Shutdown | Cause::Ended) && self.work.is_some() {
            // No ack can come any more for whoever waits in there.
            self.session.0.acks.end();
            let _ = timeout(LAST_WORDS, self.work_off()).await;
        }
        (cause, self.backlog.len() + usize::from(self.work.is_some()))
    }

    /// Handles what has come, and reads no more.
    async fn work_off(&mut self) {
        while let Some(work) = &mut self.work {
            work.await;
            self.work = None;
            self.work_on();
        }
    }

    async fn talk(&mut self, first: H::Message) -> Cause {
        let line = self.session.0.line.clone();
        let session = self.session.clone();
        let connected = Box::pin(async {
            session.greet();
            let patience = session.0.core.config.heartbeat_timeout;
            let told = timeout(patience, Caught::new(session.0.core.handlers.connected(&session))).await;
            match told.unwrap_or_else(|_| Err(refused::overdue("connected"))) {
                Ok(()) => None,
                Err(error) => {
                    line.close(Cause::Refused, Some(error));
                    Some(Cause::Refused)
                }
            }
        });
        let refused = tokio::select! {
            biased;
            cause = line.over() => Some(cause),
            () = superseded(self.registration.as_deref()) => Some(Cause::Replaced),
            refused = connected => refused,
        };
        if let Some(cause) = refused {
            return cause;
        }
        if let Err(cause) = self.take(first) {
            return cause;
        }
        let mut timer = Box::pin(sleep_until(self.next_look().into()));
        loop {
            if !self.open && self.work.is_none() {
                return Cause::ClosedByClient;
            }
            let woken = self.wait(&line, timer.as_mut()).await;
            let judged = match woken {
                Woken::Over(cause) => return cause,
                Woken::Expired(commands) => {
                    self.session.expired(commands);
                    Ok(())
                }
                Woken::Done => {
                    if self.backlog.len() >= BACKLOG {
                        // We did not read: the silence until now was ours.
                        self.session.alive();
                    }
                    self.work = None;
                    self.work_on();
                    Ok(())
                }
                Woken::Message(Ok(Some(message))) => self.take(message),
                Woken::Message(Ok(None)) => {
                    self.half_closed();
                    Ok(())
                }
                Woken::Message(Err(error)) => Err(self.broken(error)),
                Woken::Time => {
                    let judged = self.look();
                    timer.as_mut().reset(self.next_look().into());
                    judged
                }
            };
            if let Err(cause) = judged {
                return cause;
            }
        }
    }

    async fn wait(&mut self, line: &Line<H::Command>, timer: Pin<&mut Sleep>) -> Woken<H> {
        let work = async {
            match &mut self.work {
                Some(work) => work.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            news = line.news() => match news {
                News::Over(cause) => Woken::Over(cause),
                News::Expired(commands) => Woken::Expired(commands),
            },
            () = superseded(self.registration.as_deref()) => Woken::Over(Cause::Replaced),
            () = work => Woken::Done,
            message = self.messages.next(), if self.open && self.backlog.len() < BACKLOG => Woken::Message(message),
            () = timer => Woken::Time,
        }
    }

    /// A message: heartbeats and acks are done with here, content waits for its turn.
    fn take(&mut self, message: H::Message) -> Result<(), Cause> {
        let (session, counts) = (&self.session, &self.session.0.core.counts);
        session.touch();
        let named = H::client_id(&message);
        if !named.is_empty() && named != session.client_id() {
            let error = Error::permission_denied("a stream has one client: client_id may not change")
                .violation("client_id", "is another than in the first message")
                .reason("CLIENT_ID_CHANGED", DOMAIN);
            session.0.line.close(Cause::Refused, Some(error));
            return Err(Cause::Refused);
        }
        let (size, most) = (message.encoded_len(), session.0.core.config.max_message_bytes);
        if size > most {
            session.0.line.close(Cause::Refused, Some(refused::too_large(size, most)));
            return Err(Cause::Refused);
        }
        let publisher = session.0.core.publisher.as_ref().filter(|publisher| publisher.messages);
        let copy = publisher.map(|_| message.encode_to_vec());
        match H::read(message) {
            Incoming::Heartbeat => counts.heartbeats.increment(1),
            Incoming::Nothing => counts.nothing.increment(1),
            Incoming::Content(content) => {
                counts.content.increment(1);
                self.publish(copy);
                self.later(Job::Content(content));
            }
            Incoming::Ack(ack) => self.acknowledged(ack, copy),
        }
        Ok(())
    }

    /// Shows browsers what the client has said.
    fn publish(&self, message: Option<Vec<u8>>) {
        let core = &self.session.0.core;
        if let (Some(publisher), Some(message)) = (&core.publisher, message) {
            publisher.said(&core.config.service_name, self.session.client_id(), &message);
        }
    }

    fn acknowledged(&mut self, ack: H::Ack, copy: Option<Vec<u8>>) {
        let (session, counts) = (&self.session, &self.session.0.core.counts);
        let id = H::ack_id(&ack);
        if session.ponged(id) {
            return counts.acked.increment(1);
        }
        self.publish(copy);
        let (ack, by) = match session.0.acks.take(id) {
            Expected::Awaited(sender) => match sender.send(ack) {
                Ok(()) => return counts.acked.increment(1),
                // Whoever waited gave up in this very moment.
                Err(ack) => (ack, Duration::ZERO),
            },
            Expected::Unawaited => {
                counts.unawaited.increment(1);
                return self.later(Job::Unawaited(ack, false));
            }
            Expected::Late(by) => (ack, by),
            Expected::Unknown => return counts.unknown.increment(1),
        };
        counts.late.increment(1);
        let outcome = H::ack_error(&ack).map_or_else(|| "done".to_owned(), |error| format!("failed: {error}"));
        let detail = format!("command {}: {outcome}, {} ms late", H::ack_id(&ack), by.as_millis());
        session.happened(EventKind::LateAck, None, Some(shortened(&detail, 1_000).to_owned()));
        self.later(Job::Unawaited(ack, true));
    }

    fn later(&mut self, job: Job<H>) {
        self.backlog.push_back(job);
        self.work_on();
    }

    /// Begins the next job, if none is under way.
    fn work_on(&mut self) {
        if self.work.is_some() {
            return;
        }
        let Some(job) = self.backlog.pop_front() else {
            self.backlog.shrink_to(4);
            return;
        };
        let session = self.session.clone();
        self.work = Some(Box::pin(async move {
            let handlers = &session.0.core.handlers;
            let (what, done) = match job {
                Job::Content(content) => (H::kind(&content), Caught::new(handlers.handle(&session, content)).await),
                Job::Unawaited(ack, late) => {
                    ("unawaited ack", Caught::new(handlers.unawaited(&session, ack, late)).await)
                }
            };
            if let Err(error) = done {
                session.failed(what, &error);
            }
        }));
    }

    /// The client has no more to say: nobody may send it anything, what it said is handled to the end.
    fn half_closed(&mut self) {
        self.open = false;
        // The name stays its own until then, or a client that comes back would overtake its own last words; but whoever
        // waits for an ack learns at once that none can come.
        self.session.0.acks.end();
    }

    /// The stream broke: the client left, or sent what is no message.
    fn broken(&self, error: Error) -> Cause {
        let cause = if error.code() == Code::Cancelled { Cause::Cancelled } else { Cause::Refused };
        self.session.0.line.close(cause, Some(error));
        cause
    }

    /// The timer: pings, and judges silence.
    fn look(&mut self) -> Result<(), Cause> {
        let config = &self.session.0.core.config;
        let patience = config.heartbeat_timeout;
        if self.session.0.line.stalled().is_some_and(|stalled| stalled >= patience) {
            return Err(Cause::Slow);
        }
        if self.backlog.len() >= BACKLOG {
            // We do not read: silence is ours.
            self.session.alive();
        }
        if self.session.silence() >= patience {
            // One that has no more to say is not silent; its last words have had time enough to be handled.
            return Err(if self.open { Cause::HeartbeatLost } else { Cause::ClosedByClient });
        }
        if let Some(due) = self.next_ping.filter(|due| self.open && *due <= Instant::now()) {
            self.sequence = self.sequence.wrapping_add(1);
            self.session.ping(self.sequence);
            // Not by the clock: pings that were missed while the process slept are not made up for.
            self.next_ping = Some((due + config.ping_interval).max(Instant::now()));
        }
        Ok(())
    }

    /// When to look next.
    fn next_look(&self) -> Instant {
        let patience = self.session.0.core.config.heartbeat_timeout;
        let now = Instant::now();
        let stalled = self.session.0.line.stalled().unwrap_or_default();
        let silent = now + patience.saturating_sub(self.session.silence().max(stalled));
        // A moment at least: two clocks may disagree by less than a timer can tell.
        self.next_ping.filter(|_| self.open).map_or(silent, |ping| ping.min(silent)).max(now + Duration::from_millis(1))
    }
}

/// Returns when another session of the name, on another node, has taken it.
async fn superseded(registration: Option<&Registration>) {
    match registration {
        Some(registration) => registration.superseded().await,
        None => std::future::pending().await,
    }
}
