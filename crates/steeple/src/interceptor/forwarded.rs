//! Who the client is, when proxies stand between.
//!
//! Takes the address at the other end of a connection and the headers of a request; gives the address of the client. A proxy
//! that is trusted (`server.trusted_proxies`) has written who connected to it at the end of `x-forwarded-for`, as nginx,
//! Envoy and HAProxy do; what stands before that is what the client claims. So the list is read from its end, and the
//! first address that is no trusted proxy's is the client's.
//!
//! Must never: believe the header when the other end is not trusted, or fail for what it says.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

const HEADER: &str = "x-forwarded-for";

/// The proxies that are believed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies(Box<[IpNet]>);

impl Proxies {
    /// Those in these networks.
    pub fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    /// The client of a request that came from `peer`. Behind a proxy its port is not known, and 0.
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        if self.0.is_empty() || !self.trusts(peer.ip()) {
            return peer;
        }
        let mut client = peer;
        // Several lines are one list (RFC 9110 section 5.3).
        for line in headers.get_all(HEADER).iter().rev() {
            for text in line.to_str().unwrap_or_default().rsplit(',') {
                // Garbage was not written by a trusted proxy, and what stands before it even less so.
                let Some(address) = address(text.trim()) else { return client };
                client = SocketAddr::new(address, 0);
                if !self.trusts(address) {
                    return client;
                }
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// `192.0.2.1`, `2001:db8::1`, and with a port, which some proxies add.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HEADER, line.parse().unwrap());
        }
        Proxies::new(&trusted).client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(client("192.0.2.9:7", &["203.0.113.1"]), "192.0.2.9:7");
        assert_eq!(client("192.0.2.9:7", &[]), "192.0.2.9:7");
    }

    #[test]
    fn the_client_is_the_last_that_is_no_proxy() {
        assert_eq!(client("10.1.2.3:7", &["203.0.113.1"]), "203.0.113.1:0");
        assert_eq!(client("10.1.2.3:7", &["8.8.8.8, 203.0.113.1, 10.9.9.9"]), "203.0.113.1:0", "the first is a claim");
        assert_eq!(client("10.1.2.3:7", &["8.8.8.8", "203.0.113.1,10.9.9.9"]), "203.0.113.1:0", "lines are one list");
        assert_eq!(client("[::ffff:10.1.2.3]:7", &["2001:db8::1"]), "[2001:db8::1]:0");
        assert_eq!(client("[::1]:7", &["203.0.113.1:4711"]), "203.0.113.1:0");
    }

    #[test]
    fn without_a_client_it_is_the_last_proxy_that_is_known() {
        assert_eq!(client("10.1.2.3:7", &[]), "10.1.2.3:7");
        assert_eq!(client("10.1.2.3:7", &["10.0.0.9"]), "10.0.0.9:0");
        assert_eq!(client("10.1.2.3:7", &["8.8.8.8, unknown, 10.0.0.9"]), "10.0.0.9:0");
        assert_eq!(client("10.1.2.3:7", &[""]), "10.1.2.3:7");
    }
}
