//! Values that are kept for a while: in this process, or in a Redis that all nodes of a site share.
//!
//! Takes serde values under text keys, each with a time to live; gives them back until then, or until there is no room.
//! [`Cache::get_or_compute`] is what most callers want: a value is computed once, however many ask for it.
//!
//! Values are kept as JSON: it says what it holds, so that a value another version of the site wrote is noticed where
//! its shape has changed (and is then no value), and it can be read with `redis-cli`. Compact formats without names
//! would read old bytes as a new type.
//!
//! A cache never takes the site down: while Redis is away, `get_or_compute` computes and everything else is UNAVAILABLE
//! at once. Keys have at most 250 bytes, values a configured size; the memory they take here is bounded.
//!
//! Must never: show a value, fail to compute because of itself, or keep a computed value whose key was written or
//! deleted while it was computed.

mod compute;
mod config;
mod flights;
mod memory;
mod metrics;
mod redis;
mod seldom;
mod ttl;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

pub use self::{config::Config, ttl::Ttl};
use self::{
    flights::Flights,
    memory::{Memory, NoNumber},
    metrics::CacheMetrics,
    redis::{NotIncremented, Redis, Unanswered},
    seldom::Seldom,
};
use crate::{
    db,
    error::{Error, Result},
    record::metrics::Metrics,
};

/// Most bytes of a key.
const LONGEST_KEY: usize = 250;

/// The cache of a site. Cheap to clone.
///
/// ```
/// # use std::time::Duration;
/// # use steeple::{Context, Result, cache::Ttl};
/// # async fn load(cx: &Context, symbol: &str) -> Result<u64> { Ok(1) }
/// # async fn f(cx: Context) -> Result<()> {
/// const MINUTE: Duration = Duration::from_secs(60);
/// let price = cx.cache().get_or_compute("price:BTC", MINUTE, || load(&cx, "BTC")).await?;
/// cx.cache().set("rules", &["one", "two"], Ttl::Forever).await?;
/// cx.cache().delete_prefix("price:").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    flights: Flights,
    largest: usize,
    /// How long a caller waits for the computation of another one.
    patience: Duration,
    metrics: CacheMetrics,
    /// When it was last said that a value is too large.
    oversized: Seldom,
    /// When it was last said that Redis refused something.
    refused: Seldom,
    shown: String,
}

enum Store {
    Memory(Memory),
    Redis(Redis),
}

impl Cache {
    /// The cache that the configuration asks for; `site` is its prefix where none is configured. A Redis that does not
    /// answer is no error: it is tried again in the background. Call it within a tokio runtime.
    ///
    /// # Errors
    /// A sentence that says what of the configuration makes no sense.
    pub async fn open(config: &Config, site: &str, metrics: &Metrics) -> Result<Self, String> {
        let wrong = config.validate();
        if let Some((key, problem)) = wrong.first() {
            return Err(format!("cache.{key} {problem}"));
        }
        let metrics = CacheMetrics::new(metrics);
        let (store, shown) = if config.url == config::MEMORY {
            (
                Store::Memory(Memory::new(config.max_bytes)),
                format!("{}, at most {} bytes", config::MEMORY, config.max_bytes),
            )
        } else {
            (Store::Redis(Redis::open(config, site, &metrics).await?), db::redacted(&config.url))
        };
        Ok(Self::over(store, config.max_value_bytes, metrics, shown))
    }

    /// A cache of its own in this process, as the defaults say: for tests.
    pub fn in_memory() -> Self {
        let config = Config::default();
        let store = Store::Memory(Memory::new(config.max_bytes));
        Self::over(store, config.max_value_bytes, CacheMetrics::new(&Metrics::new()), config.url)
    }

    fn over(store: Store, largest: usize, metrics: CacheMetrics, shown: String) -> Self {
        let (oversized, refused) = (Seldom::default(), Seldom::default());
        let (flights, patience) = (Flights::default(), compute::PATIENCE);
        let inner = Inner { store, flights, largest, patience, metrics, oversized, refused, shown };
        Self { inner: Arc::new(inner) }
    }

    /// The value under `key`. A value that is there and is no `T` is none.
    ///
    /// # Errors
    /// UNAVAILABLE while Redis is away. INTERNAL for a key that is empty or longer than 250 bytes.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let value = self.look_up(named(key)?).await?.and_then(|bytes| read(&bytes));
        self.looked_up(value.is_some());
        Ok(value)
    }

    /// Puts a value under `key`, in place of the one that is there.
    ///
    /// # Errors
    /// As [`get`](Self::get); INTERNAL too for a value that JSON cannot express, or larger than
    /// `cache.max_value_bytes` (1 MiB).
    pub async fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T, ttl: impl Into<Ttl>) -> Result<()> {
        let (key, value) = (named(key)?, self.written(value)?);
        self.inner.flights.part(key);
        match &self.inner.store {
            Store::Memory(memory) => memory.set(key, value, ttl.into()),
            Store::Redis(redis) => redis.set(key, value, ttl.into()).await.map_err(|why| self.unanswered(why))?,
        }
        Ok(())
    }

    /// Puts a value under `key` unless one is there; says whether it did. Of many callers at once, on all nodes, one
    /// does.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn add<T: Serialize + ?Sized>(&self, key: &str, value: &T, ttl: impl Into<Ttl>) -> Result<bool> {
        let (key, value) = (named(key)?, self.written(value)?);
        self.inner.flights.part(key);
        match &self.inner.store {
            Store::Memory(memory) => Ok(memory.add(key, value, ttl.into())),
            Store::Redis(redis) => redis.add(key, value, ttl.into()).await.map_err(|why| self.unanswered(why)),
        }
    }

    /// Adds to the number under `key` and gives the sum; a key without a value begins at 0 and lives for `ttl`, which
    /// further additions do not prolong. Callers at once, on all nodes, lose nothing.
    ///
    /// # Errors
    /// As [`get`](Self::get); FAILED_PRECONDITION when the value is no whole number, or the sum has no room in an `i64`.
    pub async fn increment(&self, key: &str, by: i64, ttl: impl Into<Ttl>) -> Result<i64> {
        let key = named(key)?;
        self.inner.flights.part(key);
        let no_number = |NoNumber| Error::failed_precondition("the value is no number that this can be added to");
        match &self.inner.store {
            Store::Memory(memory) => memory.increment(key, by, ttl.into()).map_err(no_number),
            Store::Redis(redis) => redis.increment(key, by, ttl.into()).await.map_err(|why| match why {
                NotIncremented::NoNumber(why) => no_number(why),
                NotIncremented::Unanswered(why) => self.unanswered(why),
            }),
        }
    }

    /// Removes the value under `key`; says whether there was one. What is being computed for the key is not kept.
    ///
    /// # Errors
    /// As [`get`](Self::get). Nothing is removed then, and what Redis holds comes back with it.
    pub async fn delete(&self, key: &str) -> Result<bool> {
        let key = named(key)?;
        self.inner.flights.part(key);
        match &self.inner.store {
            Store::Memory(memory) => Ok(memory.delete(key)),
            Store::Redis(redis) => redis.delete(key).await.map_err(|why| self.unanswered(why)),
        }
    }

    /// Removes every value whose key begins so (`"coins:"`); gives their number. The empty prefix is all of this site's.
    /// Looks at every key that there is, on Redis those of other sites too, in small steps: not for every call.
    ///
    /// # Errors
    /// UNAVAILABLE while Redis is away; some values may be removed by then.
    pub async fn delete_prefix(&self, prefix: &str) -> Result<u64> {
        self.inner.flights.part_all(prefix);
        match &self.inner.store {
            Store::Memory(memory) => Ok(memory.delete_prefix(prefix)),
            Store::Redis(redis) => redis.delete_prefix(prefix).await.map_err(|why| self.unanswered(why)),
        }
    }

    /// Whether the cache answers now.
    ///
    /// # Errors
    /// UNAVAILABLE, with the reason as its cause.
    pub async fn ping(&self) -> Result<()> {
        match &self.inner.store {
            Store::Memory(_) => Ok(()),
            Store::Redis(redis) => redis.ping().await.map_err(|why| self.unanswered(why)),
        }
    }

    async fn look_up(&self, key: &str) -> Result<Option<Bytes>> {
        match &self.inner.store {
            Store::Memory(memory) => Ok(memory.get(key)),
            Store::Redis(redis) => redis.get(key).await.map_err(|why| self.unanswered(why)),
        }
    }

    fn looked_up(&self, hit: bool) {
        let metrics = &self.inner.metrics;
        if hit { &metrics.hits } else { &metrics.misses }.increment(1);
    }

    /// The value as it is kept.
    fn written<T: Serialize + ?Sized>(&self, value: &T) -> Result<Bytes> {
        let bytes = written(value)?;
        let (size, largest) = (bytes.len(), self.inner.largest);
        if size > largest {
            let cause = format!("a value of {size} bytes is larger than cache.max_value_bytes, {largest}");
            return Err(Error::internal("internal error").because(cause));
        }
        Ok(bytes)
    }

    fn unanswered(&self, why: Unanswered) -> Error {
        match why {
            Unanswered::Away(why) => Error::unavailable("the cache is not available, try again")
                .retry_after(Duration::from_secs(1))
                .because(why.to_string()),
            Unanswered::Refused(error) => {
                if self.inner.refused.now() {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the cache refuses; said once a minute");
                }
                Error::unavailable("the cache is not available, try again").because(error)
            }
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cache").field(&self.inner.shown).finish()
    }
}

impl fmt::Display for Cache {
    /// Where it is, without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.shown)
    }
}

fn named(key: &str) -> Result<&str> {
    if (1..=LONGEST_KEY).contains(&key.len()) {
        return Ok(key);
    }
    let cause = format!("a cache key has 1 to {LONGEST_KEY} bytes, this one {}", key.len());
    Err(Error::internal("internal error").because(cause))
}

fn written<T: Serialize + ?Sized>(value: &T) -> Result<Bytes> {
    serde_json::to_vec(value).map(Bytes::from).map_err(Error::from)
}

fn read<T: DeserializeOwned>(bytes: &Bytes) -> Option<T> {
    serde_json::from_slice(bytes)
        .inspect_err(|error| tracing::debug!(%error, "a cached value is of another shape"))
        .ok()
}
