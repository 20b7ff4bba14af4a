//! Names of services, clients and labels, and the subjects they make on the broker.
//!
//! A name that is a pattern there (`*`, `>`) would hear every client's commands, one of 5,000 bytes makes the broker close
//! the connection again and again: so names are checked before anything is done with them, and every byte that is not
//! plain becomes `%XX`. A client, a label and "all" have levels of their own, so that no client can be called `all`.
//!
//! Must never: let two names make one subject.

use std::fmt::Write as _;

use crate::error::{Error, Result};

/// Longest name of a client or label, in bytes.
pub const LONGEST_NAME: usize = 64;
/// Longest name of a service: a proto's full name.
const LONGEST_SERVICE: usize = 128;
/// Most labels of one client.
pub const MOST_LABELS: usize = 16;

/// Whom a publication is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Audience<'n> {
    All,
    Label(&'n str),
}

/// Checks everything that a registration names.
pub(super) fn check(service: &str, id: &str, labels: &[&str]) -> Result<()> {
    check_service(service)?;
    check_name("client_id", id)?;
    if labels.len() > MOST_LABELS {
        return Err(Error::invalid("labels", format!("may be at most {MOST_LABELS}")));
    }
    labels.iter().try_for_each(|label| check_name("label", label))
}

/// Checks the name of a client or a label.
pub(super) fn check_name(field: &str, name: &str) -> Result<()> {
    match name.len() {
        0 => Err(Error::invalid(field, "may not be empty")),
        1..=LONGEST_NAME => Ok(()),
        _ => Err(Error::invalid(field, format!("may have at most {LONGEST_NAME} bytes"))),
    }
}

/// Checks the name of a service: a proto's full name, as `crypto.CryptoStreamingService`.
pub(crate) fn check_service(service: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits =
        service.len() <= LONGEST_SERVICE && service.split('.').all(|part| !part.is_empty() && part.bytes().all(plain));
    if fits { Ok(()) } else { Err(Error::invalid("service", "must be a name such as crypto.CryptoService")) }
}

/// The subjects of one site.
#[derive(Debug, Clone)]
pub(super) struct Subjects {
    site: Box<str>,
}

impl Subjects {
    pub fn of(site: &str) -> Self {
        Self { site: site.into() }
    }

    pub fn client(&self, service: &str, id: &str) -> String {
        let mut subject = self.service(service);
        subject.push_str(".c.");
        encode(id, &mut subject);
        subject
    }

    pub fn audience(&self, service: &str, audience: Audience<'_>) -> String {
        let mut subject = self.service(service);
        match audience {
            Audience::All => subject.push_str(".all"),
            Audience::Label(label) => {
                subject.push_str(".g.");
                encode(label, &mut subject);
            }
        }
        subject
    }

    /// A subject of one process, to try the broker's rights with. No service can be called so.
    pub fn probe(&self, node: &str) -> String {
        format!("steeple.{}.-probe.{node}", self.site)
    }

    /// What a service's name is on the broker: proto names have no `-`.
    fn service(&self, service: &str) -> String {
        let mut subject = String::with_capacity(64);
        subject.push_str("steeple.");
        subject.push_str(&self.site);
        subject.push('.');
        subject.extend(service.chars().map(|letter| if letter == '.' { '-' } else { letter }));
        subject
    }
}

/// One level of a subject for any name.
fn encode(name: &str, subject: &mut String) {
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~:@".contains(&byte) {
            subject.push(byte as char);
        } else {
            // Writing to a String does not fail.
            let _ = write!(subject, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn subjects_have_levels_of_their_own() {
        let subjects = Subjects::of("shop");
        let service = "crypto.v1.Streaming";
        assert_eq!(subjects.client(service, "all"), "steeple.shop.crypto-v1-Streaming.c.all");
        assert_eq!(subjects.client(service, "a.b*>"), "steeple.shop.crypto-v1-Streaming.c.a%2Eb%2A%3E");
        assert_eq!(subjects.audience(service, Audience::All), "steeple.shop.crypto-v1-Streaming.all");
        assert_eq!(subjects.audience(service, Audience::Label("eu")), "steeple.shop.crypto-v1-Streaming.g.eu");
    }

    #[test]
    fn names_that_cannot_be_one_are_refused() {
        for id in ["", &"x".repeat(65), &"ü".repeat(33), &"x".repeat(5_000)] {
            assert!(check("crypto", id, &[]).is_err(), "{id}");
        }
        for id in ["*", ">", "a.b", "$SYS", "ü", "\0", " ", &"x".repeat(64)] {
            assert!(check("crypto", id, &[id]).is_ok(), "{id}");
        }
        for service in ["", ".", "a.", "a b", "a-b", "*", ">", "a.>", &"x".repeat(129)] {
            assert!(check(service, "one", &[]).is_err(), "{service}");
        }
        assert!(check("crypto", "one", &["x"; 17]).is_err());
        assert!(check("crypto", "one", &[""]).is_err());
    }

    proptest! {
        #[test]
        fn two_names_never_make_one_subject(one in ".{1,16}", other in ".{1,16}") {
            let subjects = Subjects::of("site");
            let (a, b) = (subjects.client("s", &one), subjects.client("s", &other));
            prop_assert_eq!(a == b, one == other);
            // Five levels, whatever the name, and no pattern among them.
            prop_assert_eq!(a.split('.').count(), 5);
            prop_assert!(a.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*' && byte != b'>'));
        }
    }
}
