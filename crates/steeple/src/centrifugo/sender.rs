//! The task behind the outbox: batches, tries again, gives up on what is too old.
//!
//! Must never: have more than one request under way, so that the order of a channel holds.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Config, Lost,
    api::{Api, Failure, Fate},
    breaker::Breaker,
    counted::Counted,
    outbox::{Outbox, Publication},
};

/// Most bytes of one request, roughly.
const REQUEST_BYTES: usize = 1024 * 1024;
/// Waits between attempts: doubled from the first to the last. While the site stops they come quicker.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
const BACK_OFF_STOPPING: Duration = Duration::from_millis(50);

pub(super) struct Sender {
    api: Api,
    outbox: Arc<Outbox>,
    counted: Arc<Counted>,
    breaker: Breaker,
    batch: usize,
    max_age: Duration,
    pending: Pending,
}

/// What was taken and is not delivered. Counts itself as lost when the task is aborted.
struct Pending {
    publications: VecDeque<Publication>,
    counted: Arc<Counted>,
    /// How many of them go into one request: fewer when a request was unfit.
    limit: usize,
}

impl Sender {
    pub fn new(config: &Config, api: Api, outbox: Arc<Outbox>, counted: Arc<Counted>) -> Self {
        let pending = Pending { publications: VecDeque::new(), counted: counted.clone(), limit: config.batch };
        let breaker = Breaker::new(config.breaker_failures, config.breaker_rest);
        Self { api, outbox, counted, breaker, batch: config.batch, max_age: config.max_age, pending }
    }

    /// Works until the outbox is closed and empty.
    pub async fn run(mut self) {
        loop {
            self.forget_late();
            if self.pending.publications.is_empty() {
                self.pending.limit = self.batch;
                match self.outbox.take(self.batch, REQUEST_BYTES).await {
                    Some(taken) => self.pending.publications = taken,
                    None => return,
                }
            }
            // There is no later when the site stops.
            if let Some(wait) = self.breaker.wait(Instant::now()).filter(|_| !self.outbox.is_closed()) {
                self.rest(wait).await;
                continue;
            }
            let some: Vec<_> = self.pending.publications.iter().take(self.pending.limit).collect();
            match self.api.publish(&some).await {
                Ok(fates) => self.settle(fates).await,
                Err(Failure::Temporary(why)) => self.failed(&why).await,
                Err(Failure::Unfit(why)) => self.unfit(&why),
            }
        }
    }

    /// The request came through.
    async fn settle(&mut self, fates: VecDeque<Fate>) {
        if self.breaker.failures() > 0 {
            tracing::info!("centrifugo answers again");
        }
        self.breaker.succeeded();
        self.counted.circuit(false);
        let mut again = VecDeque::new();
        let mut published = 0;
        for fate in fates {
            let Some(publication) = self.pending.publications.pop_front() else { break };
            match fate {
                Fate::Published => published += 1,
                Fate::Again => again.push_back(publication),
                Fate::Refused(why) => {
                    self.counted.lost(Lost::Refused, 1);
                    tracing::warn!(channels = ?publication.channels, why, "centrifugo refuses a publication");
                }
            }
        }
        self.counted.published(published);
        self.pending.limit = self.batch;
        if !again.is_empty() {
            again.append(&mut self.pending.publications);
            self.pending.publications = again;
            self.rest(BACK_OFF.0).await;
        }
    }

    /// Nothing came through.
    async fn failed(&mut self, why: &str) {
        self.counted.failed_request();
        let open = self.breaker.failed(Instant::now());
        self.counted.circuit(open);
        if self.breaker.failures() == 1 {
            tracing::warn!(why, "centrifugo cannot be reached; publications wait");
        }
        let doubled = BACK_OFF.0.saturating_mul(1 << self.breaker.failures().saturating_sub(1).min(10));
        if !open || self.outbox.is_closed() {
            self.rest(doubled.min(BACK_OFF.1)).await;
        }
    }

    /// Fewer at a time, until the one that does not fit stands alone.
    fn unfit(&mut self, why: &str) {
        self.counted.failed_request();
        let tried = self.pending.limit.min(self.pending.publications.len());
        if tried > 1 {
            self.pending.limit = tried / 2;
            return;
        }
        if let Some(publication) = self.pending.publications.pop_front() {
            self.counted.lost(Lost::Refused, 1);
            tracing::warn!(channels = ?publication.channels, why, "centrifugo refuses a publication");
        }
        self.pending.limit = self.batch;
    }

    /// The oldest are in front.
    fn forget_late(&mut self) {
        let before = self.pending.publications.len();
        self.pending.publications.retain(|publication| publication.age() < self.max_age);
        self.counted.lost(Lost::Late, before - self.pending.publications.len());
    }

    async fn rest(&self, wait: Duration) {
        if self.outbox.is_closed() {
            tokio::time::sleep(wait.min(BACK_OFF_STOPPING)).await;
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.outbox.closed() => {}
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.counted.lost(Lost::AtTheEnd, self.publications.len());
    }
}
