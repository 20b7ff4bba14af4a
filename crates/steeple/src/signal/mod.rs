//! Events that one app publishes and others receive, in this process.
//!
//! Takes a value of any type (`OrderPlaced { id }`) from [`Context::signal`](crate::context::Context::signal) or
//! [`Signals::send`]; hands it to every receiver that an app registered for that type, after the commit when it was sent
//! within a transaction, and not at all when that is rolled back.
//!
//! Whoever sends does not wait: each receiver has a task and a bounded queue of its own, and gets its events in the
//! order they were sent. A queue that is full drops what is new, counts it and says so. A receiver that fails or panics
//! is logged, and gets its next event. An event lives in memory: what a process had not delivered when it died is
//! gone, and other nodes never hear of it. What must not be lost belongs into a table, in the same transaction.
//!
//! Must never: make a sender wait or fail, run a receiver within the sender's transaction, or let one receiver keep
//! another from its events.

mod backlog;
mod receiver;
mod worker;

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::task::JoinSet;

pub(crate) use self::receiver::Receiver;
use self::{backlog::Backlog, worker::Inbox};
use crate::{db::Db, record::metrics::Metrics};

type Event = Arc<dyn Any + Send + Sync>;

/// Where events are sent. Cheap to clone.
#[derive(Clone)]
pub struct Signals {
    inner: Arc<Inner>,
}

struct Inner {
    metrics: Metrics,
    backlog: Backlog,
    /// The receivers of each type of event; set when the site starts.
    receivers: OnceLock<HashMap<TypeId, Sent>>,
}

/// What becomes of an event of one type.
struct Sent {
    sent: ::metrics::Counter,
    inboxes: Vec<Inbox>,
}

/// The tasks of all receivers; they end with it.
#[derive(Debug)]
pub(crate) struct Deliveries {
    signals: Signals,
    _tasks: JoinSet<()>,
}

impl Signals {
    /// Signals that nobody receives yet.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let inner = Inner { metrics: metrics.clone(), backlog: Backlog::default(), receivers: OnceLock::new() };
        Self { inner: Arc::new(inner) }
    }

    /// Signals that nobody receives: for tests of what sends them.
    pub fn unheard() -> Self {
        Self::new(&Metrics::new())
    }

    /// Begins to deliver, to these receivers. Once.
    pub(crate) fn deliver(&self, receivers: Vec<Receiver>) -> Deliveries {
        let mut tasks = JoinSet::new();
        let mut by_type = HashMap::<TypeId, Sent>::new();
        for receiver in receivers {
            let Receiver { event, event_name, .. } = receiver;
            let sent = || Sent { sent: sent(&self.inner.metrics, event_name), inboxes: vec![] };
            let (inbox, work) = worker::start(receiver, &self.inner.metrics);
            by_type.entry(event).or_insert_with(sent).inboxes.push(inbox);
            tasks.spawn(work);
        }
        // A second call would find receivers already there, and its own would stay without events.
        let first = self.inner.receivers.set(by_type).is_ok();
        debug_assert!(first, "signals are delivered once");
        Deliveries { signals: self.clone(), _tasks: tasks }
    }

    /// Sends `event` to everybody who receives its type, once what was written through `db` is committed: within
    /// [`Db::transaction`] after the outermost commit, and never when that part is rolled back; on the pool at once.
    ///
    /// ```
    /// # use steeple::{Result, Setup};
    /// # #[derive(Debug)] struct StockEmpty { product: i64 }
    /// async fn sold_out(setup: &Setup, product: i64) -> Result<()> {
    ///     setup.db().transaction(async |db| {
    ///         // … writes …
    ///         setup.signals().send(&db, StockEmpty { product });
    ///         Ok(())
    ///     })
    ///     .await
    /// }
    /// ```
    pub fn send<E: Send + Sync + 'static>(&self, db: &Db, event: E) {
        let signals = self.clone();
        db.after_commit(move || signals.publish(event));
    }

    fn publish<E: Send + Sync + 'static>(&self, event: E) {
        match self.inner.receivers.get().and_then(|receivers| receivers.get(&TypeId::of::<E>())) {
            Some(Sent { sent, inboxes }) => {
                sent.increment(1);
                let event: Event = Arc::new(event);
                for inbox in inboxes {
                    inbox.put(Arc::clone(&event), &self.inner.backlog);
                }
            }
            None => sent(&self.inner.metrics, type_name::<E>()).increment(1),
        }
    }
}

fn sent(metrics: &Metrics, event: &str) -> ::metrics::Counter {
    metrics.counter("steeple_signals_sent_total", "Events sent, after their commit.", &[("event", event)])
}

impl Deliveries {
    /// Waits until every event is delivered, those that receivers send included, for `within` at most; then takes no
    /// more. Gives the number of deliveries that did not take place.
    pub async fn drain(&self, within: Duration) -> usize {
        let backlog = &self.signals.inner.backlog;
        let _ = tokio::time::timeout(within, backlog.emptied()).await;
        backlog.close()
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = self.inner.receivers.get().map_or(0, HashMap::len);
        f.debug_struct("Signals").field("received_events", &events).finish_non_exhaustive()
    }
}
