//! `[streams]`, the limits of a node, and [`StreamingConfig`], what one streaming service promises its clients.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::published::Channels;
use crate::{
    bus,
    error::{Error, Result},
};

/// Section `[streams]`: the limits of this node. Each key is described in the default configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Clients connected to this node at once, over all services; 0 is no limit. Default 10,000.
    pub max_sessions: usize,
    /// Of one caller: a user, an API key, or an address without credentials; 0 is no limit. Default 1,000.
    pub max_sessions_per_principal: usize,
    /// How often changes are written to the tables. Default 1 s.
    #[serde(with = "humantime_serde")]
    pub flush_interval: Duration,
    /// How often the row of a connected client is brought up to date. Default 15 s.
    #[serde(with = "humantime_serde")]
    pub refresh_interval: Duration,
    /// How long events, and rows of clients that are away, are kept; zero keeps them for ever. Default 30 d.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_sessions: 10_000,
            max_sessions_per_principal: 1_000,
            flush_interval: Duration::from_secs(1),
            refresh_interval: Duration::from_secs(15),
            keep: Duration::from_hours(30 * 24),
        }
    }
}

impl Config {
    /// What is wrong with the values, as (key, sentence). Empty when nothing is.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let bounds = Duration::from_millis(10)..=Duration::from_hours(1);
        for (key, interval) in [("flush_interval", self.flush_interval), ("refresh_interval", self.refresh_interval)] {
            if !bounds.contains(&interval) {
                wrong.push((key, "must be between 10ms and 1h".to_owned()));
            }
        }
        if self.refresh_interval < self.flush_interval {
            wrong.push(("refresh_interval", "must be at least flush_interval".to_owned()));
        }
        if !self.keep.is_zero() && self.keep < Duration::from_mins(1) {
            wrong.push(("keep", "must be at least 1m, or 0s for ever".to_owned()));
        }
        wrong
    }
}

/// Longest `service_name`: the columns of rows have room for it.
const LONGEST_SERVICE: usize = 100;

/// Who keeps a name when a second session asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicatePolicy {
    /// The newer session: the older one ends. A client whose connection died without a word is back at once.
    #[default]
    Replace,
    /// The older session: the newer one is refused with ALREADY_EXISTS. Two that come to two nodes in the same moment, or
    /// while the nodes cannot hear each other, are both let in, and the newer one stays.
    Refuse,
}

/// What one streaming service promises its clients. Deserializes, so that it may stand in `[settings.<app>]`.
///
/// ```
/// use std::time::Duration;
/// use steeple::stream::StreamingConfig;
///
/// let config = StreamingConfig { heartbeat_timeout: Duration::from_secs(30), ..StreamingConfig::of("crypto") };
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamingConfig {
    /// A short name for rows, metrics, subjects and channels, of letters, digits, `_` and `.`: `crypto`. One hub of a site
    /// has it, on every node the same.
    pub service_name: String,
    /// How often a client should give a sign of life. It is told in the metadata of the answer,
    /// `x-heartbeat-interval-ms`. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub heartbeat_interval: Duration,
    /// After so long without any message the session ends; also how long a new stream has for its first message, and a
    /// client for reading what waits for it. Default 90 s.
    #[serde(with = "humantime_serde")]
    pub heartbeat_timeout: Duration,
    /// Send pings. Default on.
    pub enable_ping: bool,
    /// How often. Default 60 s.
    #[serde(with = "humantime_serde")]
    pub ping_interval: Duration,
    /// How long a client that left may take to be back before it counts as offline. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub client_disconnect_grace: Duration,
    /// Largest message a client may send, in bytes; a larger one ends its session with RESOURCE_EXHAUSTED. The server's
    /// `max_receive_message_bytes` holds as well. Default 256 KiB.
    pub max_message_bytes: usize,
    /// Commands that may wait for one client to read them; a full queue refuses with RESOURCE_EXHAUSTED. Default 1,000.
    pub queue_size: usize,
    /// Commands of one client that may be waited for at once. Default 100.
    pub max_commands_in_flight: usize,
    /// How long [`Hub::execute`](super::Hub::execute) waits when it is not told, and how long a command that was sent
    /// without waiting may wait for its client to read it: then it is dropped, counted and put on record. Default 15 s.
    #[serde(with = "humantime_serde")]
    pub command_timeout: Duration,
    /// What happens to the second session of one name. Default: it takes the first one's place.
    pub duplicate_policy: DuplicatePolicy,
    /// Publish what clients say, but for signs of life, through Centrifugo, where the site has one. Whoever Centrifugo lets
    /// subscribe to a channel reads it. Default on.
    pub centrifugo_auto_publish_messages: bool,
    /// The same for commands that clients are sent, but for pings. Default on.
    pub centrifugo_auto_publish_commands: bool,
    /// The channel of one client; `{service}` and `{client_id}` are filled in. Default `{service}:{client_id}:updates`.
    pub centrifugo_channel_pattern: String,
    /// The channel that has what all clients say and are sent; `{service}` is filled in, empty: none. Default
    /// `{service}:all`.
    pub centrifugo_publish_all_channel: String,
}

impl Default for StreamingConfig {
    fn default() -> Self {
        Self {
            service_name: String::new(),
            heartbeat_interval: Duration::from_secs(30),
            heartbeat_timeout: Duration::from_secs(90),
            enable_ping: true,
            ping_interval: Duration::from_secs(60),
            client_disconnect_grace: Duration::from_secs(5),
            max_message_bytes: 256 * 1024,
            queue_size: 1_000,
            max_commands_in_flight: 100,
            command_timeout: Duration::from_secs(15),
            duplicate_policy: DuplicatePolicy::default(),
            centrifugo_auto_publish_messages: true,
            centrifugo_auto_publish_commands: true,
            centrifugo_channel_pattern: "{service}:{client_id}:updates".to_owned(),
            centrifugo_publish_all_channel: "{service}:all".to_owned(),
        }
    }
}

impl StreamingConfig {
    /// The defaults for this service.
    pub fn of(service_name: impl Into<String>) -> Self {
        Self { service_name: service_name.into(), ..Self::default() }
    }

    /// Refuses values that cannot work.
    pub(super) fn check(&self) -> Result<()> {
        let name = &self.service_name;
        let positive = [
            ("heartbeat_interval", self.heartbeat_interval),
            ("heartbeat_timeout", self.heartbeat_timeout),
            ("ping_interval", self.ping_interval),
            ("command_timeout", self.command_timeout),
        ];
        let problem = if name.len() > LONGEST_SERVICE || bus::check_service(name).is_err() {
            "service_name must be 1 to 100 letters, digits and `_`, in parts separated by `.`".to_owned()
        } else if let Err(problem) = Channels::of(self) {
            problem
        } else if let Some((key, _)) = positive.iter().find(|(_, time)| time.is_zero()) {
            format!("{key} must be longer than 0s")
        } else if self.heartbeat_timeout < self.heartbeat_interval {
            "heartbeat_timeout must be at least heartbeat_interval".to_owned()
        } else if self.queue_size == 0 || self.max_commands_in_flight == 0 || self.max_message_bytes == 0 {
            "queue_size, max_commands_in_flight and max_message_bytes must be above 0".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::failed_precondition(format!("streaming service {name:?}: {problem}")))
    }
}
