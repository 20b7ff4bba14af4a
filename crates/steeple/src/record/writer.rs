//! The thread behind the request log.
//!
//! Wakes every flush interval, or when a batch is full. One pass takes what is queued, prints console lines, and
//! writes, a batch at a time, each in one transaction: rows of closed calls, rows of calls that run for longer than an
//! interval (`pending`, updated when they close), and the statistics that changed.
//!
//! When the database is away, calls wait in a backlog of at most `queue` calls; then the newest are dropped and
//! counted. When it refuses data, the batch is written in ever smaller parts, until the one row that is refused stands
//! alone and is dropped. Console lines and the account never wait for the database.
//!
//! Must never: hold a lock while it writes, or lose a call without counting it.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::Ordering::{Acquire, Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Call, State,
    config::{Config, ConsoleLines, Format},
    console,
    recorder::Shared,
    row::written,
    sink::Target,
    store::Store,
};

/// While the server stops, attempts come quicker.
const BACK_OFF_STOPPING: Duration = Duration::from_millis(50);
/// All successes, for [`Sampler::share`].
const WHOLE: u64 = 1 << 32;

pub(super) struct Writer {
    shared: Arc<Shared>,
    flush_interval: Duration,
    batch: usize,
    lines: Option<Lines>,
    sampler: Sampler,
    /// `None` when rows are not wanted.
    store: Option<Store>,
}

/// Console lines on their way out.
struct Lines {
    output: Box<dyn Write + Send>,
    which: ConsoleLines,
    format: Format,
    text: String,
}

/// The share of successes that get a row, spread evenly.
struct Sampler {
    /// In units of 1 / 2^32, so that adding up loses nothing.
    share: u64,
    due: u64,
}

impl Writer {
    pub(super) fn new(
        config: &Config,
        shared: Arc<Shared>,
        target: Option<Target>,
        output: Box<dyn Write + Send>,
    ) -> Self {
        let lines = match config.console {
            ConsoleLines::Off => None,
            which => Some(Lines { output, which, format: config.format, text: String::new() }),
        };
        let store = target.map(|target| Store::new(target, config.retention_days));
        Self {
            shared,
            flush_interval: config.flush_interval,
            batch: config.batch,
            lines,
            sampler: Sampler { share: (config.sample_successes * WHOLE as f64).ceil() as u64, due: 0 },
            store,
        }
    }

    /// Works until told to stop.
    pub(super) fn run(mut self) {
        let mut next = Instant::now() + self.flush_interval;
        loop {
            let stop = self.shared.stopping();
            if stop.is_none() {
                next = self.rest(next);
            }
            self.shared.woken.store(false, Relaxed);
            self.take();
            if let Some(store) = &mut self.store {
                store.pass(&self.shared, self.batch, self.flush_interval);
            }
            let Some(deadline) = stop else { continue };
            let settled = self.store.as_ref().is_none_or(Store::is_settled);
            if settled && self.shared.queue.is_empty() {
                break;
            }
            if Instant::now() >= deadline {
                self.give_up();
                break;
            }
            if !settled {
                thread::sleep(BACK_OFF_STOPPING.min(deadline.saturating_duration_since(Instant::now())));
            }
        }
    }

    /// Sleeps until `next`, or until woken; gives the next moment.
    fn rest(&self, next: Instant) -> Instant {
        loop {
            let now = Instant::now();
            if now >= next || self.shared.woken.load(Acquire) || self.shared.stopping().is_some() {
                return now + self.flush_interval;
            }
            thread::park_timeout(next - now);
        }
    }

    /// Takes what is queued now, prints it, and puts what gets a row into the backlog.
    fn take(&mut self) {
        let waiting = self.shared.queue.len();
        let mut dropped = 0;
        // Counted before they leave the queue: nobody at the door may see room that is not there.
        self.shared.expect_backlog(self.backlog() + waiting);
        for _ in 0..waiting {
            let Some(call) = self.shared.queue.pop() else { break };
            if let Some(lines) = &mut self.lines {
                lines.add(&call);
            }
            let Some(store) = &mut self.store else { continue };
            if !self.sampler.wants(&call) {
                store.count_only(&call);
            } else if store.waiting() < self.shared.queue.capacity() {
                store.push(call);
            } else {
                store.count_only(&call);
                dropped += 1;
            }
        }
        if dropped > 0 {
            self.shared.count_dropped(dropped);
        }
        self.shared.set_backlog(self.backlog());
        if let Some(lines) = &mut self.lines {
            lines.print();
        }
    }

    fn backlog(&self) -> usize {
        self.store.as_ref().map_or(0, Store::waiting)
    }

    /// Time is up: what still waits is lost.
    fn give_up(&mut self) {
        self.take();
        let Some(store) = &mut self.store else { return };
        let lost = store.clear();
        self.shared.count_dropped(lost as u64);
        self.shared.set_backlog(0);
        if lost > 0 {
            tracing::error!(lost, "the request log could not be written before the server had to stop");
        }
    }
}

impl Lines {
    fn add(&mut self, call: &Call) {
        let success = call.outcome().is_some_and(|outcome| outcome.code == tonic::Code::Ok);
        if self.which == ConsoleLines::All || !success {
            console::line(&mut self.text, call, self.format);
        }
    }

    fn print(&mut self) {
        if self.text.is_empty() {
            return;
        }
        // Nobody reads any more: the rows still say it all.
        let _ = self.output.write_all(self.text.as_bytes()).and_then(|()| self.output.flush());
        self.text.clear();
        self.text.shrink_to(1 << 20);
    }
}

impl Sampler {
    fn wants(&mut self, call: &Call) -> bool {
        let success = call.outcome().is_some_and(|outcome| State::of(outcome.code) == State::Success);
        if !success || self.share >= WHOLE || written(call).is_some() {
            return true;
        }
        self.due += self.share;
        let wanted = self.due >= WHOLE;
        self.due %= WHOLE;
        wanted
    }
}
