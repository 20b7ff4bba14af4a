//! What the pipeline holds: the door to the request log.
//!
//! Takes calls when they begin and when they end; a thread of its own ("steeple-log") does the rest, see the module
//! `writer`. Opening and closing a call costs no await, no allocation and no system call, but for waking the thread
//! when a batch is full. Every closed call is accounted for: its row is written, or counted as dropped, or it was a
//! success that `sample_successes` left out.
//!
//! Must never: fail a call, or make it wait other than in [`Recorder::room`].

use std::{
    fmt, io,
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    thread,
    time::{Duration, Instant},
};

use crossbeam_queue::ArrayQueue;
use tokio::sync::{Notify, watch};

use super::{
    Call, Metrics, Slot,
    config::{Config, ConsoleLines, Nonsense, OnFull},
    metrics::LogMetrics,
    running::Running,
    sink::Target,
    writer::Writer,
};
use crate::Db;

/// Room beyond the capacity for calls that passed [`Recorder::room`] at the same moment: never more than threads.
const SLACK: usize = 1024;

/// How long the thread of a recorder that was dropped without [`Recorder::finish`] may go on writing.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The request log of one server. Share it as `Arc`.
pub struct Recorder {
    shared: Arc<Shared>,
    thread: Option<thread::Thread>,
    finished: watch::Receiver<Option<Finished>>,
}

/// What the calls and the thread share.
pub(super) struct Shared {
    pub(super) queue: ArrayQueue<Arc<Call>>,
    pub(super) running: Running,
    /// Calls that the thread took from the queue and has not written yet.
    pub(super) backlog: AtomicUsize,
    pub(super) capacity: usize,
    batch: usize,
    wait: bool,
    /// The thread was woken and has not looked yet.
    pub(super) woken: AtomicBool,
    pub(super) room: Notify,
    /// The thread has ended; whatever is closed from now on is lost.
    ended: AtomicBool,
    /// Set once: the thread ends when all is written, or at this moment.
    stop: OnceLock<Instant>,
    dropped: AtomicU64,
    written: AtomicU64,
    metrics: LogMetrics,
}

/// The account of a recorder that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Rows of closed calls that were written, from the first to the last.
    pub written: u64,
    /// Closed calls that got no row: dropped before, or still waiting when time was up.
    pub lost: u64,
}

/// Why the request log cannot start.
#[derive(Debug)]
pub enum StartError {
    /// A setting that cannot work.
    Config(Nonsense),
    /// The database handle is inside a transaction; the log needs a connection of its own.
    Transaction,
    /// The system gives no thread.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(nonsense) => nonsense.fmt(f),
            Self::Transaction => f.write_str("the request log cannot start inside a transaction: pass the pool"),
            Self::Thread(cause) => write!(f, "the request log cannot start its thread: {cause}"),
        }
    }
}

impl std::error::Error for StartError {}

impl Recorder {
    /// Starts the log on `db`, with console lines on standard output. Call it within a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`]. A database that is away is no error: rows wait for it.
    pub fn start(config: &Config, db: &Db, metrics: &Metrics) -> Result<Arc<Self>, StartError> {
        Self::start_with(config, db, metrics, io::stdout())
    }

    /// As [`start`](Self::start), with console lines written to `console`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(
        config: &Config,
        db: &Db,
        metrics: &Metrics,
        console: impl io::Write + Send + 'static,
    ) -> Result<Arc<Self>, StartError> {
        config.check().map_err(StartError::Config)?;
        let target = if config.enabled { Some(Target::of(db).ok_or(StartError::Transaction)?) } else { None };
        let wait = config.on_full == OnFull::Wait;
        let (finish, finished) = watch::channel(None);
        if target.is_none() && config.console == ConsoleLines::Off {
            let shared = Arc::new(Shared::new(1, config.batch, false, metrics.log()));
            return Ok(Arc::new(Self { shared, thread: None, finished }));
        }
        let shared = Arc::new(Shared::new(config.queue, config.batch, wait, metrics.log()));
        let writer = Writer::new(config, Arc::clone(&shared), target, Box::new(console));
        let ending = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("steeple-log".to_owned())
            .spawn(move || {
                // Calls do not notice when the thread ends by a panic: their rows count as dropped.
                if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| writer.run())).is_err() {
                    tracing::error!("the request log's thread panicked; restart the server to log again");
                }
                finish.send_replace(Some(ending.end()));
            })
            .map_err(StartError::Thread)?;
        Ok(Arc::new(Self { shared, thread: Some(thread.thread().clone()), finished }))
    }

    /// A call begins. Give the slot back with [`close`](Self::close), whatever happens.
    pub fn open(&self, call: &Arc<Call>) -> Slot {
        if self.thread.is_none() {
            return Slot::NONE;
        }
        self.shared.running.insert(call)
    }

    /// A call has ended, and [`Call::close`] was called. Never blocks: without room, its row is dropped and counted.
    pub fn close(&self, call: Arc<Call>, slot: Slot) {
        if self.thread.is_none() {
            return;
        }
        let shared = &*self.shared;
        // Queued before it is unregistered, so that those who count what is on the way never miss it.
        let refused = shared.queue.push(call).is_err();
        shared.running.remove(&slot);
        if refused {
            shared.count_dropped(1);
        }
        if shared.ended.load(Acquire) {
            shared.give_up_queue();
        }
        if shared.queue.len() >= shared.batch {
            self.wake();
        }
    }

    /// Has the thread look now. A system call for the first who asks, not for those who ask before it looks.
    fn wake(&self) {
        let Some(thread) = &self.thread else { return };
        if !self.shared.woken.load(Relaxed) && !self.shared.woken.swap(true, AcqRel) {
            thread.unpark();
        }
    }

    /// With `on_full = "wait"`: returns when there is room for one more call. Otherwise at once. Open the call without
    /// awaiting anything in between.
    pub async fn room(&self) {
        let shared = &*self.shared;
        if !shared.wait || shared.has_room() {
            return;
        }
        loop {
            let notified = shared.room.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if shared.has_room() {
                return;
            }
            self.wake();
            notified.await;
        }
    }

    /// Closed calls that got no row for want of room, or because the database refused it.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped()
    }

    /// Closed calls whose row is in the database.
    pub fn written(&self) -> u64 {
        self.shared.written.load(Relaxed)
    }

    /// The calls that run now. Empty when neither rows nor console lines are wanted.
    pub fn running(&self) -> Vec<Arc<Call>> {
        self.shared.running.collect(|_| true)
    }

    /// Writes everything that was closed before, then ends the thread; gives up when `within` is over. A second call
    /// gives the same account.
    pub async fn finish(&self, within: Duration) -> Finished {
        let Some(thread) = &self.thread else {
            return Finished { written: 0, lost: 0 };
        };
        self.shared.stop_at(Instant::now() + within);
        thread.unpark();
        let mut finished = self.finished.clone();
        // A statement that hangs is given up by the thread a little later than the limit; it must not hold the exit.
        let _ = tokio::time::timeout(within + Duration::from_millis(500), finished.wait_for(Option::is_some)).await;
        let waiting = self.shared.queue.len() + self.shared.backlog.load(Acquire);
        finished.borrow().unwrap_or(Finished { written: self.written(), lost: self.dropped() + waiting as u64 })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(thread) = &self.thread {
            self.shared.stop_at(Instant::now() + LAST_WORDS);
            thread.unpark();
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("written", &self.written())
            .field("dropped", &self.dropped())
            .field("running", &self.shared.running.len())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn new(capacity: usize, batch: usize, wait: bool, metrics: LogMetrics) -> Self {
        Self {
            queue: ArrayQueue::new(if wait { capacity + SLACK } else { capacity }),
            running: Running::new(),
            backlog: AtomicUsize::new(0),
            capacity,
            // A queue smaller than a batch is full before the batch is.
            batch: batch.min(capacity.div_ceil(2)),
            wait,
            woken: AtomicBool::new(false),
            room: Notify::new(),
            ended: AtomicBool::new(false),
            stop: OnceLock::new(),
            dropped: AtomicU64::new(0),
            written: AtomicU64::new(0),
            metrics,
        }
    }

    fn has_room(&self) -> bool {
        let waiting = self.queue.len() + self.backlog.load(Acquire) + self.running.len();
        waiting < self.capacity || self.ended.load(Acquire)
    }

    fn stop_at(&self, moment: Instant) {
        let _ = self.stop.set(moment);
    }

    /// The moment at which the thread must have ended, if it is to end.
    pub(super) fn stopping(&self) -> Option<Instant> {
        self.stop.get().copied()
    }

    pub(super) fn count_dropped(&self, calls: u64) {
        self.dropped.fetch_add(calls, Relaxed);
        self.metrics.dropped.increment(calls);
    }

    pub(super) fn count_written(&self, calls: u64) {
        self.written.fetch_add(calls, Relaxed);
        self.metrics.rows.increment(calls);
    }

    /// The thread ends here. Nobody waits for it, and nothing that comes later is kept.
    fn end(&self) -> Finished {
        self.ended.store(true, Release);
        self.count_dropped(self.backlog.swap(0, AcqRel) as u64);
        self.give_up_queue();
        self.room.notify_waiters();
        Finished { written: self.written.load(Relaxed), lost: self.dropped.load(Relaxed) }
    }

    /// Nobody will write what is in the queue.
    fn give_up_queue(&self) {
        while self.queue.pop().is_some() {
            self.count_dropped(1);
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// What the thread is about to hold outside the queue.
    pub(super) fn expect_backlog(&self, calls: usize) {
        self.backlog.store(calls, Release);
    }

    /// What the thread holds outside the queue has changed.
    pub(super) fn set_backlog(&self, calls: usize) {
        self.backlog.store(calls, Release);
        if self.wait {
            self.room.notify_waiters();
        }
    }
}
