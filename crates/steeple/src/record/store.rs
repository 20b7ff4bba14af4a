//! The writer's half that talks to the database: what waits, what is being written, and what to do when it fails.
//!
//! Takes closed calls into its backlog and running calls from the list; writes both, with the statistics that count
//! them, a batch in a transaction. See [`writer`](super::writer) for the whole.
//!
//! Must never: count a call twice in the statistics, or write a second row for it.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{
    Call,
    callers::{CallerRow, Callers},
    recorder::Shared,
    sink::{Batch, Failure, Sink, Target},
    stats::{DAY_DAYS, HOUR_DAYS, MINUTE_DAYS},
    tally::{DAY, HOUR, MINUTE, StatsRow, Tally},
};
use crate::clock;

/// Between two attempts while the database is away: from, to.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Between two warnings of the same kind.
const WARN_EVERY: Duration = Duration::from_secs(5);
/// Between two sweeps for old rows.
const SWEEP_EVERY: Duration = Duration::from_mins(5);
/// `Call::row` of a call whose pending row was refused: it is not offered again while it runs.
const REFUSED: i64 = -1;

/// Everything that has to do with the database.
pub(super) struct Store {
    target: Target,
    /// `None` while the database is away.
    sink: Option<Sink>,
    tally: Tally,
    callers: Callers,
    /// Periods that ended before this second are forgotten.
    forgotten: i64,
    /// The end has come: everything is due.
    ending: bool,
    /// Closed calls that wait to be written, oldest first.
    backlog: VecDeque<Arc<Call>>,
    /// The batch at hand: taken from the backlog, counted in the statistics, not yet written.
    writing: Vec<Arc<Call>>,
    /// Running calls that wait for their first row.
    pending: Vec<Arc<Call>>,
    looked_at_running: Instant,
    retry_at: Option<Instant>,
    back_off: Duration,
    warned: Option<Instant>,
    retention_days: u32,
    sweep_at: Instant,
}

impl Store {
    pub(super) fn new(target: Target, retention_days: u32) -> Self {
        let now = Instant::now();
        // Tells the rows of this process from those of others.
        let node = uuid::Uuid::new_v4().as_u64_pair().0 as i64 & i64::MAX;
        Self {
            target,
            sink: None,
            tally: Tally::new(node),
            callers: Callers::new(node),
            forgotten: i64::MIN,
            ending: false,
            backlog: VecDeque::new(),
            writing: Vec::new(),
            pending: Vec::new(),
            looked_at_running: now,
            retry_at: None,
            back_off: BACK_OFF.0,
            warned: None,
            retention_days,
            sweep_at: now,
        }
    }

    /// Closed calls that wait to be written.
    pub(super) fn waiting(&self) -> usize {
        self.writing.len() + self.backlog.len()
    }

    /// Nothing waits, and the last attempt succeeded.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting() == 0 && self.retry_at.is_none()
    }

    /// A closed call that is to get its row.
    pub(super) fn push(&mut self, call: Arc<Call>) {
        self.backlog.push_back(call);
    }

    /// A closed call that is to get none.
    pub(super) fn count_only(&mut self, call: &Call) {
        self.tally.add(call);
        self.callers.add(call, self.forgotten);
    }

    /// Gives up what waits; says how many.
    pub(super) fn clear(&mut self) -> usize {
        let lost = self.waiting();
        self.writing.clear();
        self.backlog.clear();
        lost
    }

    /// Writes everything that waits, unless the database is away and it is too early to try again.
    pub(super) fn pass(&mut self, shared: &Shared, batch: usize, flush_interval: Duration) {
        let now = Instant::now();
        self.ending = shared.stopping().is_some();
        if self.retry_at.is_some_and(|moment| now < moment) && !self.ending {
            return;
        }
        if now.duration_since(self.looked_at_running) >= flush_interval || self.ending {
            self.looked_at_running = now;
            // After the queue was emptied: whoever is still without an outcome is in no batch of this pass.
            let due = |call: &Call| {
                call.row.load(Relaxed) == 0 && call.outcome().is_none() && call.started().elapsed() >= flush_interval
            };
            self.pending = shared.running.collect(due);
        }
        match self.write(shared, batch) {
            Ok(()) => self.came_back(),
            Err(failure) => self.went_away(&failure, shared),
        }
    }

    fn write(&mut self, shared: &Shared, batch: usize) -> Result<(), Failure> {
        loop {
            if self.writing.is_empty() {
                self.writing.extend(self.backlog.drain(..batch.min(self.backlog.len())));
                for call in &self.writing {
                    self.tally.add(call);
                    self.callers.add(call, self.forgotten);
                }
            }
            // A call that has closed is in a batch or will be; its row must not be written twice.
            self.pending.retain(|call| call.outcome().is_none());
            let counted = self.tally.has_changed() || self.callers.are_due(self.ending);
            if self.writing.is_empty() && self.pending.is_empty() && !counted {
                break;
            }
            let result = self.write_batch(shared);
            shared.set_backlog(self.waiting());
            result?;
        }
        self.forget(shared);
        self.sweep();
        Ok(())
    }

    fn sink(sink: &mut Option<Sink>, target: &Target) -> Result<Sink, Failure> {
        sink.take().map_or_else(|| target.connect(), Ok)
    }

    /// Everything in one transaction: rows and the statistics that count them.
    fn write_batch(&mut self, shared: &Shared) -> Result<(), Failure> {
        let mut sink = Self::sink(&mut self.sink, &self.target)?;
        let (stats, callers) = (self.tally.rows(), self.callers.rows(self.ending));
        let batch = Batch { closed: &self.writing, pending: &self.pending, stats: &stats, callers: &callers };
        match sink.write(&batch) {
            Ok(ids) => {
                for (call, id) in self.pending.drain(..).zip(ids) {
                    call.row.store(id, Relaxed);
                }
                self.settled(&callers);
                shared.count_written(self.writing.len() as u64);
                self.writing.clear();
            }
            Err(failure) if failure.data => self.write_in_parts(shared, &mut sink, &stats, &callers)?,
            Err(failure) => return Err(failure),
        }
        self.sink = Some(sink);
        Ok(())
    }

    /// Finds what the database refuses, by halves, and writes the rest.
    fn write_in_parts(
        &mut self,
        shared: &Shared,
        sink: &mut Sink,
        stats: &[StatsRow],
        callers: &[CallerRow],
    ) -> Result<(), Failure> {
        let mut size = self.writing.len().div_ceil(2);
        while !self.writing.is_empty() {
            let part = size.clamp(1, self.writing.len());
            match sink.write(&Batch { closed: &self.writing[..part], ..Batch::default() }) {
                Ok(_) => {
                    self.writing.drain(..part);
                    shared.count_written(part as u64);
                    size = part * 2;
                }
                Err(failure) if failure.data && part == 1 => {
                    let call = self.writing.remove(0);
                    shared.count_dropped(1);
                    self.refused(&failure, &call);
                }
                Err(failure) if failure.data => size = part / 2,
                Err(failure) => return Err(failure),
            }
        }
        for call in mem::take(&mut self.pending) {
            match sink.write(&Batch { pending: std::slice::from_ref(&call), ..Batch::default() }) {
                Ok(ids) => call.row.store(ids.first().copied().unwrap_or(REFUSED), Relaxed),
                Err(failure) if failure.data => call.row.store(REFUSED, Relaxed),
                Err(failure) => return Err(failure),
            }
        }
        match sink.write(&Batch { stats, callers, ..Batch::default() }) {
            Err(failure) if !failure.data => return Err(failure),
            Err(failure) => tracing::error!(%failure, "the database refuses statistics of the request log"),
            Ok(_) => {}
        }
        self.settled(callers);
        Ok(())
    }

    fn settled(&mut self, callers: &[CallerRow]) {
        self.tally.settled();
        if !callers.is_empty() {
            self.callers.settled();
        }
    }

    fn refused(&mut self, failure: &Failure, call: &Call) {
        if self.may_warn() {
            let (request_id, method) = (call.id().to_string(), &*call.method().path);
            tracing::warn!(%failure, request_id, method, "the database refuses a row of the request log; dropped it");
        }
    }

    fn went_away(&mut self, failure: &Failure, shared: &Shared) {
        self.sink = None;
        self.retry_at = Some(Instant::now() + self.back_off);
        self.back_off = (self.back_off * 2).min(BACK_OFF.1);
        if self.may_warn() {
            let (waiting, dropped) = (self.waiting(), shared.dropped());
            tracing::warn!(%failure, waiting, dropped, "the request log cannot be written; rows wait, calls go on");
        }
    }

    fn came_back(&mut self) {
        if self.retry_at.take().is_some() {
            self.back_off = BACK_OFF.0;
            tracing::info!("the request log is written again");
        }
    }

    fn may_warn(&mut self) -> bool {
        let now = Instant::now();
        let due = self.warned.is_none_or(|last| now.duration_since(last) >= WARN_EVERY);
        if due {
            self.warned = Some(now);
        }
        due
    }

    /// Minutes and hours that no call can end in any more need not stay in memory.
    fn forget(&mut self, shared: &Shared) {
        if shared.queue.is_empty() {
            let second = clock::now().timestamp() - 2 * MINUTE;
            self.forgotten = self.forgotten.max(second);
            self.tally.forget_before(second);
            self.callers.forget_before(second);
        }
    }

    /// Deletes old rows, a few at a time, so that writing never waits long.
    fn sweep(&mut self) {
        let now = Instant::now();
        let Some(sink) = self.sink.as_mut().filter(|_| now >= self.sweep_at) else {
            return;
        };
        let seconds = clock::now().timestamp();
        let mut swept = || {
            if self.retention_days > 0 {
                let before = seconds - i64::from(self.retention_days) * DAY;
                if sink.delete_before(before * 1_000_000)? {
                    return Ok(true);
                }
            }
            sink.delete_stats_before(MINUTE, seconds - MINUTE_DAYS * DAY)?;
            sink.delete_stats_before(HOUR, seconds - HOUR_DAYS * DAY)?;
            sink.delete_stats_before(DAY, seconds - DAY_DAYS * DAY)?;
            sink.delete_callers_before(seconds - HOUR_DAYS * DAY)?;
            Ok::<_, Failure>(false)
        };
        match swept() {
            Ok(true) => {}
            Ok(false) => self.sweep_at = now + SWEEP_EVERY,
            Err(failure) => {
                self.sweep_at = now + SWEEP_EVERY;
                tracing::warn!(%failure, "old rows of the request log could not be deleted");
            }
        }
    }
}
