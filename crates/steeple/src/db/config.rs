//! What an operator may say about the database.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// Section `[database]` of the configuration.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `sqlite://site.sqlite3`, `sqlite::memory:`, `postgres://user:password@host/name` or `mysql://…`; further
    /// parameters as in the sqlx documentation (`?sslmode=verify-full`). Default: `sqlite://steeple.sqlite3`.
    pub url: String,
    /// Connections at most. Default: by the number of worker threads; SQLite 2 per worker, from 4 to 16, the others 4
    /// per worker, from 8 to 32. A PostgreSQL server takes 100 by default, from all nodes together.
    pub max_connections: Option<u32>,
    /// How long a statement waits for a free connection before the call is UNAVAILABLE, and how long the first
    /// connection at start may take. Default: 5 s.
    #[serde(with = "humantime_serde")]
    pub acquire_timeout: Duration,
    /// A connection unused for longer is tested before use; a test at every use would cost a third of a PostgreSQL
    /// lookup. Not used on SQLite. Default: 30 s.
    #[serde(with = "humantime_serde")]
    pub idle_test_after: Duration,
    /// A connection unused for longer is closed. Not used on SQLite. Default: 10 min.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// A connection older than this is replaced, so that load spreads over servers that came back. Not used on SQLite.
    /// Default: 30 min.
    #[serde(with = "humantime_serde")]
    pub max_lifetime: Duration,
    /// How long SQLite waits for another writer before the call is ABORTED. Default: 5 s.
    #[serde(with = "humantime_serde")]
    pub busy_timeout: Duration,
    /// Prepared statements kept per connection. Default: 256.
    pub statement_cache: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "sqlite://steeple.sqlite3".to_owned(),
            max_connections: None,
            acquire_timeout: Duration::from_secs(5),
            idle_test_after: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(10),
            max_lifetime: Duration::from_mins(30),
            busy_timeout: Duration::from_secs(5),
            statement_cache: 256,
        }
    }
}

/// Most connections of one pool: each costs memory before it is of any use.
const MOST_CONNECTIONS: u32 = 10_000;
/// Longest time of any key: what drivers compute with must not overflow.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

impl Config {
    /// What is wrong with the values, as (key, sentence). Empty when nothing is; whether the database is there shows
    /// when connecting.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if super::Address::new(self.url.as_str()).backend().is_none() {
            wrong.push(("url", "names no known database; begin it with sqlite://, postgres:// or mysql://".to_owned()));
        }
        if self.max_connections.is_some_and(|most| !(1..=MOST_CONNECTIONS).contains(&most)) {
            wrong.push(("max_connections", format!("must be between 1 and {MOST_CONNECTIONS}")));
        }
        if self.acquire_timeout.is_zero() {
            wrong.push(("acquire_timeout", "must be longer than 0s".to_owned()));
        }
        let times = [
            ("acquire_timeout", self.acquire_timeout),
            ("busy_timeout", self.busy_timeout),
            ("idle_test_after", self.idle_test_after),
            ("idle_timeout", self.idle_timeout),
            ("max_lifetime", self.max_lifetime),
        ];
        let long = times.iter().filter(|(_, time)| *time > LONGEST);
        wrong.extend(long.map(|(key, _)| (*key, "must be at most 7 days".to_owned())));
        wrong
    }
}

impl fmt::Debug for Config {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("url", &super::redacted(&self.url)).finish_non_exhaustive()
    }
}
