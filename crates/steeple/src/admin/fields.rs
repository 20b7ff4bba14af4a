//! Names with values, as an address or a form has them.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may stand in an address as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Names with values, in their order; a name may be there more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `a=1&b=2`.
    pub fn read(text: &[u8]) -> Self {
        form_urlencoded::parse(text).into_owned().collect()
    }

    /// The first value of this name; empty without one.
    pub fn get(&self, name: &str) -> &str {
        self.given(name).unwrap_or_default()
    }

    /// The first value of this name.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of this name.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All of them.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first value of each name, for a template.
    pub fn values(&self) -> BTreeMap<String, String> {
        self.0.iter().rev().cloned().collect()
    }

    /// The same with another value of this name, or, when that is empty, without it.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut pairs: Vec<_> = self.0.iter().filter(|(known, _)| known != name).cloned().collect();
        if !value.is_empty() {
            pairs.push((name.to_owned(), value.to_owned()));
        }
        Self(pairs)
    }

    /// As it stands behind the question mark of an address.
    pub fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(self.pairs()).finish()
    }

    /// An address with these behind it.
    pub fn at(&self, path: &str) -> String {
        if self.0.is_empty() { path.to_owned() } else { format!("{path}?{}", self.to_query()) }
    }
}

impl FromIterator<(String, String)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// A text as a part of an address.
pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let fields = Fields::read(b"a=1+2&b=%3Cx%3E%26&a=&c");
        assert_eq!(
            (fields.get("a"), fields.get("b"), fields.given("c"), fields.given("d")),
            ("1 2", "<x>&", Some(""), None)
        );
        assert_eq!(fields.all("a").collect::<Vec<_>>(), ["1 2", ""]);
        assert_eq!(Fields::read(fields.to_query().as_bytes()), fields);
        assert_eq!(fields.with("a", "3").with("b", "").at("/x"), "/x?c=&a=3");
        assert_eq!(Fields::default().at("/x"), "/x");
    }
}
