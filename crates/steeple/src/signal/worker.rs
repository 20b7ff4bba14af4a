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

/// The sending end.
pub(super) struct Inbox {
    queue: mpsc::Sender<(Event, Open)>,
    shared: Arc<Shared>,
}

struct Shared {
    receiver: Receiver,
    delivered: Counter,
    failed: Counter,
    dropped: Counter,
    /// The queue is full, and that was said.
    full: AtomicBool,
}

pub(super) fn start(receiver: Receiver, metrics: &Metrics) -> (Inbox, impl Future<Output = ()> + use<>) {
    let count = |outcome| {
        let labels = [("event", receiver.event_name), ("receiver", receiver.name), ("outcome", outcome)];
        metrics.counter("steeple_signal_deliveries_total", "Events that came to a receiver, by outcome.", &labels)
    };
    let (delivered, failed, dropped) = (count("delivered"), count("failed"), count("dropped"));
    let shared = Arc::new(Shared { receiver, delivered, failed, dropped, full: AtomicBool::new(false) });
    let (queue, waiting) = mpsc::channel(QUEUE);
    (Inbox { queue, shared: Arc::clone(&shared) }, work(shared, waiting))
}

impl Inbox {
    /// Never waits: without room the event is dropped.
    pub fn put(&self, event: Event, backlog: &Backlog) {
        let shared = &*self.shared;
        let Receiver { event_name, name, .. } = shared.receiver;
        let Some(open) = backlog.open() else {
            shared.dropped.increment(1);
            return tracing::warn!(event = event_name, receiver = name, "the site has stopped, an event is dropped");
        };
        match self.queue.try_send((event, open)) {
            Ok(()) => {}
            // The server was dropped without an end.
            Err(TrySendError::Closed(_)) => shared.dropped.increment(1),
            Err(TrySendError::Full(_)) => {
                shared.dropped.increment(1);
                // Said again only after the queue has been half empty.
                if !shared.full.swap(true, Relaxed) {
                    let (event, receiver) = (event_name, name);
                    tracing::warn!(
                        event,
                        receiver,
                        queue = QUEUE,
                        "the queue of a receiver is full, its events are dropped"
                    );
                }
            }
        }
    }
}

async fn work(shared: Arc<Shared>, mut queue: mpsc::Receiver<(Event, Open)>) {
    while let Some((event, open)) = queue.recv().await {
        if queue.len() <= QUEUE / 2 {
            shared.full.store(false, Relaxed);
        }
        let Receiver { event_name, name, app, ref receive, .. } = shared.receiver;
        // A task of its own, which may panic alone, and ends with this one.
        let delivery = AbortOnDropHandle::new(tokio::spawn(receive(event)));
        let error = match delivery.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.for_log()),
            Err(ended) => Some(ended.to_string()),
        };
        match error {
            None => shared.delivered.increment(1),
            Some(error) => {
                shared.failed.increment(1);
                tracing::error!(event = event_name, receiver = name, app, error, "a receiver failed");
            }
        }
        drop(open);
    }
}
