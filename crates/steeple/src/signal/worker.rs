//! The queue of one receiver, and the task that empties it.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use ::metrics::Counter;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Event, Receiver,
    backlog::{Backlog, Open},
};
use crate::record::metrics::Metrics;

/// Events that wait for one receiver. What comes to a full queue is dropped.
pub(super) const QUEUE: usize = 4096;

/// The sending end. Must not hold the receiver, which holds the signals that hold this.
pub(super) struct Inbox {
    queue: mpsc::Sender<(Event, Open)>,
    counts: Arc<Counts>,
}

struct Counts {
    event: &'static str,
    receiver: &'static str,
    delivered: Counter,
    failed: Counter,
    dropped: Counter,
    /// The queue is full, and that was said.
    full: AtomicBool,
}

pub(super) fn start(receiver: Receiver, metrics: &Metrics) -> (Inbox, impl Future<Output = ()> + use<>) {
    let (event, name) = (receiver.event_name, receiver.name);
    let count = |outcome| {
        let labels = [("event", event), ("receiver", name), ("outcome", outcome)];
        metrics.counter("steeple_signal_deliveries_total", "Events that came to a receiver, by outcome.", &labels)
    };
    let (delivered, failed, dropped) = (count("delivered"), count("failed"), count("dropped"));
    let counts = Arc::new(Counts { event, receiver: name, delivered, failed, dropped, full: AtomicBool::new(false) });
    let (queue, waiting) = mpsc::channel(QUEUE);
    (Inbox { queue, counts: Arc::clone(&counts) }, work(receiver, counts, waiting))
}

impl Inbox {
    /// Never waits: without room the event is dropped.
    pub fn put(&self, event: Event, backlog: &Backlog) {
        let Counts { event: name, receiver, dropped, full, .. } = &*self.counts;
        let Some(open) = backlog.open() else {
            dropped.increment(1);
            return tracing::warn!(event = name, receiver, "the site has stopped, an event is dropped");
        };
        match self.queue.try_send((event, open)) {
            Ok(()) => {}
            // The server was dropped without an end.
            Err(TrySendError::Closed(_)) => dropped.increment(1),
            Err(TrySendError::Full(_)) => {
                dropped.increment(1);
                // Said again only after the queue has been half empty.
                if !full.swap(true, Relaxed) {
                    tracing::warn!(
                        event = name,
                        receiver,
                        queue = QUEUE,
                        "a receiver's queue is full, events are dropped"
                    );
                }
            }
        }
    }
}

async fn work(receiver: Receiver, counts: Arc<Counts>, mut queue: mpsc::Receiver<(Event, Open)>) {
    while let Some((event, open)) = queue.recv().await {
        if queue.len() <= QUEUE / 2 {
            counts.full.store(false, Relaxed);
        }
        // A task of its own, which may panic alone, and ends with this one.
        let delivery = AbortOnDropHandle::new(tokio::spawn((receiver.receive)(event)));
        let error = match delivery.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.for_log()),
            Err(ended) => Some(ended.to_string()),
        };
        match error {
            None => counts.delivered.increment(1),
            Some(error) => {
                counts.failed.increment(1);
                let Counts { event, receiver: name, .. } = &*counts;
                tracing::error!(event, receiver = name, app = receiver.app, error, "a receiver failed");
            }
        }
        drop(open);
    }
}
