//! Section `[bus]`: where the other nodes are.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::nats::Address;
use crate::auth::Secret;

/// Section `[bus]`. Each key is described in the default configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The brokers: `nats://user:password@host:4222`, several with commas, `tls://` for TLS. Not set: this process alone.
    pub url: Option<Secret>,
    /// A token, for a broker that wants one in place of user and password.
    pub token: Option<Secret>,
    /// The site's name on the broker. Default: `site`.
    pub site: String,
    /// Whether the site starts, and is ready, only with a broker. Default: no.
    pub required: bool,
    /// Longest time for a connection to the broker; also how long the start waits for the first. Default: 2 s.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How often the broker is asked for a sign of life; three unanswered ones are the end of the connection. Default: 2 s.
    #[serde(with = "humantime_serde")]
    pub ping_interval: Duration,
    /// How long after a connection nobody may be said to be absent, since others may still be reconnecting. Default: 5 s.
    #[serde(with = "humantime_serde")]
    pub settle: Duration,
    /// Longest time for the broker to confirm a registration; then the client is served by this process only, until it
    /// does. Default: 2 s.
    #[serde(with = "humantime_serde")]
    pub register_timeout: Duration,
    /// Requests to other nodes that may wait for an answer at once. Default: 65,536.
    pub max_waiting: usize,
    /// Certificates in PEM that the broker's must be signed by. Not set: the system's.
    pub tls_ca: Option<PathBuf>,
    /// The certificate in PEM that this node shows to the broker.
    pub tls_certificate: Option<PathBuf>,
    /// Its private key in PEM.
    pub tls_key: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: None,
            token: None,
            site: "site".to_owned(),
            required: false,
            connect_timeout: Duration::from_secs(2),
            ping_interval: Duration::from_secs(2),
            settle: Duration::from_secs(5),
            register_timeout: Duration::from_secs(2),
            max_waiting: 65_536,
            tls_ca: None,
            tls_certificate: None,
            tls_key: None,
        }
    }
}

/// Longest time of any key.
const LONGEST: Duration = Duration::from_mins(10);
/// Most requests that may wait: each holds about 2 KB.
const MOST_WAITING: usize = 1 << 24;

impl Config {
    /// What is wrong with the values, as (key, sentence). Empty when nothing is.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if let Some(url) = &self.url {
            match Address::of(url.expose()) {
                Err(problem) => wrong.push(("url", problem)),
                Ok(address) if address.login.is_some() && self.token.is_some() => {
                    wrong.push(("token", "contradicts the user and password in url; set one of them".to_owned()));
                }
                Ok(_) => {}
            }
        }
        if self.url.is_none() && self.required {
            wrong.push(("required", "wants a broker; set url, such as \"nats://127.0.0.1:4222\"".to_owned()));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(1..=64).contains(&self.site.len()) || !self.site.bytes().all(plain) {
            wrong.push(("site", "must have 1 to 64 letters, digits, - and _".to_owned()));
        }
        let times = [
            ("connect_timeout", self.connect_timeout),
            ("ping_interval", self.ping_interval),
            ("register_timeout", self.register_timeout),
        ];
        for (key, time) in times {
            if time < Duration::from_millis(10) {
                wrong.push((key, "must be at least 10ms".to_owned()));
            }
        }
        for (key, time) in times.into_iter().chain([("settle", self.settle)]) {
            if time > LONGEST {
                wrong.push((key, "must be at most 10 minutes".to_owned()));
            }
        }
        if !(1..=MOST_WAITING).contains(&self.max_waiting) {
            wrong.push(("max_waiting", format!("must be between 1 and {MOST_WAITING}")));
        }
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            wrong.push(("tls_certificate", "and tls_key go together; set both or neither".to_owned()));
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
        let url = |url: &str| Some(Secret::new(url));
        assert!(wrong(&Config { url: url("nats://ada:secret@one:4222,tls://two"), ..Config::default() }).is_empty());
        for bad in
            ["", "redis://one", "nats://", "nats://token@one", "nats://a:b@one,nats://c:d@two", "nats://a:b c@x y"]
        {
            assert_eq!(wrong(&Config { url: url(bad), ..Config::default() }), ["url"], "{bad}");
        }
        let token = Some(Secret::new("t"));
        assert_eq!(wrong(&Config { url: url("nats://a:b@one"), token, ..Config::default() }), ["token"]);
        assert_eq!(wrong(&Config { required: true, ..Config::default() }), ["required"]);
        assert_eq!(wrong(&Config { site: "a.b".to_owned(), ..Config::default() }), ["site"]);
        assert_eq!(wrong(&Config { ping_interval: Duration::ZERO, ..Config::default() }), ["ping_interval"]);
        assert_eq!(wrong(&Config { settle: Duration::from_secs(3600), ..Config::default() }), ["settle"]);
        assert_eq!(wrong(&Config { max_waiting: 0, ..Config::default() }), ["max_waiting"]);
        assert_eq!(wrong(&Config { tls_key: Some("k".into()), ..Config::default() }), ["tls_certificate"]);
    }

    #[test]
    fn no_problem_shows_a_secret() {
        for url in
            ["nats://ada:s3cret@x y", "redis://ada:s3cret@x", "nats://s3cret@x", "nats://a:s3cret@x,nats://b:c@y"]
        {
            for (_, sentence) in (Config { url: Some(Secret::new(url)), ..Config::default() }).validate() {
                assert!(!sentence.contains("s3cret"), "{sentence}");
            }
        }
    }
}
