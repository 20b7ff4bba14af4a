//! Values in this process: bounded in bytes, what was used least recently leaves first.
//!
//! Of an order that lets a new value in whatever else is there, so that a counter or an `add` is not forgotten at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use moka::{Expiry, ops::compute::Op, policy::EvictionPolicy, sync::Cache};

use super::Ttl;

/// What an entry takes beside its key and value: the places in moka's table, queues and timers.
const BOOKKEEPING: usize = 256;

/// moka evicts behind the writes, by count. Writes of this share of the memory make it evict now.
const SHARE: u64 = 16;

pub(super) struct Memory {
    entries: Cache<Arc<str>, Entry>,
    /// Bytes written since the last time that moka evicted for them.
    written: AtomicU64,
    most_written: u64,
}

#[derive(Clone)]
struct Entry {
    value: Bytes,
    life: Life,
}

#[derive(Clone, Copy)]
enum Life {
    For(Duration),
    Forever,
    /// As long as what it replaces.
    AsBefore,
}

impl From<Ttl> for Life {
    fn from(ttl: Ttl) -> Self {
        ttl.time().map_or(Self::Forever, Self::For)
    }
}

struct Lives;

impl Expiry<Arc<str>, Entry> for Lives {
    fn expire_after_create(&self, _: &Arc<str>, entry: &Entry, _: Instant) -> Option<Duration> {
        match entry.life {
            Life::For(time) => Some(time),
            Life::Forever | Life::AsBefore => None,
        }
    }

    fn expire_after_update(
        &self,
        _: &Arc<str>,
        entry: &Entry,
        _: Instant,
        remaining: Option<Duration>,
    ) -> Option<Duration> {
        match entry.life {
            Life::For(time) => Some(time),
            Life::Forever => None,
            Life::AsBefore => remaining,
        }
    }
}

fn weight(key: &str, value: &[u8]) -> u32 {
    u32::try_from(key.len() + value.len() + BOOKKEEPING).unwrap_or(u32::MAX)
}

impl Memory {
    pub fn new(max_bytes: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &Arc<str>, entry: &Entry| weight(key, &entry.value))
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(Lives)
            .build();
        Self { entries, written: AtomicU64::new(0), most_written: max_bytes / SHARE }
    }

    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.entries.get(key).map(|entry| entry.value)
    }

    pub fn set(&self, key: &str, value: Bytes, ttl: Ttl) {
        let weight = weight(key, &value);
        self.entries.insert(key.into(), Entry { value, life: ttl.into() });
        self.evict_after(weight);
    }

    pub fn add(&self, key: &str, value: Bytes, ttl: Ttl) -> bool {
        let mut added = false;
        let weight = weight(key, &value);
        self.entries.entry(key.into()).and_compute_with(|found| {
            if found.is_some() {
                return Op::Nop;
            }
            added = true;
            Op::Put(Entry { value, life: ttl.into() })
        });
        if added {
            self.evict_after(weight);
        }
        added
    }

    /// The new number; an error when what is there is no whole number, or the sum is too large.
    pub fn increment(&self, key: &str, by: i64, ttl: Ttl) -> Result<i64, NoNumber> {
        let mut sum = Ok(by);
        self.entries.entry(key.into()).and_compute_with(|found| {
            let life = if found.is_some() { Life::AsBefore } else { ttl.into() };
            if let Some(found) = found {
                let number = std::str::from_utf8(&found.value().value).ok().and_then(|text| text.parse().ok());
                sum = number.and_then(|number: i64| number.checked_add(by)).ok_or(NoNumber);
            }
            match sum {
                Ok(number) => Op::Put(Entry { value: number.to_string().into(), life }),
                Err(NoNumber) => Op::Nop,
            }
        });
        self.evict_after(weight(key, &[]));
        sum
    }

    pub fn delete(&self, key: &str) -> bool {
        let mut was_there = false;
        // `remove` would count what is over and not yet evicted.
        self.entries.entry(key.into()).and_compute_with(|found| {
            was_there = found.is_some();
            Op::Remove
        });
        was_there
    }

    pub fn delete_prefix(&self, prefix: &str) -> u64 {
        let all = self.entries.iter().map(|(key, _)| key);
        let named: Vec<_> = all.filter(|key| key.starts_with(prefix)).collect();
        named.into_iter().filter(|key| self.delete(key)).count() as u64
    }

    fn evict_after(&self, weight: u32) {
        if self.written.fetch_add(weight.into(), Relaxed) >= self.most_written {
            self.written.store(0, Relaxed);
            self.entries.run_pending_tasks();
        }
    }
}

/// What is there is no whole number of 64 bits, or would be none.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoNumber;
