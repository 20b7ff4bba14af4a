//! Names of channels with places to fill in: `crypto:{client_id}:updates`.
//!
//! Levels are separated by `:`. A `#` would make Centrifugo take the rest for a list of users and refuse everybody else.
//! What is filled in is escaped, so that a client's name cannot make another level, namespace or client's channel of it.
//!
//! Must never: let two values make one channel.

use std::fmt::Write as _;

/// A channel's name with places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    /// Which of the values.
    Place(usize),
}

impl Pattern {
    /// Reads a pattern that may have `places`, each written `{name}`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(pattern: &str, places: &[&str]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some((text, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err("has a { without its }".to_owned());
            };
            let Some(at) = places.iter().position(|place| *place == name) else {
                let known: Vec<_> = places.iter().map(|place| format!("{{{place}}}")).collect();
                return Err(format!("has {{{name}}}; what can be filled in is {}", known.join(", ")));
            };
            parts.push(Part::Text(plain(text)?.into()));
            parts.push(Part::Place(at));
            rest = after;
        }
        parts.push(Part::Text(plain(rest)?.into()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        if parts.is_empty() {
            return Err("may not be empty".to_owned());
        }
        if pattern.split(':').any(str::is_empty) {
            return Err("has an empty level; write it as crypto:{client_id}:updates".to_owned());
        }
        Ok(Self(parts))
    }

    /// The channel with these values, in the order of the places.
    pub fn fill(&self, values: &[&str]) -> String {
        let mut channel = String::with_capacity(64);
        for part in &self.0 {
            match part {
                Part::Text(text) => channel.push_str(text),
                Part::Place(at) => escape(values.get(*at).copied().unwrap_or_default(), &mut channel),
            }
        }
        channel
    }
}

fn plain(text: &str) -> Result<&str, String> {
    match text.chars().find(|letter| !letter.is_ascii_graphic() || "#&}".contains(*letter)) {
        Some('#') => Err("has a #, which limits a channel to the users after it; separate levels with :".to_owned()),
        Some('&') => Err("has a &, which limits a channel to one connection; separate levels with :".to_owned()),
        Some('}') => Err("has a } without its {".to_owned()),
        Some(_) => Err("must be plain ASCII without spaces".to_owned()),
        None => Ok(text),
    }
}

fn escape(value: &str, channel: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~@".contains(&byte) {
            channel.push(byte as char);
        } else {
            // Writing to a String does not fail.
            let _ = write!(channel, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_filled_in() {
        let pattern = Pattern::of("crypto:{client_id}:updates", &["client_id"]).unwrap();
        assert_eq!(pattern.fill(&["wallet-7"]), "crypto:wallet-7:updates");
        assert_eq!(pattern.fill(&["a:b#c$ü"]), "crypto:a%3Ab%23c%24%C3%BC:updates");
        assert_eq!(Pattern::of("crypto:all", &[]).unwrap().fill(&[]), "crypto:all");
        let both = Pattern::of("{b}:{a}", &["a", "b"]).unwrap();
        assert_eq!(both.fill(&["1", "2"]), "2:1");
    }

    #[test]
    fn what_cannot_be_a_channel_is_refused() {
        for bad in ["", "a#b", "a&b", "a b", "ä", "a::b", ":a", "a:", "{", "a}b", "{x}", "{client_id", "a\nb"] {
            assert!(Pattern::of(bad, &["client_id"]).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn two_values_never_make_one_channel(one in ".{0,16}", other in ".{0,16}") {
            let pattern = Pattern::of("crypto:{client_id}:updates", &["client_id"]).unwrap();
            let (a, b) = (pattern.fill(&[&one]), pattern.fill(&[&other]));
            prop_assert_eq!(a == b, one == other);
            prop_assert_eq!(a.matches(':').count(), 2);
            prop_assert!(!a.contains('#'));
        }
    }
}
