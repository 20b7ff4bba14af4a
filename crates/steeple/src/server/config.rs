//! Section `[server]`: where the site listens and what a connection may ask of it.
//!
//! The defaults close what stock tonic leaves open: no stream limit, no time for a handshake, no keepalive.
//!
//! Must never: read a file or the environment; the configuration loader does, and hands this over.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::interceptor::Proxies;

/// Where the site listens, and the limits of one connection. Each key is described in the default configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of the gRPC listener, `host:port`. Port 0 takes a free one. Default `[::]:50051`.
    pub grpc: String,
    /// Address of the HTTP listener, or `off`. Default `127.0.0.1:8000`: the admin is not public by accident.
    pub http: String,
    /// Threads that run calls; 0 is one per core, the default.
    pub max_workers: usize,
    /// Largest message a caller may send, after decompression. Default 4 MiB, as in every gRPC implementation.
    pub max_receive_message_bytes: usize,
    /// Largest message the site may answer with. Default 4 MiB.
    pub max_send_message_bytes: usize,
    /// Calls one connection may have open at once; the surplus gets REFUSED_STREAM. Default 200.
    pub max_concurrent_streams: u32,
    /// Networks of proxies whose `x-forwarded-for` is believed. Default none: a client is who connects.
    pub trusted_proxies: Vec<String>,
    /// Connections open at once; further ones are closed on arrival. Default 10,000.
    pub max_connections: usize,
    /// Largest list of metadata of one call, as HPACK counts it (RFC 9113 section 6.5.2). Default 16 KiB.
    pub max_header_list_bytes: u32,
    /// Time a new connection has for its HTTP/2 preface and first SETTINGS frame. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub handshake_timeout: Duration,
    /// Time a frame other than DATA, or one list of headers, may take to arrive. Default 20 s.
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    /// A PING is sent on a connection this long after the last; zero sends none. Default 60 s.
    #[serde(with = "humantime_serde")]
    pub keepalive_interval: Duration,
    /// Time a peer has to answer that PING. Default 20 s.
    #[serde(with = "humantime_serde")]
    pub keepalive_timeout: Duration,
    /// A connection older than this is asked to leave (GOAWAY). Default none.
    #[serde(with = "humantime_serde")]
    pub max_connection_age: Option<Duration>,
    /// Time the calls of such a connection have to finish. Default 5 min.
    #[serde(with = "humantime_serde")]
    pub max_connection_age_grace: Duration,
    /// Compression spoken with callers that ask for it, both ways. Default none.
    pub compression: Vec<Compression>,
    /// Serve `grpc.reflection.v1` and `v1alpha`. Default true.
    pub reflection: bool,
    /// Serve `grpc.health.v1`. Default true.
    pub health: bool,
    /// Time that calls in flight have to finish after SIGTERM. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
}

/// A message encoding of gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// `grpc-encoding: gzip`.
    Gzip,
    /// `grpc-encoding: deflate` (zlib).
    Deflate,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc: "[::]:50051".to_owned(),
            http: "127.0.0.1:8000".to_owned(),
            max_workers: 0,
            max_receive_message_bytes: 4 * 1024 * 1024,
            max_send_message_bytes: 4 * 1024 * 1024,
            max_concurrent_streams: 200,
            trusted_proxies: Vec::new(),
            max_connections: 10_000,
            max_header_list_bytes: 16 * 1024,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(20),
            keepalive_interval: Duration::from_mins(1),
            keepalive_timeout: Duration::from_secs(20),
            max_connection_age: None,
            max_connection_age_grace: Duration::from_mins(5),
            compression: Vec::new(),
            reflection: true,
            health: true,
            drain: Duration::from_secs(30),
        }
    }
}

/// Most threads that run calls: each is a stack and a share of the cores.
const MOST_WORKERS: usize = 1024;

impl Config {
    /// The address of the HTTP listener, `None` when it is off.
    pub fn http_address(&self) -> Option<&str> {
        (self.http != "off").then_some(self.http.as_str())
    }

    /// The proxies that are believed.
    pub(super) fn proxies(&self) -> Proxies {
        Proxies::new(&self.trusted_proxies.iter().filter_map(|text| network(text)).collect::<Vec<_>>())
    }

    /// The number of threads that run calls, at least one.
    pub fn workers(&self) -> usize {
        if self.max_workers > 0 {
            self.max_workers
        } else {
            std::thread::available_parallelism().map_or(1, usize::from)
        }
    }

    /// What is wrong with the values, as (key, sentence). Empty when nothing is.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let grpc = address(&self.grpc);
        if let Err(problem) = &grpc {
            wrong.push(("grpc", problem.clone()));
        }
        if let Some(http) = self.http_address() {
            match (grpc, address(http)) {
                (_, Err(problem)) => wrong.push(("http", format!("{problem}, or \"off\""))),
                (Ok(grpc), Ok(http)) if clash(grpc, http) => wrong.push((
                    "http",
                    format!(
                        "\"{}\" takes the port of grpc = \"{}\"; give one of them another port",
                        self.http, self.grpc
                    ),
                )),
                _ => {}
            }
        }
        if self.max_workers > MOST_WORKERS {
            wrong.push(("max_workers", format!("must be at most {MOST_WORKERS}, or 0 for one per core")));
        }
        if let Some(strange) = self.trusted_proxies.iter().find(|text| network(text).is_none()) {
            let problem = format!("\"{strange}\" is no network; write one such as \"10.0.0.0/8\", or an address");
            wrong.push(("trusted_proxies", problem));
        }
        let above_zero = [
            ("max_receive_message_bytes", self.max_receive_message_bytes),
            ("max_send_message_bytes", self.max_send_message_bytes),
            ("max_concurrent_streams", self.max_concurrent_streams as usize),
            ("max_connections", self.max_connections),
            ("max_header_list_bytes", self.max_header_list_bytes as usize),
        ];
        wrong.extend(above_zero.iter().filter(|(_, n)| *n == 0).map(|(key, _)| (*key, "must be above 0".to_owned())));
        let times = [
            ("handshake_timeout", Some(self.handshake_timeout)),
            ("header_timeout", Some(self.header_timeout)),
            ("keepalive_timeout", Some(self.keepalive_timeout)),
            ("max_connection_age", self.max_connection_age),
        ];
        let zero = times.iter().filter(|(_, time)| time.is_some_and(|time| time.is_zero()));
        wrong.extend(zero.map(|(key, _)| (*key, "must be longer than 0s".to_owned())));
        wrong
    }
}

/// `10.0.0.0/8`, or the one address `10.0.0.1`.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// `host:port`, where the host is a name, an IPv4 address, or an IPv6 address in brackets.
fn address(text: &str) -> Result<(&str, u16), String> {
    let malformed =
        || format!("\"{text}\" is no address; write host:port, such as \"127.0.0.1:8000\" or \"[::]:50051\"");
    let (host, port) = text.rsplit_once(':').ok_or_else(malformed)?;
    let port = port.parse().map_err(|_| malformed())?;
    let named = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    // A name made of digits and dots only is a mistyped IPv4 address, not a name to look up.
    let digits = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if text.parse::<SocketAddr>().is_ok() || (named && !digits) { Ok((host, port)) } else { Err(malformed()) }
}

/// Two listeners cannot share a port on the same address, nor when one listens on every address.
fn clash((host, port): (&str, u16), (other_host, other_port): (&str, u16)) -> bool {
    let everywhere = |host: &str| matches!(host, "[::]" | "0.0.0.0");
    port != 0 && port == other_port && (host == other_host || everywhere(host) || everywhere(other_host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(change: impl FnOnce(&mut Config)) -> Vec<&'static str> {
        let mut config = Config::default();
        change(&mut config);
        config.validate().into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Config::default().validate(), []);
    }

    #[test]
    fn proxies_are_networks_or_addresses() {
        let told = |text: &str| wrong(|c| c.trusted_proxies = vec!["10.0.0.1".to_owned(), text.to_owned()]);
        for good in ["10.0.0.0/8", "::1", "2001:db8::/32"] {
            assert_eq!(told(good), [""; 0], "{good}");
        }
        for bad in ["", "proxy.internal", "10.0.0.0/33", "10.0.0.1:80", "*"] {
            assert_eq!(told(bad), ["trusted_proxies"], "{bad}");
        }
    }

    #[test]
    fn addresses_are_checked() {
        for good in ["[::1]:0", "0.0.0.0:50051", "localhost:50051", "grpc.internal:50051"] {
            assert_eq!(wrong(|c| c.grpc = good.to_owned()), [""; 0], "{good}");
        }
        for bad in [
            "",
            "50051",
            ":50051",
            "localhost",
            "localhost:",
            "localhost:70000",
            "::1:5",
            "300.1.1.1:5",
            "a b:5",
            "off",
        ] {
            assert_eq!(wrong(|c| c.grpc = bad.to_owned()), ["grpc"], "{bad}");
        }
        assert_eq!(wrong(|c| c.http = "off".to_owned()), [""; 0]);
        assert_eq!(wrong(|c| c.http = "none".to_owned()), ["http"]);
    }

    #[test]
    fn one_port_is_not_given_twice() {
        assert_eq!(wrong(|c| c.http = "127.0.0.1:50051".to_owned()), ["http"]);
        assert_eq!(wrong(|c| (c.grpc, c.http) = ("10.0.0.1:80".to_owned(), "10.0.0.2:80".to_owned())), [""; 0]);
        assert_eq!(wrong(|c| (c.grpc, c.http) = ("[::1]:0".to_owned(), "[::1]:0".to_owned())), [""; 0]);
    }

    #[test]
    fn sizes_and_times_of_zero_are_refused() {
        assert_eq!(wrong(|c| c.max_concurrent_streams = 0), ["max_concurrent_streams"]);
        assert_eq!(wrong(|c| c.header_timeout = Duration::ZERO), ["header_timeout"]);
        assert_eq!(wrong(|c| c.max_connection_age = Some(Duration::ZERO)), ["max_connection_age"]);
        assert_eq!(wrong(|c| c.keepalive_interval = Duration::ZERO), [""; 0]);
    }
}
