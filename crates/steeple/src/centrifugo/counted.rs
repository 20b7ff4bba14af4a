//! What became of publications: for whoever asks, and for Prometheus.
//!
//! Must never: make a label of what a caller said.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder as _};

use crate::record::Metrics;

const PUBLISHED: &str = "steeple_centrifugo_published_total";
const LOST: &str = "steeple_centrifugo_lost_total";
const FAILED: &str = "steeple_centrifugo_failed_requests_total";
const OPEN: &str = "steeple_centrifugo_circuit_open";

static METADATA: Metadata<'static> = Metadata::new("steeple", Level::INFO, Some("steeple"));

/// Why a publication was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The outbox was full, and this one the oldest.
    Full,
    /// It could not be delivered before it was too old.
    Late,
    /// Centrifugo does not take it: an unknown channel, bad data.
    Refused,
    /// The site stopped before it could be delivered.
    AtTheEnd,
}

const CAUSES: [(Lost, &str); 4] =
    [(Lost::Full, "full"), (Lost::Late, "late"), (Lost::Refused, "refused"), (Lost::AtTheEnd, "at_the_end")];

/// What became of publications so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Centrifugo has them.
    pub published: u64,
    /// Requests that failed as a whole. Their publications were tried again.
    pub failed_requests: u64,
    /// Publications that wait.
    pub waiting: usize,
    /// Centrifugo failed too often in a row, and is left alone.
    pub circuit_open: bool,
    lost: [u64; CAUSES.len()],
}

impl Counts {
    /// Publications that were lost for this cause.
    pub fn lost(&self, cause: Lost) -> u64 {
        self.lost[cause as usize]
    }

    /// Publications that were lost.
    pub fn all_lost(&self) -> u64 {
        self.lost.iter().sum()
    }
}

pub(super) struct Counted {
    published: (AtomicU64, Counter),
    failed: (AtomicU64, Counter),
    lost: [(AtomicU64, Counter); CAUSES.len()],
    open: (AtomicBool, Gauge),
}

impl Counted {
    pub fn new(metrics: &Metrics) -> Self {
        let recorder = metrics.recorder();
        for (name, help) in [
            (PUBLISHED, "Publications that Centrifugo took."),
            (LOST, "Publications that were lost, by cause."),
            (FAILED, "Requests to Centrifugo that failed."),
        ] {
            recorder.describe_counter(name.into(), None, help.into());
        }
        recorder.describe_gauge(OPEN.into(), None, "1 while Centrifugo fails and is left alone.".into());
        let counter = |name| (AtomicU64::new(0), recorder.register_counter(&Key::from_static_name(name), &METADATA));
        let lost = CAUSES.map(|(_, cause)| {
            let key = Key::from_parts(LOST, vec![Label::from_static_parts("cause", cause)]);
            (AtomicU64::new(0), recorder.register_counter(&key, &METADATA))
        });
        let gauge = recorder.register_gauge(&Key::from_static_name(OPEN), &METADATA);
        Self { published: counter(PUBLISHED), failed: counter(FAILED), lost, open: (AtomicBool::new(false), gauge) }
    }

    pub fn published(&self, count: usize) {
        add(&self.published, count);
    }

    pub fn failed_request(&self) {
        add(&self.failed, 1);
    }

    pub fn lost(&self, cause: Lost, count: usize) {
        add(&self.lost[cause as usize], count);
    }

    pub fn circuit(&self, open: bool) {
        self.open.0.store(open, Relaxed);
        self.open.1.set(if open { 1.0 } else { 0.0 });
    }

    pub fn counts(&self, waiting: usize) -> Counts {
        Counts {
            published: self.published.0.load(Relaxed),
            failed_requests: self.failed.0.load(Relaxed),
            waiting,
            circuit_open: self.open.0.load(Relaxed),
            lost: std::array::from_fn(|cause| self.lost[cause].0.load(Relaxed)),
        }
    }
}

fn add((number, counter): &(AtomicU64, Counter), count: usize) {
    if count > 0 {
        number.fetch_add(count as u64, Relaxed);
        counter.increment(count as u64);
    }
}
