//! The text of a key: `stp_` + public prefix + `_` + secret, as `stp_k3Qz81Lm_…`.
//!
//! The prefix (8 letters and digits, the first a letter) names the key in lists, logs and commands; the secret (32 letters
//! and digits, 190 random bits) is seen once, when the key is made. The database has the prefix and the SHA-256 of the
//! whole text: a secret this long needs no slow hash.
//!
//! Must never: show the secret, or compare it in a time that tells how much of it was right.

use std::{borrow::Cow, fmt};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::error::{Error, Result};

/// What every key begins with, so that a key in a log or a repository is recognised for what it is.
const MARK: &str = "stp_";
const PREFIX: usize = 8;
const SECRET: usize = 32;
const LENGTH: usize = MARK.len() + PREFIX + 1 + SECRET;
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The text of a key, well formed: one just made, or one that a caller presents. Shows no more than its prefix.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText<'a>(Cow<'a, str>);

impl<'a> KeyText<'a> {
    /// A new one, from the system's random numbers.
    ///
    /// # Errors
    /// INTERNAL: the system has none.
    pub(super) fn random() -> Result<KeyText<'static>> {
        let prefix = letters::<PREFIX>()?;
        let secret = letters::<SECRET>()?;
        Ok(KeyText(Cow::Owned(format!("{MARK}{prefix}_{secret}"))))
    }

    /// The text, if it has the form of a key.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (prefix, secret) = text.strip_prefix(MARK)?.split_at_checked(PREFIX)?;
        let secret = secret.strip_prefix('_')?;
        let formed = text.len() == LENGTH
            && prefix.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && prefix.bytes().chain(secret.bytes()).all(|letter| letter.is_ascii_alphanumeric());
        formed.then_some(Self(Cow::Borrowed(text)))
    }

    /// The public part.
    pub fn prefix(&self) -> Prefix {
        let mut prefix = [0; PREFIX];
        prefix.copy_from_slice(&self.0.as_bytes()[MARK.len()..MARK.len() + PREFIX]);
        Prefix(prefix)
    }

    /// What the database keeps of the whole.
    pub(super) fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// The whole text, to hand it to its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MARK}{}_***", self.prefix())
    }
}

/// The public part of a key: it names the key and opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix([u8; PREFIX]);

impl Prefix {
    /// The prefix, if it has the form of one, with `stp_` in front or without.
    pub(super) fn read(text: &str) -> Option<Self> {
        let bare = text.strip_prefix(MARK).unwrap_or(text);
        let formed = bare.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && bare.bytes().all(|letter| letter.is_ascii_alphanumeric());
        Some(Self(bare.as_bytes().try_into().ok().filter(|_| formed)?))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The SHA-256 of a text, which is all that is kept of a secret.
#[derive(Clone, Copy)]
pub(in crate::auth) struct Digest([u8; 32]);

impl Digest {
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// As the database has it: 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(64), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// The digest that the database has.
    pub fn read(hex: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if hex.len() != 2 * bytes.len() || !hex.is_ascii() {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Whether both are of the same text, in a time that does not depend on where they differ.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// So many random letters and digits, the first a letter, each as likely as any other.
fn letters<const N: usize>() -> Result<String> {
    let mut text = String::with_capacity(N);
    let mut bytes = [0; 64];
    while text.len() < N {
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::internal("the system has no random numbers").because(error.to_string()))?;
        // 62 does not divide 256: what is beyond the largest multiple is thrown away, or some letters would be likelier.
        let (begun, lacks) = (!text.is_empty(), N - text.len());
        let even = bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(LETTERS[usize::from(byte % 62)]));
        text.extend(even.skip_while(|letter| !begun && letter.is_ascii_digit()).take(lacks));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_key_has_the_form_of_one_and_no_two_are_alike() {
        let keys: Vec<_> = (0..500).map(|_| KeyText::random().unwrap()).collect();
        for key in &keys {
            assert_eq!(KeyText::read(key.expose()).as_ref(), Some(key));
            assert_eq!(Prefix::read(&key.prefix().to_string()), Some(key.prefix()));
            assert_eq!(Prefix::read(&format!("stp_{}", key.prefix())), Some(key.prefix()));
        }
        let prefixes: std::collections::HashSet<_> = keys.iter().map(KeyText::prefix).collect();
        assert_eq!(prefixes.len(), keys.len());
    }

    #[test]
    fn its_debug_shows_the_prefix_only() {
        let key = KeyText::random().unwrap();
        assert_eq!(format!("{key:?}"), format!("stp_{}_***", key.prefix()));
    }

    #[test]
    fn what_has_not_the_form_is_refused() {
        let good = KeyText::random().unwrap();
        let good = good.expose();
        let wrong = [
            String::new(),
            good[1..].to_owned(),
            good[..good.len() - 1].to_owned(),
            format!("{good}x"),
            format!(" {good}"),
            good.replacen("stp_", "stq_", 1),
            good.to_uppercase(),
            format!("stp_1{}", &good[5..]),
            format!("{}é", &good[..good.len() - 2]),
            format!("{}\0", &good[..good.len() - 1]),
            "stp_".repeat(1_000_000),
        ];
        for text in wrong {
            assert!(KeyText::read(&text).is_none(), "{}", &text[..text.len().min(60)]);
        }
    }

    #[test]
    fn a_digest_reads_as_it_shows_and_knows_its_own() {
        let (one, other) = (Digest::of("abc"), Digest::of("abd"));
        // FIPS 180-2, appendix B.1
        assert_eq!(one.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(Digest::read(&one.hex()).unwrap().is(&one));
        assert!(!one.is(&other));
        for wrong in ["", "ba78", &"g".repeat(64), &"é".repeat(32), &"+1".repeat(32)] {
            assert!(Digest::read(wrong).is_none_or(|digest| !digest.is(&one)), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            prop_assert_eq!(KeyText::read(&text).is_some(), false);
            let _ = Prefix::read(&text);
        }

        #[test]
        fn what_is_read_is_what_was_given(text in "stp_[A-Za-z][A-Za-z0-9]{7}_[A-Za-z0-9]{32}") {
            let read = KeyText::read(&text);
            prop_assert_eq!(read.as_ref().map(KeyText::expose), Some(text.as_str()));
        }
    }
}
