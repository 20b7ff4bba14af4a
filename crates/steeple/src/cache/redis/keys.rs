//! The names of things in Redis.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What of a prefix stands as it is. Neither `:` nor `!`, which end it: no prefix is the beginning of another one's keys.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// The names of one site's keys.
#[derive(Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: utf8_percent_encode(prefix, ENCODED).to_string() }
    }

    pub fn value(&self, key: &str) -> String {
        format!("{}:{key}", self.prefix)
    }

    pub fn lease(&self, key: &str) -> String {
        format!("{}!{key}", self.prefix)
    }

    /// Of no value and no lease: no key is empty.
    pub fn probe(&self) -> String {
        format!("{}!", self.prefix)
    }

    /// The pattern of all values whose key begins so.
    pub fn values(&self, prefix: &str) -> Vec<u8> {
        begins_with(&self.value(prefix))
    }

    /// The pattern of their leases.
    pub fn leases(&self, prefix: &str) -> Vec<u8> {
        begins_with(&self.lease(prefix))
    }
}

/// A pattern of Redis for all that begins with `text` as it is.
fn begins_with(text: &str) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(text.len() + 1);
    for byte in text.bytes() {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'^' | b'\\') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_site_reaches_into_another() {
        let (a, b) = (Keys::new("a"), Keys::new("a:b"));
        assert_eq!((a.value("b:c").as_str(), b.value("c").as_str()), ("a:b:c", "a%3Ab:c"));
        assert_ne!(a.value("!x"), Keys::new("a!").value("x"));
        assert_eq!(a.values("co*n:[1]"), b"a:co\\*n:\\[1\\]*");
        assert_eq!(a.leases(""), b"a!*");
    }
}
