//! Section `[centrifugo]`: where publications for browsers go.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Pattern, api::Api};
use crate::auth::Secret;

/// Section `[centrifugo]`. Each key is described in the default configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the HTTP API is, without `/api`: `http://127.0.0.1:8000`. Not set: nothing is published.
    pub url: Option<String>,
    /// The key of the HTTP API.
    pub api_key: Option<Secret>,
    /// Longest time for one request, connecting included. Default: 5 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Publications that may wait; then the oldest are dropped. Default: 10,000.
    pub queue: usize,
    /// Bytes of publications that may wait. Default: 16 MiB.
    pub queue_bytes: usize,
    /// Publications of one request. Default: 100.
    pub batch: usize,
    /// Age at which a publication that could not be delivered is dropped. Default: 30 s.
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
    /// Failed requests in a row that open the circuit. Default: 5.
    pub breaker_failures: u32,
    /// How long it stays open before one request tries. Default: 10 s.
    #[serde(with = "humantime_serde")]
    pub breaker_rest: Duration,
    /// How long waiting publications have when the site stops. Default: 5 s.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// Which calls of the site are published. Default: none.
    pub call_events: Vec<CallEvent>,
    /// Where their starts and ends go; `{service}` and `{method}` are filled in.
    pub call_channel: String,
    /// Where their failures go.
    pub error_channel: String,
}

/// A moment of a call that can be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallEvent {
    /// It begins.
    Start,
    /// It ended well.
    End,
    /// It ended with another status than OK.
    Error,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: None,
            api_key: None,
            timeout: Duration::from_secs(5),
            queue: 10_000,
            queue_bytes: 16 * 1024 * 1024,
            batch: 100,
            max_age: Duration::from_secs(30),
            breaker_failures: 5,
            breaker_rest: Duration::from_secs(10),
            drain: Duration::from_secs(5),
            call_events: vec![],
            call_channel: "grpc:{service}:{method}:meta".to_owned(),
            error_channel: "grpc:{service}:{method}:errors".to_owned(),
        }
    }
}

/// Longest time of any key.
const LONGEST: Duration = Duration::from_hours(1);
/// Most publications that may wait.
const MOST: usize = 1 << 24;
/// What may be filled into the channels of calls.
pub(super) const CALL_PLACES: [&str; 2] = ["service", "method"];

impl Config {
    /// What is wrong with the values, as (key, sentence). Empty when nothing is.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if let Some(url) = &self.url
            && let Err(problem) = Api::address(url)
        {
            wrong.push(("url", problem));
        }
        if let Some(key) = &self.api_key
            && let Err(problem) = Api::key(key)
        {
            wrong.push(("api_key", problem));
        }
        if self.url.is_some() && self.api_key.is_none() {
            wrong.push(("api_key", "is missing: the key of Centrifugo's HTTP API".to_owned()));
        }
        if self.url.is_none() && !self.call_events.is_empty() {
            wrong.push(("call_events", "has nowhere to go; set url".to_owned()));
        }
        let sizes =
            [("queue", self.queue, MOST), ("batch", self.batch, 1000), ("queue_bytes", self.queue_bytes, 1 << 32)];
        for (key, size, most) in sizes {
            if !(1..=most).contains(&size) {
                wrong.push((key, format!("must be between 1 and {most}")));
            }
        }
        if self.breaker_failures == 0 {
            wrong.push(("breaker_failures", "must be at least 1".to_owned()));
        }
        let times = [
            ("timeout", self.timeout),
            ("max_age", self.max_age),
            ("breaker_rest", self.breaker_rest),
            ("drain", self.drain),
        ];
        for (key, time) in times {
            if time > LONGEST || (time.is_zero() && key != "drain") {
                wrong.push((key, "must be longer than 0s and at most 1h".to_owned()));
            }
        }
        for (key, pattern) in [("call_channel", &self.call_channel), ("error_channel", &self.error_channel)] {
            if let Err(problem) = Pattern::of(pattern, &CALL_PLACES) {
                wrong.push((key, problem));
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(config: &Config) -> Vec<&'static str> {
        config.validate().into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn what_cannot_work_is_named() {
        assert!(wrong(&Config::default()).is_empty());
        let on = || Config {
            url: Some("https://push.example.org/centrifugo/".to_owned()),
            api_key: Some(Secret::new("key")),
            ..Config::default()
        };
        assert!(wrong(&on()).is_empty());
        for url in ["", "push.example.org", "ftp://x", "http://", "http://user:password@x", "http://x/?a=b"] {
            assert_eq!(wrong(&Config { url: Some(url.to_owned()), ..on() }), ["url"], "{url}");
        }
        for key in ["", "two\nlines", "ключ"] {
            assert_eq!(wrong(&Config { api_key: Some(Secret::new(key)), ..on() }), ["api_key"], "{key}");
        }
        assert_eq!(wrong(&Config { api_key: None, ..on() }), ["api_key"]);
        assert_eq!(wrong(&Config { call_events: vec![CallEvent::End], ..Config::default() }), ["call_events"]);
        assert_eq!(wrong(&Config { queue: 0, batch: 1001, ..on() }), ["queue", "batch"]);
        assert_eq!(wrong(&Config { timeout: Duration::ZERO, ..on() }), ["timeout"]);
        assert_eq!(wrong(&Config { breaker_failures: 0, ..on() }), ["breaker_failures"]);
        assert_eq!(wrong(&Config { call_channel: "grpc#{service}".to_owned(), ..on() }), ["call_channel"]);
        assert_eq!(wrong(&Config { error_channel: "grpc:{user}".to_owned(), ..on() }), ["error_channel"]);
    }
}
