//! Which of the formats a hash is in.

use subtle::ConstantTimeEq as _;

use super::{argon2::Argon2, bcrypt::Bcrypt, pbkdf2::Pbkdf2, scrypt::Scrypt};
use crate::auth::Hasher;

/// A hash, taken apart; everything in it is within bounds.
pub(super) enum Format<'a> {
    Argon2(Argon2),
    Pbkdf2(Pbkdf2<'a>),
    Scrypt(Scrypt<'a>),
    Bcrypt(Bcrypt<'a>),
}

impl<'a> Format<'a> {
    /// `None`: of no known format, malformed, or more than this machine should do for one password.
    pub fn read(text: &'a str) -> Option<Self> {
        let (algorithm, rest) = text.split_once('$')?;
        match algorithm {
            "argon2" => Argon2::read(rest).map(Self::Argon2),
            "pbkdf2_sha256" | "pbkdf2_sha1" => Pbkdf2::read(algorithm, rest).map(Self::Pbkdf2),
            "scrypt" => Scrypt::read(rest).map(Self::Scrypt),
            "bcrypt_sha256" | "bcrypt" => Bcrypt::read(algorithm, rest).map(Self::Bcrypt),
            _ => None,
        }
    }

    /// Whether this is the password; `None` when the machine could not do the work.
    pub fn matches(&self, password: &str) -> Option<bool> {
        match self {
            Self::Argon2(hash) => hash.matches(password),
            Self::Pbkdf2(hash) => Some(hash.matches(password)),
            Self::Scrypt(hash) => hash.matches(password),
            Self::Bcrypt(hash) => hash.matches(password),
        }
    }

    /// Whether `hasher` would write it so today.
    pub fn is_of(&self, hasher: Hasher) -> bool {
        match (self, hasher) {
            (Self::Argon2(hash), Hasher::Argon2) => hash.is_current(),
            (Self::Pbkdf2(hash), Hasher::Pbkdf2Sha256) => hash.is_current(),
            _ => false,
        }
    }
}

/// Whether two hashes are the same, in a time that depends on their length alone.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// A whole number as Django writes it, no larger than `most`.
pub(super) fn number(text: &str, most: u32) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && (1..=most).contains(number))
}
