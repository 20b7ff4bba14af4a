//! Values in a Redis that the nodes of a site share.
//!
//! A value stands under `prefix:key`. Who computes one holds the lease `prefix!key` meanwhile, a token that runs out
//! unless renewed; it is kept with the value's own write in one script, so that a value is kept only by who holds the
//! lease. Every other write takes the lease away: what was computed from older data is not kept.
//!
//! Must never: use `KEYS`, or let a key of one site touch those of another.

mod keys;
mod lease;
mod link;

use std::{borrow::Cow, sync::Arc};

use ::redis::{ErrorKind, RedisError, Script, aio::MultiplexedConnection, cmd, pipe};
use bytes::Bytes;

use self::{
    keys::Keys,
    lease::Scripts,
    link::{Address, Link},
};
pub(super) use self::{
    lease::{Claim, Lease},
    link::Unanswered,
};
use super::{Config, Ttl, memory::NoNumber, metrics::CacheMetrics};

/// Keys looked at per step of a deletion by prefix.
const BATCH: usize = 500;

/// The sum is read back as text: Lua's numbers are exact up to 2^53 only.
const INCREMENT: &str = "
local new = redis.call('EXISTS', KEYS[1]) == 0
redis.call('INCRBY', KEYS[1], ARGV[1])
if new and ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
redis.call('DEL', KEYS[2])
return redis.call('GET', KEYS[1])";

#[derive(Clone)]
pub(super) struct Redis {
    link: Arc<Link>,
    keys: Keys,
    scripts: Arc<Scripts>,
    increment: Arc<Script>,
}

/// Why a number did not become another one.
pub(super) enum NotIncremented {
    NoNumber(NoNumber),
    Unanswered(Unanswered),
}

impl Redis {
    /// Connects, or goes on trying in the background.
    ///
    /// # Errors
    /// A sentence, when the address or the certificates make no sense.
    pub async fn open(config: &Config, site: &str, metrics: &CacheMetrics) -> Result<Self, String> {
        let keys = Keys::new(config.prefix.as_deref().unwrap_or(site));
        let link = Link::open(Address::of(config)?, keys.probe(), config.timeout, metrics).await;
        let increment = Arc::new(Script::new(INCREMENT));
        Ok(Self { link, keys, scripts: Arc::new(Scripts::new()), increment })
    }

    pub async fn ping(&self) -> Result<(), Unanswered> {
        self.link.ask(async |mut redis| cmd("PING").query_async(&mut redis).await).await
    }

    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, Unanswered> {
        let key = self.keys.value(key);
        self.link.ask(async |mut redis| cmd("GET").arg(key).query_async(&mut redis).await).await
    }

    pub async fn set(&self, key: &str, value: Bytes, ttl: Ttl) -> Result<(), Unanswered> {
        let (key, lease) = (self.keys.value(key), self.keys.lease(key));
        let mut all = pipe();
        all.atomic().cmd("SET").arg(key).arg(&value[..]);
        if let Some(ttl) = millis(ttl) {
            all.arg("PX").arg(ttl);
        }
        all.ignore().cmd("DEL").arg(lease).ignore();
        self.link.ask(async |mut redis| all.query_async(&mut redis).await).await
    }

    pub async fn add(&self, key: &str, value: Bytes, ttl: Ttl) -> Result<bool, Unanswered> {
        let (key, lease) = (self.keys.value(key), self.keys.lease(key));
        let mut all = pipe();
        all.atomic().cmd("SET").arg(key).arg(&value[..]).arg("NX");
        if let Some(ttl) = millis(ttl) {
            all.arg("PX").arg(ttl);
        }
        all.cmd("DEL").arg(lease).ignore();
        let ask = async |mut redis: MultiplexedConnection| all.query_async(&mut redis).await;
        let (added,): (Option<String>,) = self.link.ask(ask).await?;
        Ok(added.is_some())
    }

    pub async fn increment(&self, key: &str, by: i64, ttl: Ttl) -> Result<i64, NotIncremented> {
        let mut call = self.increment.key(self.keys.value(key));
        call.key(self.keys.lease(key)).arg(by).arg(millis(ttl).map_or(Cow::Borrowed(""), |ttl| ttl.to_string().into()));
        let ask = async |mut redis: MultiplexedConnection| call.invoke_async(&mut redis).await;
        self.link.ask(ask).await.map_err(|unanswered| match unanswered {
            Unanswered::Refused(error) if is_no_number(&error) => NotIncremented::NoNumber(NoNumber),
            other => NotIncremented::Unanswered(other),
        })
    }

    pub async fn delete(&self, key: &str) -> Result<bool, Unanswered> {
        let (key, lease) = (self.keys.value(key), self.keys.lease(key));
        let mut all = pipe();
        all.atomic().cmd("UNLINK").arg(key).cmd("DEL").arg(lease).ignore();
        let (deleted,): (u64,) = self.link.ask(async |mut redis| all.query_async(&mut redis).await).await?;
        Ok(deleted > 0)
    }

    /// The leases first: whoever computed before this either loses it, or has written a value by then, which the second
    /// sweep finds. (`SCAN` gives every key that is there from its begin to its end.)
    pub async fn delete_prefix(&self, prefix: &str) -> Result<u64, Unanswered> {
        self.sweep(self.keys.leases(prefix)).await?;
        self.sweep(self.keys.values(prefix)).await
    }

    async fn sweep(&self, pattern: Vec<u8>) -> Result<u64, Unanswered> {
        let (mut cursor, mut deleted) = (0_u64, 0);
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(BATCH);
            let found: (u64, Vec<Vec<u8>>) =
                self.link.ask(async |mut redis| scan.query_async(&mut redis).await).await?;
            let (next, keys) = found;
            if !keys.is_empty() {
                let mut unlink = cmd("UNLINK");
                unlink.arg(keys);
                deleted += self.link.ask::<u64, _>(async |mut redis| unlink.query_async(&mut redis).await).await?;
            }
            if next == 0 {
                return Ok(deleted);
            }
            cursor = next;
        }
    }
}

/// The time to live as Redis takes it, rounded up; `None`: for ever.
fn millis(ttl: Ttl) -> Option<u64> {
    ttl.time().map(|time| time.as_nanos().div_ceil(1_000_000) as u64)
}

fn is_no_number(error: &RedisError) -> bool {
    let is_error = matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension);
    let wrong_type = error.code() == Some("WRONGTYPE");
    is_error
        && (wrong_type
            || error.detail().is_some_and(|said| said.contains("not an integer") || said.contains("overflow")))
}
