//! What the request log may be told: section `[log]` of the configuration.
//!
//! Takes values, says which of them are nonsense. Must never: read a file or the environment.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// Section `[log]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Write rows and statistics to the database. Default true. Console lines and metrics do not depend on it.
    pub enabled: bool,
    /// Which calls get a line on standard output. Default all.
    pub console: ConsoleLines,
    /// The shape of such a line. Default auto.
    pub format: Format,
    /// Closed calls that may wait to be written. Default 32768.
    pub queue: usize,
    /// Rows of one transaction; so many waiting calls wake the writer early. Default 1000.
    pub batch: usize,
    /// How often waiting calls are written; a crash loses at most the calls of this window. Default 200 ms.
    #[serde(with = "humantime_serde")]
    pub flush_interval: Duration,
    /// What a full queue does. Default drop.
    pub on_full: OnFull,
    /// Days a row is kept; 0 keeps rows for ever. Default 30. Statistics stay longer: see [`stats`](super::stats).
    pub retention_days: u32,
    /// The share of successful calls that get a row, 0 to 1. Default 1. Failures, and calls that were seen running,
    /// always get one; statistics and metrics count every call.
    pub sample_successes: f64,
    /// Services (`grpc.health.v1.Health`) and methods (`grpc.health.v1.Health/Check`) whose calls get neither row nor
    /// console line, and are not in the statistics; metrics count them. Default: the health service, which probes ask
    /// every few seconds.
    pub skip: Vec<String>,
}

/// Which calls get a console line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleLines {
    /// Every call.
    #[default]
    All,
    /// Calls whose code is not OK.
    Errors,
    /// None.
    Off,
}

/// The shape of a console line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Pretty in development, JSON elsewhere. Whoever reads the configuration resolves it; unresolved it means JSON.
    #[default]
    Auto,
    /// For people: columns.
    Pretty,
    /// For machines: one JSON object a line.
    Json,
}

/// What a full queue does to the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFull {
    /// The call is served, its row is dropped and counted.
    #[default]
    Drop,
    /// Calls wait at the door until there is room, so that none is dropped. Running calls count as queued: `queue` is
    /// then also the most calls that can run at once.
    Wait,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            console: ConsoleLines::default(),
            format: Format::default(),
            queue: 32_768,
            batch: 1000,
            flush_interval: Duration::from_millis(200),
            on_full: OnFull::default(),
            retention_days: 30,
            sample_successes: 1.0,
            skip: vec!["grpc.health.v1.Health".to_owned()],
        }
    }
}

impl Config {
    /// Whether there is anything to write: rows, or console lines.
    pub fn is_on(&self) -> bool {
        self.enabled || self.console != ConsoleLines::Off
    }

    /// Whether calls to this method get neither row nor console line.
    pub fn skips(&self, service: &str, method: &str) -> bool {
        self.skip.iter().any(|skip| skip.split_once('/').map_or(skip == service, |both| both == (service, method)))
    }

    /// Refuses values that cannot work.
    ///
    /// # Errors
    /// The first such value, with its key and its limits.
    pub fn check(&self) -> Result<(), Nonsense> {
        let refuse = |key, value: &dyn fmt::Display, must| Err(Nonsense { key, value: value.to_string(), must });
        if !(1..=16_777_216).contains(&self.queue) {
            return refuse("queue", &self.queue, "must be between 1 and 16777216");
        }
        if !(1..=100_000).contains(&self.batch) {
            return refuse("batch", &self.batch, "must be between 1 and 100000");
        }
        if !(Duration::from_millis(1)..=Duration::from_hours(1)).contains(&self.flush_interval) {
            let value = humantime_serde::re::humantime::format_duration(self.flush_interval);
            return refuse("flush_interval", &value, "must be between 1ms and 1h");
        }
        if !(0.0..=1.0).contains(&self.sample_successes) {
            return refuse("sample_successes", &self.sample_successes, "must be between 0 and 1");
        }
        if self.retention_days > 36_500 {
            return refuse("retention_days", &self.retention_days, "must be at most 36500, or 0 to keep rows for ever");
        }
        Ok(())
    }
}

/// A value of [`Config`] that cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonsense {
    /// The key in section `log`.
    pub key: &'static str,
    /// What it was set to.
    pub value: String,
    /// What it must be.
    pub must: &'static str,
}

impl fmt::Display for Nonsense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log.{} = {} {}", self.key, self.value, self.must)
    }
}

impl std::error::Error for Nonsense {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_pass_and_nonsense_is_named() {
        assert_eq!(Config::default().check(), Ok(()));
        let refused = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert_eq!(refused(|c| c.queue = 0), "log.queue = 0 must be between 1 and 16777216");
        assert_eq!(refused(|c| c.batch = 0), "log.batch = 0 must be between 1 and 100000");
        assert_eq!(refused(|c| c.sample_successes = 1.5), "log.sample_successes = 1.5 must be between 0 and 1");
        assert_eq!(refused(|c| c.sample_successes = f64::NAN), "log.sample_successes = NaN must be between 0 and 1");
        assert_eq!(
            refused(|c| c.flush_interval = Duration::ZERO),
            "log.flush_interval = 0s must be between 1ms and 1h"
        );
    }

    #[test]
    fn unknown_keys_are_refused() {
        let config: Config =
            toml::from_str("console = \"errors\"\nflush_interval = \"50ms\"\non_full = \"wait\"").unwrap();
        assert_eq!((config.console, config.on_full), (ConsoleLines::Errors, OnFull::Wait));
        assert_eq!(config.flush_interval, Duration::from_millis(50));
        assert!(toml::from_str::<Config>("flush = \"1s\"").is_err());
    }
}
