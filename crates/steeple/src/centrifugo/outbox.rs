//! What waits to be published.
//!
//! Must never: hold more than it may, or lose one without counting it.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Lost, counted::Counted};

/// Something for one or more channels.
#[derive(Debug)]
pub(super) struct Publication {
    pub channels: Vec<String>,
    pub data: Box<RawValue>,
    /// By which Centrifugo knows one that it was sent before.
    pub key: Uuid,
    born: Instant,
}

impl Publication {
    pub fn new(channels: Vec<String>, data: Box<RawValue>) -> Self {
        Self { channels, data, key: Uuid::new_v4(), born: Instant::now() }
    }

    pub fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// What it takes, roughly: its bytes, and what they are kept in.
    pub fn size(&self) -> usize {
        let channels: usize = self.channels.iter().map(|channel| channel.len() + size_of::<String>()).sum();
        size_of::<Self>() + channels + self.data.get().len()
    }
}

pub(super) struct Outbox {
    state: Mutex<State>,
    most: usize,
    most_bytes: usize,
    news: Notify,
    closed: CancellationToken,
    counted: Arc<Counted>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Publication>,
    bytes: usize,
}

impl Outbox {
    pub fn new(most: usize, most_bytes: usize, counted: Arc<Counted>) -> Self {
        Self {
            state: Mutex::default(),
            most,
            most_bytes,
            news: Notify::new(),
            closed: CancellationToken::new(),
            counted,
        }
    }

    /// Adds one; the oldest make room for it.
    pub fn push(&self, publication: Publication) {
        let size = publication.size();
        let mut dropped = Vec::new();
        {
            let mut state = self.lock();
            if self.is_closed() {
                self.counted.lost(Lost::AtTheEnd, 1);
                return;
            }
            if size > self.most_bytes {
                self.counted.lost(Lost::Full, 1);
                return;
            }
            while state.waiting.len() >= self.most || state.bytes + size > self.most_bytes {
                dropped.extend(state.pop());
            }
            state.bytes += size;
            state.waiting.push_back(publication);
        }
        self.counted.lost(Lost::Full, dropped.len());
        self.news.notify_one();
    }

    /// The oldest ones, at most `most` and about `most_bytes`; waits until there are some. `None` when it is closed and empty.
    pub async fn take(&self, most: usize, most_bytes: usize) -> Option<VecDeque<Publication>> {
        loop {
            let news = self.news.notified();
            {
                let mut state = self.lock();
                let mut taken = VecDeque::new();
                let mut bytes = 0;
                while taken.len() < most && bytes < most_bytes {
                    let Some(publication) = state.pop() else { break };
                    bytes += publication.size();
                    taken.push_back(publication);
                }
                if !taken.is_empty() {
                    return Some(taken);
                }
                if self.is_closed() {
                    return None;
                }
            }
            tokio::select! {
                () = news => {}
                () = self.closed() => {}
            }
        }
    }

    /// Takes nothing more.
    pub fn close(&self) {
        // Whoever is adding one now is in before, or finds it closed.
        let _state = self.lock();
        self.closed.cancel();
    }

    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Returns when it is closed.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Nobody will take what waits.
    pub fn give_up(&self) {
        let left = mem::take(&mut self.lock().waiting).len();
        self.counted.lost(Lost::AtTheEnd, left);
    }

    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pop(&mut self) -> Option<Publication> {
        let oldest = self.waiting.pop_front()?;
        self.bytes -= oldest.size();
        Some(oldest)
    }
}
