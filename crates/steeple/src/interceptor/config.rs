//! Section `[calls]`: the limits of one call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The limits of one call. Each key is described in the default configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The longest deadline a call may have: a longer `grpc-timeout` is cut to it, and a call without one gets it.
    /// Default none.
    #[serde(with = "humantime_serde")]
    pub max_deadline: Option<Duration>,
    /// The deadline of a call that sends no `grpc-timeout`. Default none.
    #[serde(with = "humantime_serde")]
    pub default_deadline: Option<Duration>,
    /// Calls that may be in flight at once, over all connections; the surplus is refused with RESOURCE_EXHAUSTED.
    /// 0 is no limit. Default 10,000.
    pub max_in_flight: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_deadline: None, default_deadline: None, max_in_flight: 10_000 }
    }
}

impl Config {
    /// What is wrong with the values, as (key, sentence). Empty when nothing is.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        for (key, deadline) in [("max_deadline", self.max_deadline), ("default_deadline", self.default_deadline)] {
            if deadline.is_some_and(|deadline| deadline.is_zero()) {
                wrong.push((key, "must be longer than 0s".to_owned()));
            }
        }
        if let (Some(max), Some(default)) = (self.max_deadline, self.default_deadline)
            && default > max
        {
            wrong.push(("default_deadline", "is longer than max_deadline; make it at most as long".to_owned()));
        }
        wrong
    }
}
