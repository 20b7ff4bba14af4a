//! The one end of a call. Whoever holds the ticket last, the future or the body, ends the call by dropping it.

use std::sync::Arc;

use tonic::Code;

use super::{Entry, Shared};
use crate::{Context, record::Slot};

/// A call's share of the number of calls in flight, from its head to its end.
pub(crate) struct Place(Arc<Shared>);

impl Place {
    /// Takes a place; tells how many were taken before.
    pub fn take(shared: Arc<Shared>) -> (Self, usize) {
        let before = shared.enter();
        (Self(shared), before)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// A call that is under way. Dropped with no outcome set, the caller has left: CANCELLED.
pub(crate) struct Ticket {
    pub cx: Context,
    pub entry: Arc<Entry>,
    place: Place,
    slot: Option<Slot>,
}

impl Ticket {
    /// Begins the call: counted, and visible among the running ones.
    pub fn new(cx: Context, entry: Arc<Entry>, place: Place) -> Self {
        entry.metrics.started();
        if let Some(events) = &entry.events {
            events.began(cx.call());
        }
        let slot = place.0.recorder.as_ref().filter(|_| entry.recorded).map(|recorder| recorder.open(cx.call()));
        Self { cx, entry, place, slot }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let call = self.cx.call();
        call.close(Code::Cancelled, Some("the client left before the end"));
        if let Some(outcome) = call.outcome() {
            self.entry.metrics.finished(call, outcome);
        }
        if let Some(events) = &self.entry.events {
            events.ended(call);
        }
        if let (Some(recorder), Some(slot)) = (&self.place.0.recorder, self.slot.take()) {
            recorder.close(call.clone(), slot);
        }
        self.cx.ended();
    }
}
