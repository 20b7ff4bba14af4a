//! Section `[node]`: how a server tells the others that it lives.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Section `[node]`. Each key is described in the default configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Between two heartbeats. Who has missed three is taken for dead. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub heartbeat_interval: Duration,
    /// How long a server is listed after its last heartbeat: as far back as charts of servers
    /// can tell. Default 30 days.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { heartbeat_interval: Duration::from_secs(10), keep: Duration::from_hours(30 * 24) }
    }
}

impl Config {
    /// What is wrong with the values, as (key, sentence). Empty when nothing is.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if !(Duration::from_secs(1)..=Duration::from_hours(1)).contains(&self.heartbeat_interval) {
            wrong.push(("heartbeat_interval", "must be between 1s and 1h".to_owned()));
        }
        if self.keep < self.heartbeat_interval * 10 || self.keep > Duration::from_hours(366 * 24) {
            wrong.push(("keep", "must be at least ten times heartbeat_interval, and at most 366days".to_owned()));
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_kept_as_long_as_charts_look_back() {
        assert!(Config::default().keep >= Duration::from_hours(720));
    }

    #[test]
    fn nonsense_is_named() {
        assert_eq!(Config::default().validate(), []);
        let wrong = |heartbeat_interval, keep| {
            let config = Config { heartbeat_interval, keep };
            config.validate().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(wrong(Duration::ZERO, Duration::from_hours(1)), ["heartbeat_interval"]);
        assert_eq!(wrong(Duration::from_hours(2), Duration::from_hours(1)), ["heartbeat_interval", "keep"]);
        assert_eq!(wrong(Duration::from_secs(5), Duration::from_secs(49)), ["keep"]);
    }
}
