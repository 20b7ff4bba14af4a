//! What a session's task tells it, and what is written down of it.
//!
//! Must never: wait.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::Session;
use crate::{
    bus::Registration,
    clock,
    error::Error,
    record::{clean, shortened},
    stream::{
        Cause, Handlers,
        hub::stamped,
        state::{Connection, Event, EventKind, Status},
    },
};

/// Longest text of a failure that is kept, in bytes.
const ERROR_LIMIT: usize = 1_000;

impl<H: Handlers> Session<H> {
    /// Other nodes find it now.
    pub(in crate::stream) fn registered(&self, registration: &Arc<Registration>) {
        if let Some(held) = &mut *self.0.held.lock().unwrap_or_else(PoisonError::into_inner) {
            held.registration = Some(registration.clone());
        }
        // Labels that it got while it was being registered. Whoever adds one holds the same lock.
        for label in &self.notes().labels {
            // Fit for it was looked at when it was noted.
            let _ = registration.join(label);
        }
    }

    pub(super) fn registration(&self) -> Option<Arc<Registration>> {
        let held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().and_then(|held| held.registration.clone())
    }

    /// The service is about to be told that the client has connected.
    pub(in crate::stream) fn greet(&self) {
        self.0.greeted.store(true, Relaxed);
    }

    pub(in crate::stream) fn is_greeted(&self) -> bool {
        self.0.greeted.load(Relaxed)
    }

    /// These commands were not read in time; nobody waits for them.
    pub(in crate::stream) fn expired(&self, commands: Vec<H::Command>) {
        for mut command in commands {
            let id = stamped::<H>(&mut command);
            self.0.acks.forget(&id);
            self.0.core.counts.expired.increment(1);
            self.happened(EventKind::CommandExpired, None, Some(format!("command {id}: not read in time, not sent")));
        }
    }

    /// A message has come.
    pub(in crate::stream) fn touch(&self) {
        self.0.received.fetch_add(1, Relaxed);
        self.alive();
    }

    /// The client is not silent, or it is not its fault.
    pub(in crate::stream) fn alive(&self) {
        self.0.seen.store(self.0.begun.elapsed().as_micros() as u64, Relaxed);
    }

    /// How long nothing has come.
    pub(in crate::stream) fn silence(&self) -> Duration {
        self.0.begun.elapsed().saturating_sub(Duration::from_micros(self.0.seen.load(Relaxed)))
    }

    /// Queues a ping; a full queue does without.
    pub(in crate::stream) fn ping(&self, sequence: i32) {
        let mut command = H::ping(sequence);
        let id = stamped::<H>(&mut command);
        self.notes().ping = Some((id, Instant::now()));
        self.0.pinged.store(true, Relaxed);
        // Full or over: whoever judges the line sees that by itself.
        let _ = self.0.line.push(command, None);
    }

    /// Whether this is the ack of the last ping; then the round trip is known.
    pub(in crate::stream) fn ponged(&self, id: &str) -> bool {
        // Most acks come while no ping is out.
        if !self.0.pinged.load(Relaxed) {
            return false;
        }
        let mut notes = self.notes();
        let Some((_, sent)) = notes.ping.take_if(|(ping, _)| **ping == *id) else { return false };
        drop(notes);
        self.0.pinged.store(false, Relaxed);
        self.0.round_trip.store(sent.elapsed().as_micros() as u64, Relaxed);
        true
    }

    /// A handler failed. The log is told of the first few: a client may send as much nonsense as it likes.
    pub(in crate::stream) fn failed(&self, what: &str, error: &Error) {
        self.0.core.counts.failed.increment(1);
        let before = self.0.errors.fetch_add(1, Relaxed);
        let (client, error) = (self.client_id(), error.for_log());
        if before < 10 {
            tracing::warn!(client, what, error, "a handler failed");
        } else {
            tracing::debug!(client, what, error, "a handler failed");
        }
        self.notes().last_error = Some(clean(shortened(&format!("{what}: {error}"), ERROR_LIMIT)).into_owned());
    }

    /// Gives back its share of the limits.
    pub(in crate::stream) fn release(&self) {
        let held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(held);
    }

    pub(in crate::stream) fn happened(&self, kind: EventKind, cause: Option<Cause>, detail: Option<String>) {
        let core = &self.0.core;
        core.hubs.ledger.event(Event {
            id: 0,
            service: core.config.service_name.clone(),
            client_id: self.client_id().to_owned(),
            session: self.0.id.to_string(),
            node: core.hubs.node.clone(),
            kind: kind.as_str().to_owned(),
            cause: cause.map(|cause| cause.as_str().to_owned()),
            // It may quote what a client or a caller sent.
            detail: detail.map(|detail| clean(&detail).into_owned()),
            created_at: clock::now(),
        });
    }

    /// Its row, as it is now.
    pub(in crate::stream) fn row(&self, status: Status) -> Connection {
        let core = &self.0.core;
        let caller = self.principal().caller().unwrap_or_default();
        let over = status != Status::Connected;
        let grace = if status == Status::Reconnecting { core.config.client_disconnect_grace } else { Duration::ZERO };
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
            valid_until: core.hubs.ledger.valid_until(grace),
        }
    }
}
