//! Section `[cache]`: where values are kept for a while, and how much of them.

use std::{fmt, time::Duration};

use redis::{ConnectionAddr, IntoConnectionInfo as _};
use serde::{Deserialize, Serialize};

use crate::db;

/// Section `[cache]`. Each key is described in the default configuration file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `memory://`, `redis://:password@host:6379/0` or `rediss://…` for TLS. Default: `memory://`.
    pub url: String,
    /// Memory for values, keys and their bookkeeping; what was used least recently leaves first. Default: 64 MiB.
    /// Redis has a limit of its own (`maxmemory`).
    pub max_bytes: u64,
    /// The largest value. Default: 1 MiB.
    pub max_value_bytes: usize,
    /// What keeps the keys of sites apart that share a Redis. Default: the site's name.
    pub prefix: Option<String>,
    /// How long Redis has for one answer. Default: 1 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Certificates in PEM, one of which the Redis server's must come from. Default: those of the system.
    pub ca: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: MEMORY.to_owned(),
            max_bytes: 64 * 1024 * 1024,
            max_value_bytes: 1024 * 1024,
            prefix: None,
            timeout: Duration::from_secs(1),
            ca: None,
        }
    }
}

/// The url of a cache in this process.
pub(super) const MEMORY: &str = "memory://";
/// The largest value that Redis takes.
const LARGEST_VALUE: usize = 512 * 1024 * 1024;
/// What a value may need beside itself.
const BESIDE: u64 = 1024;
const LONGEST_PREFIX: usize = 64;

impl Config {
    /// What is wrong with the values, as (key, sentence). Empty when nothing is; whether Redis is there shows later.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if let Some(problem) = self.url_problem() {
            wrong.push(("url", problem));
        }
        if !(1..=LARGEST_VALUE).contains(&self.max_value_bytes) {
            wrong.push(("max_value_bytes", format!("must be between 1 and {LARGEST_VALUE}")));
        } else if self.max_bytes < self.max_value_bytes as u64 + BESIDE {
            wrong.push(("max_bytes", format!("must be at least {BESIDE} more than max_value_bytes")));
        }
        if self.prefix.as_ref().is_some_and(|prefix| prefix.is_empty() || prefix.len() > LONGEST_PREFIX) {
            wrong.push(("prefix", format!("must have 1 to {LONGEST_PREFIX} bytes")));
        }
        if self.timeout < Duration::from_millis(1) || self.timeout > Duration::from_mins(1) {
            wrong.push(("timeout", "must be between 1ms and 1m".to_owned()));
        }
        if self.ca.is_some() && self.url.starts_with("redis://") {
            wrong.push(("ca", "is of no use without TLS; begin cache.url with rediss://".to_owned()));
        } else if self.ca.as_ref().is_some_and(|ca| !ca.contains("-----BEGIN CERTIFICATE-----")) {
            wrong.push(("ca", "has no certificate in PEM; write file:PATH to read one from a file".to_owned()));
        }
        wrong
    }

    fn url_problem(&self) -> Option<String> {
        if self.url == MEMORY {
            return None;
        }
        if !self.url.starts_with("redis://") && !self.url.starts_with("rediss://") {
            return Some("names no known cache; write memory://, or begin it with redis:// or rediss://".to_owned());
        }
        match self.url.as_str().into_connection_info().as_ref().map(redis::ConnectionInfo::addr) {
            Ok(ConnectionAddr::TcpTls { insecure: true, .. }) => {
                Some("must not end in #insecure; name the certificate to trust in cache.ca".to_owned())
            }
            Ok(_) => None,
            Err(_) => Some("is no address of a Redis; write redis://:password@host:6379/0".to_owned()),
        }
    }
}

impl fmt::Debug for Config {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("url", &db::redacted(&self.url)).finish_non_exhaustive()
    }
}
