//! What the calls of one method add up to.
//!
//! A counter that all cores add to costs each of them a wait for the others. So each thread has one of a few cells, on
//! cache lines of its own, and whoever reads adds the cells up. Sums are exact; a reader may see a call in one number and
//! not yet in another.
//!
//! Must never: allocate, or lock.

use std::{
    array,
    cell::Cell,
    sync::atomic::{
        AtomicU64, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::Duration,
};

use crate::{
    method::{Method, Shape},
    record::{Call, Outcome},
};

/// Threads beyond share cells; more cells would only cost memory.
const CELLS: usize = 8;
/// Every code there is.
pub(super) const CODES: usize = 17;

/// Upper bounds in microseconds. From half a millisecond, below which a call is quick enough, to the minute of a slow
/// stream; what is longer has a bucket of its own.
pub(super) const BOUNDS: [u64; 16] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
];

thread_local! {
    /// Which cell this thread counts in.
    static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
}
static PLACES: AtomicUsize = AtomicUsize::new(0);

fn place() -> usize {
    PLACE.with(|place| {
        if place.get() == usize::MAX {
            place.set(PLACES.fetch_add(1, Relaxed) % CELLS);
        }
        place.get()
    })
}

/// The metrics of one method.
#[derive(Debug)]
pub struct MethodMetrics {
    pub(super) service: String,
    pub(super) method: String,
    pub(super) kind: &'static str,
    cells: Box<[Counts<AtomicU64>; CELLS]>,
}

/// One cell, or the sum of all.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Counts<N> {
    pub started: N,
    pub ended: N,
    pub handled: [N; CODES],
    /// By bucket, not added up.
    pub buckets: [N; BOUNDS.len() + 1],
    pub micros: N,
    pub received: N,
    pub sent: N,
    pub bytes_received: N,
    pub bytes_sent: N,
}

impl<N: Default> Default for Counts<N> {
    fn default() -> Self {
        Self {
            started: N::default(),
            ended: N::default(),
            handled: array::from_fn(|_| N::default()),
            buckets: array::from_fn(|_| N::default()),
            micros: N::default(),
            received: N::default(),
            sent: N::default(),
            bytes_received: N::default(),
            bytes_sent: N::default(),
        }
    }
}

impl MethodMetrics {
    pub(super) fn new(method: &Method) -> Self {
        Self {
            service: method.service.clone(),
            method: method.name.clone(),
            kind: kind(method.shape),
            cells: Box::default(),
        }
    }

    /// A call begins.
    pub fn started(&self) {
        self.cells[place()].started.fetch_add(1, Relaxed);
    }

    /// A call that was [`started`](Self::started) has ended.
    pub fn finished(&self, call: &Call, outcome: &Outcome) {
        let cell = &self.cells[place()];
        cell.handled[outcome.code as usize].fetch_add(1, Relaxed);
        cell.took(outcome.duration);
        let (bytes, messages) = call.request_size();
        cell.received.fetch_add(messages.into(), Relaxed);
        cell.bytes_received.fetch_add(bytes, Relaxed);
        let (bytes, messages) = call.response_size();
        cell.sent.fetch_add(messages.into(), Relaxed);
        cell.bytes_sent.fetch_add(bytes, Relaxed);
        // Last: who sees the end sees the beginning.
        cell.ended.fetch_add(1, Release);
    }

    #[cfg(test)]
    pub(super) fn took(&self, duration: Duration) {
        self.cells[place()].took(duration);
    }

    /// Calls running now.
    pub fn in_flight(&self) -> u64 {
        // Ends before beginnings: a call that ends in between may count as running, never as less than none.
        let ended: u64 = self.cells.iter().map(|cell| cell.ended.load(Acquire)).sum();
        let started: u64 = self.cells.iter().map(|cell| cell.started.load(Relaxed)).sum();
        started.saturating_sub(ended)
    }

    pub(super) fn sum(&self) -> Counts<u64> {
        let mut sum = Counts::<u64>::default();
        for cell in self.cells.iter() {
            let add = |sum: &mut u64, counter: &AtomicU64| *sum += counter.load(Relaxed);
            add(&mut sum.ended, &cell.ended);
            add(&mut sum.started, &cell.started);
            sum.handled.iter_mut().zip(&cell.handled).for_each(|(sum, counter)| add(sum, counter));
            sum.buckets.iter_mut().zip(&cell.buckets).for_each(|(sum, counter)| add(sum, counter));
            add(&mut sum.micros, &cell.micros);
            add(&mut sum.received, &cell.received);
            add(&mut sum.sent, &cell.sent);
            add(&mut sum.bytes_received, &cell.bytes_received);
            add(&mut sum.bytes_sent, &cell.bytes_sent);
        }
        sum
    }
}

impl Counts<AtomicU64> {
    fn took(&self, duration: Duration) {
        let micros = duration.as_micros() as u64;
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }
}

/// The values of `grpc_type` that dashboards expect.
fn kind(shape: Shape) -> &'static str {
    match shape {
        Shape::Unary => "unary",
        Shape::ClientStreaming => "client_stream",
        Shape::ServerStreaming => "server_stream",
        Shape::Bidirectional => "bidi_stream",
    }
}
