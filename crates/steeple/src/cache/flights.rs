//! One computation of a key at a time in this process: the first caller leads, the others wait for what it gets.
//!
//! A leader that leaves without a word (its call was cancelled, it panicked) is followed by one of those who wait.
//! Deleting or writing a key while it is computed parts the computation from the key: those who wait get the result,
//! nobody after them does, and it is not kept.
//!
//! Must never: hold its lock across an await.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::watch;

use crate::error::Error;

#[derive(Default)]
pub(super) struct Flights {
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    by_key: HashMap<Arc<str>, (u64, watch::Receiver<Option<Landing>>)>,
    next: u64,
}

/// What the leader got.
#[derive(Clone)]
pub(super) enum Landing {
    Value(Bytes),
    Failed(Arc<Error>),
}

/// What a caller has to do.
pub(super) enum Turn<'f> {
    Lead(Lead<'f>),
    Wait(watch::Receiver<Option<Landing>>),
}

/// Held by the one who computes; dropped without [`Lead::land`], it leaves the turn to another.
pub(super) struct Lead<'f> {
    flights: &'f Flights,
    key: Arc<str>,
    number: u64,
    landing: watch::Sender<Option<Landing>>,
}

impl Flights {
    pub fn turn(&self, key: &str) -> Turn<'_> {
        let mut under_way = self.lock();
        if let Some((_, landing)) = under_way.by_key.get(key) {
            return Turn::Wait(landing.clone());
        }
        under_way.next += 1;
        let (number, key) = (under_way.next, Arc::<str>::from(key));
        let (landing, landed) = watch::channel(None);
        under_way.by_key.insert(Arc::clone(&key), (number, landed));
        Turn::Lead(Lead { flights: self, key, number, landing })
    }

    /// Parts the key from its computation.
    pub fn part(&self, key: &str) {
        self.lock().by_key.remove(key);
    }

    /// The same for all keys that begin so.
    pub fn part_all(&self, prefix: &str) {
        self.lock().by_key.retain(|key, _| !key.starts_with(prefix));
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lead<'_> {
    /// Tells those who wait. `keep` runs unless the key was written or deleted meanwhile, and before it can be.
    pub fn land(self, landing: Landing, keep: impl FnOnce()) {
        let mut under_way = self.flights.lock();
        if under_way.by_key.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            under_way.by_key.remove(&self.key);
            keep();
        }
        drop(under_way);
        self.landing.send_replace(Some(landing));
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut under_way = self.flights.lock();
        if under_way.by_key.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            under_way.by_key.remove(&self.key);
        }
    }
}
