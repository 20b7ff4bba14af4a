//! The one end of a call. Whoever holds the ticket last, the future or the body, ends the call by dropping it.

use std::sync::Arc;

use tonic::Code;

use super::{Entry, Shared};
use crate::{Context, record::Slot};

/// A call that is under way. Dropped with no outcome set, the caller has left: CANCELLED.
pub(crate) struct Ticket {
    pub cx: Context,
    pub entry: Arc<Entry>,
    pub shared: Arc<Shared>,
    slot: Option<Slot>,
}

impl Ticket {
    /// Begins the call: counted, and visible among the running ones.
    pub fn new(cx: Context, entry: Arc<Entry>, shared: Arc<Shared>) -> Self {
        entry.metrics.started();
        let slot = shared.recorder.as_ref().filter(|_| entry.recorded).map(|recorder| recorder.open(cx.call()));
        Self { cx, entry, shared, slot }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let call = self.cx.call();
        call.close(Code::Cancelled, Some("the client left before the end"));
        if let Some(outcome) = call.outcome() {
            self.entry.metrics.finished(call, outcome);
        }
        if let (Some(recorder), Some(slot)) = (&self.shared.recorder, self.slot.take()) {
            recorder.close(call.clone(), slot);
        }
        self.shared.leave();
        self.cx.ended();
    }
}
