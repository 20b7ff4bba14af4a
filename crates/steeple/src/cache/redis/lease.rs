//! The right to compute a value, for one node at a time.

use std::{borrow::Cow, future::Future, pin::pin, time::Duration};

use ::redis::{Script, aio::MultiplexedConnection};
use bytes::Bytes;
use tokio::{runtime::Handle, time::sleep};
use uuid::Uuid;

use super::{Redis, Unanswered, millis};
use crate::cache::Ttl;

/// How long a node that died keeps the others waiting, at most.
const LEASE: Duration = Duration::from_secs(5);
/// How often a living one says so.
const RENEW: Duration = Duration::from_secs(1);

/// The value, unless it is the one that is of no use (ARGV[3]); else the lease, if it is free; else nothing.
const CLAIM: &str = "
local value = redis.call('GET', KEYS[1])
if value and value ~= ARGV[3] then return value end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0";

const RENEWAL: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

const RELEASE: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])";

/// Keeps the value and gives the lease back, if it is still held.
const KEEP: &str = "
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1";

pub(super) struct Scripts {
    claim: Script,
    renew: Script,
    release: Script,
    keep: Script,
}

impl Scripts {
    pub fn new() -> Self {
        let [claim, renew, release, keep] = [CLAIM, RENEWAL, RELEASE, KEEP].map(Script::new);
        Self { claim, renew, release, keep }
    }
}

/// What a claim came to.
pub(in crate::cache) enum Claim {
    /// The value is there.
    Found(Bytes),
    /// Compute it.
    Granted(Lease),
    /// Another node computes it.
    Taken,
}

/// Held while computing. Dropped, it is given back, as soon as Redis hears of it.
pub(in crate::cache) struct Lease {
    redis: Redis,
    value: String,
    name: String,
    token: String,
    held: bool,
}

impl Redis {
    /// `useless` is a value that does not count.
    pub async fn claim(&self, key: &str, useless: Option<&Bytes>) -> Result<Claim, Unanswered> {
        let token = Uuid::new_v4().simple().to_string();
        // Held from before the question: whoever leaves while it is under way may have got the lease.
        let mut lease =
            Lease { redis: self.clone(), value: self.keys.value(key), name: self.keys.lease(key), token, held: true };
        let mut call = self.scripts.claim.key(&lease.value);
        call.key(&lease.name).arg(&lease.token).arg(LEASE.as_millis() as u64);
        // No value of ours is empty: JSON never is.
        call.arg(useless.map_or(&[][..], |bytes| &bytes[..]));
        let ask = async |mut redis: MultiplexedConnection| call.invoke_async(&mut redis).await;
        let answer: ::redis::Value = self.link.ask(ask).await?;
        Ok(match answer {
            ::redis::Value::BulkString(value) => {
                lease.held = false;
                Claim::Found(value.into())
            }
            ::redis::Value::Int(1) => Claim::Granted(lease),
            _ => {
                lease.held = false;
                Claim::Taken
            }
        })
    }
}

impl Lease {
    /// Runs `work`, and renews the lease meanwhile. A lease that is lost all the same shows when it comes to keeping.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let renewing = async {
            loop {
                sleep(RENEW).await;
                let mut call = self.redis.scripts.renew.key(&self.name);
                call.arg(&self.token).arg(LEASE.as_millis() as u64);
                let ask = async |mut redis: MultiplexedConnection| call.invoke_async::<()>(&mut redis).await;
                // Nobody to tell: without an answer the lease runs out.
                let _ = self.redis.link.ask(ask).await;
            }
        };
        let (mut work, mut renewing) = (pin!(work), pin!(renewing));
        tokio::select! {
            value = &mut work => value,
            () = &mut renewing => unreachable!("renewing has no end"),
        }
    }

    /// Keeps the value, unless the key was written or deleted meanwhile.
    pub async fn keep(mut self, value: &Bytes, ttl: Ttl) -> Result<(), Unanswered> {
        let mut call = self.redis.scripts.keep.key(&self.value);
        call.key(&self.name).arg(&self.token).arg(&value[..]);
        call.arg(millis(ttl).map_or(Cow::Borrowed(""), |ttl| ttl.to_string().into()));
        let ask = async |mut redis: MultiplexedConnection| call.invoke_async::<()>(&mut redis).await;
        let kept = self.redis.link.ask(ask).await;
        self.held = kept.is_err();
        kept
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Outside a runtime (its end drops what still ran) the lease runs out by itself.
        if let (true, Ok(runtime)) = (self.held, Handle::try_current()) {
            let (redis, name, token) = (self.redis.clone(), self.name.clone(), self.token.clone());
            runtime.spawn(async move {
                let mut call = redis.scripts.release.key(name);
                call.arg(token);
                let ask = async |mut redis: MultiplexedConnection| call.invoke_async::<()>(&mut redis).await;
                let _ = redis.link.ask(ask).await;
            });
        }
    }
}
