//! Passwords, hashed in Django's formats: either side reads what the other wrote.
//!
//! | written as | by | read | written here |
//! |---|---|---|---|
//! | `argon2$argon2id$v=19$m=…,t=…,p=…$salt$hash` | [`Hasher::Argon2`] | yes (argon2i too) | with Django's parameters |
//! | `pbkdf2_sha256$iterations$salt$hash` | [`Hasher::Pbkdf2Sha256`], Django's default | yes | with Django 5.2's iterations |
//! | `pbkdf2_sha1$…`, `scrypt$…`, `bcrypt_sha256$$2b$…`, `bcrypt$$2b$…` | Django | yes | no |
//! | `!…` | either, for users who may not log in by password | as "no password" | yes |
//!
//! A hash is made and checked on a thread of its own, a few at once (`checks.rs`). One that would eat the machine, because
//! of its memory or its iterations, is taken as not matching.
//!
//! Must never: show a password or a hash, compare in a time that depends on either, or run on the threads of the runtime.

mod argon2;
mod bcrypt;
mod checks;
mod format;
mod pbkdf2;
mod random;
mod scrypt;
mod weakness;

use std::fmt;

use sea_orm::DeriveValueType;

pub(super) use self::checks::Checks;
use self::format::Format;
pub(super) use self::random::text as random_text;
pub use self::weakness::{Weakness, weaknesses};
use super::Hasher;
use crate::error::{Error, Result};

/// The longest password in bytes; longer ones are refused before any work is done for them.
pub const LONGEST: usize = 4096;

/// Django's mark of a password that no text matches.
const UNUSABLE: &str = "!";

/// A password as `auth_user.password` keeps it: algorithm, parameters, salt and hash.
#[derive(Clone, PartialEq, Eq, DeriveValueType)]
pub struct Encoded(String);

impl Encoded {
    /// Hashes a password. Takes a tenth of a second and more: not for the threads of the runtime.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a password that is empty or longer than [`LONGEST`]; INTERNAL when the system gives no
    /// random bytes or no memory.
    pub fn make(password: &str, hasher: Hasher) -> Result<Self> {
        if password.is_empty() {
            return Err(Error::invalid("password", "may not be empty"));
        }
        if password.len() > LONGEST {
            return Err(Error::invalid("password", format!("must have at most {LONGEST} bytes")));
        }
        let salt = random::text(random::SALT)?;
        match hasher {
            Hasher::Argon2 => argon2::make(password, &salt),
            Hasher::Pbkdf2Sha256 => Ok(pbkdf2::make(password, &salt)),
        }
        .map(Self)
    }

    /// What no password matches: for users who may not log in by password.
    ///
    /// # Errors
    /// INTERNAL when the system gives no random bytes.
    pub fn unusable() -> Result<Self> {
        Ok(Self(format!("{UNUSABLE}{}", random::text(40)?)))
    }

    /// As the table has it. A secret.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Some password matches it, as far as can be told: it is not marked as unusable.
    pub fn is_usable(&self) -> bool {
        !self.0.starts_with(UNUSABLE)
    }

    /// Whether this is the password. `None`: nothing was computed, because no password can match (unusable, of no known
    /// format, or with parameters out of bounds). Slow, as [`make`](Self::make).
    pub fn check(&self, password: &str) -> Option<bool> {
        if !self.is_usable() || password.len() > LONGEST {
            return None;
        }
        Format::read(&self.0)?.matches(password)
    }

    /// Whether it is not what `hasher` would write today: another algorithm, other parameters, or a short salt.
    pub fn needs_upgrade(&self, hasher: Hasher) -> bool {
        !Format::read(&self.0).is_some_and(|format| format.is_of(hasher))
    }

    /// Does the work by which a wrong guess at this hash was cheaper than one at a hash of today, so that the time of a
    /// refusal does not tell which users have an old one. Only iterations can be added; see `harden_runtime` in Django.
    fn harden(&self, password: &str, hasher: Hasher) {
        if let (Some(Format::Pbkdf2(old)), Hasher::Pbkdf2Sha256) = (Format::read(&self.0), hasher) {
            old.harden(password);
        }
    }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a check found.
pub(super) enum Verdict {
    Wrong,
    /// Right, and the hash that should replace the old one, if one should.
    Right(Option<Encoded>),
}

/// Checks a password against what is kept of it; without anything kept (no such user), or when nothing can match, the
/// same work is done for nothing. `upgrade`: make a hash of today in place of an older one. Slow.
pub(super) fn verify(password: &str, kept: Option<&Encoded>, hasher: Hasher, upgrade: bool) -> Result<Verdict> {
    let matches = kept.and_then(|kept| kept.check(password));
    match (matches, kept) {
        (Some(true), Some(kept)) => {
            let old = upgrade && kept.needs_upgrade(hasher);
            Ok(Verdict::Right(old.then(|| Encoded::make(password, hasher)).transpose()?))
        }
        (Some(_), Some(kept)) => {
            kept.harden(password, hasher);
            Ok(Verdict::Wrong)
        }
        _ => {
            Encoded::make(password, hasher)?;
            Ok(Verdict::Wrong)
        }
    }
}

#[cfg(test)]
mod tests;
