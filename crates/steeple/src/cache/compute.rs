//! The value, or what it takes to have it: once, however many ask.
//!
//! In a process, one caller leads and the others wait (`flights.rs`); of several nodes, the leader with the lease
//! computes and those of the others wait for its value (`redis/lease.rs`). Nobody waits for ever: a holder that dies is
//! followed, and whoever has waited for [`PATIENCE`] computes for itself.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Cache, Store, Ttl,
    flights::{Landing, Lead, Turn},
    memory::Memory,
    named, read,
    redis::{Claim, Lease, Redis},
    written,
};
use crate::error::Result;

/// How long a caller waits for the computation of another one.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Between questions whether another node is done: the first wait, doubled up to the last.
const WAITS: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(200)];

/// What a leader has found.
enum Found<'c, T> {
    /// The value was there by then.
    Value(T, Bytes),
    /// Nothing: compute it, and keep it there.
    Nothing(Keep<'c>),
}

/// Where a computed value goes.
enum Keep<'c> {
    Memory(&'c Memory),
    Redis(Lease),
    /// Redis is away, or whoever computes there took too long.
    Nowhere,
}

impl Cache {
    /// The value under `key`; when there is none, what `compute` gives, which is kept for `ttl`. Callers at once share
    /// one computation: in this process, and over Redis on all nodes. When it fails, all who waited for it get its
    /// error, and nothing is kept; when its call is cancelled or panics, one of those who waited computes anew.
    ///
    /// While Redis is away the value is computed, still once per process at a time, and not kept; likewise a value
    /// larger than `cache.max_value_bytes`. A value that is there and is no `T` is computed anew.
    ///
    /// What is computed while its key is written or deleted is not kept. Do not use it within a transaction, where it
    /// would share what is not committed, and wait for others while it holds locks.
    ///
    /// # Errors
    /// What `compute` says. INTERNAL for a key that is empty or longer than 250 bytes, and for a value that JSON cannot
    /// express.
    pub async fn get_or_compute<T, W>(&self, key: &str, ttl: impl Into<Ttl>, compute: impl FnOnce() -> W) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        W: Future<Output = Result<T>>,
    {
        let (key, ttl) = (named(key)?, ttl.into());
        // Without Redis this is a miss like another one: `Redis` counts and says it.
        let kept = self.look_up(key).await.unwrap_or_default();
        let hit = kept.as_ref().and_then(read);
        self.looked_up(hit.is_some());
        if let Some(value) = hit {
            return Ok(value);
        }
        let until = Instant::now() + self.inner.patience;
        loop {
            let mut landing = match self.inner.flights.turn(key) {
                Turn::Lead(lead) => return self.lead(lead, key, kept, until, ttl, compute).await,
                Turn::Wait(landing) => landing,
            };
            let landed = match timeout_at(until, landing.wait_for(Option::is_some)).await {
                Ok(Ok(landed)) => landed.clone(),
                // The leader has left: the turn is somebody else's.
                Ok(Err(_)) => continue,
                Err(_) => None,
            };
            let value = match landed {
                Some(Landing::Failed(error)) => return Err(error.copied()),
                Some(Landing::Value(bytes)) => read(&bytes),
                None => None,
            };
            // Of another type than the leader's, or out of patience: for itself.
            return match value {
                Some(value) => Ok(value),
                None => self.computed(compute).await,
            };
        }
    }

    async fn lead<T, W>(
        &self,
        lead: Lead<'_>,
        key: &str,
        useless: Option<Bytes>,
        until: Instant,
        ttl: Ttl,
        compute: impl FnOnce() -> W,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        W: Future<Output = Result<T>>,
    {
        let found = match &self.inner.store {
            // Whoever led before may have landed since this caller looked.
            Store::Memory(memory) => match memory.get(key).and_then(|bytes| Some((read(&bytes)?, bytes))) {
                Some((value, bytes)) => Found::Value(value, bytes),
                None => Found::Nothing(Keep::Memory(memory)),
            },
            Store::Redis(redis) => self.claim(redis, key, useless, until).await,
        };
        let keep = match found {
            Found::Nothing(keep) => keep,
            Found::Value(value, bytes) => {
                lead.land(Landing::Value(bytes), || ());
                return Ok(value);
            }
        };
        let computing = self.computed(compute);
        let computed = match &keep {
            Keep::Redis(lease) => lease.during(computing).await,
            Keep::Memory(_) | Keep::Nowhere => computing.await,
        };
        let (value, bytes) = match computed.and_then(|value| written(&value).map(|bytes| (value, bytes))) {
            Ok(computed) => computed,
            Err(error) => {
                lead.land(Landing::Failed(Arc::new(error.copied())), || ());
                return Err(error);
            }
        };
        let landing = Landing::Value(bytes.clone());
        match keep {
            Keep::Memory(memory) if self.fits(key, &bytes) => lead.land(landing, || memory.set(key, bytes, ttl)),
            Keep::Redis(lease) if self.fits(key, &bytes) => {
                // Counted and said there; the value is as good without.
                let _ = lease.keep(&bytes, ttl).await.map_err(|why| self.unanswered(why));
                lead.land(landing, || ());
            }
            _ => lead.land(landing, || ()),
        }
        Ok(value)
    }

    /// Finds the value, or the right to compute it, waiting for the node that does.
    async fn claim<T: DeserializeOwned>(
        &self,
        redis: &Redis,
        key: &str,
        mut useless: Option<Bytes>,
        until: Instant,
    ) -> Found<'static, T> {
        let mut wait = WAITS[0];
        while Instant::now() < until {
            match redis.claim(key, useless.as_ref()).await {
                Ok(Claim::Granted(lease)) => return Found::Nothing(Keep::Redis(lease)),
                Ok(Claim::Found(bytes)) => match read(&bytes) {
                    Some(value) => return Found::Value(value, bytes),
                    None => useless = Some(bytes),
                },
                Ok(Claim::Taken) => {
                    sleep(wait).await;
                    wait = (wait * 2).min(WAITS[1]);
                }
                Err(why) => {
                    drop(self.unanswered(why));
                    break;
                }
            }
        }
        Found::Nothing(Keep::Nowhere)
    }

    async fn computed<T, W: Future<Output = Result<T>>>(&self, compute: impl FnOnce() -> W) -> Result<T> {
        self.inner.metrics.computed.increment(1);
        compute().await
    }

    fn fits(&self, key: &str, value: &Bytes) -> bool {
        let (size, largest) = (value.len(), self.inner.largest);
        if size > largest && self.inner.oversized.now() {
            tracing::warn!(key, size, largest, "a computed value is too large to be kept; said once a minute");
        }
        size <= largest
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let mut cache = Cache::in_memory();
        Arc::get_mut(&mut cache.inner).unwrap().patience = Duration::from_millis(50);
        let stuck = tokio::spawn({
            let cache = cache.clone();
            async move { cache.get_or_compute::<i64, _>("key", LONG, pending).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(cache.get_or_compute("key", LONG, async || Ok(2)).await.unwrap(), 2);
        stuck.abort();
        // A computation that needs itself.
        let itself = cache.get_or_compute("self", LONG, || cache.get_or_compute("self", LONG, async || Ok(3)));
        assert_eq!(itself.await.unwrap(), 3);
    }
}
