//! PBKDF2, Django's default: `pbkdf2_sha256$1000000$salt$hash`.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use pbkdf2::{Algorithm, Params, pbkdf2_hmac, pbkdf2_hmac_with_params};
use sha1::Sha1;
use sha2::Sha256;

use super::{
    format::{number, same},
    random,
};

/// `django.contrib.auth.hashers.PBKDF2PasswordHasher.iterations` of Django 5.2.
const CURRENT: u32 = 1_000_000;
/// A few seconds of one core.
const MOST: u32 = 10_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Digest {
    Sha1,
    Sha256,
}

/// One hash, taken apart.
pub(super) struct Pbkdf2<'a> {
    digest: Digest,
    iterations: u32,
    salt: &'a str,
    hash: Vec<u8>,
}

/// Hashes a password with the parameters of today.
pub(super) fn make(password: &str, salt: &str) -> String {
    let mut hash = [0; Digest::Sha256.length()];
    Digest::Sha256.run(password, salt, CURRENT, &mut hash);
    format!("pbkdf2_sha256${CURRENT}${salt}${}", BASE64.encode(hash))
}

impl<'a> Pbkdf2<'a> {
    /// Reads what follows `pbkdf2_sha256$` or `pbkdf2_sha1$`.
    pub fn read(algorithm: &str, text: &'a str) -> Option<Self> {
        let digest = if algorithm == "pbkdf2_sha1" { Digest::Sha1 } else { Digest::Sha256 };
        let parts: Vec<_> = text.split('$').collect();
        let [iterations, salt, hash] = parts[..] else { return None };
        let (iterations, hash) = (number(iterations, MOST)?, BASE64.decode(hash).ok()?);
        (!salt.is_empty() && hash.len() == digest.length()).then_some(Self { digest, iterations, salt, hash })
    }

    /// Whether this is the password.
    pub fn matches(&self, password: &str) -> bool {
        let mut hash = vec![0; self.hash.len()];
        self.digest.run(password, self.salt, self.iterations, &mut hash);
        same(&hash, &self.hash)
    }

    /// Whether it is what [`make`] writes.
    pub fn is_current(&self) -> bool {
        self.digest == Digest::Sha256 && self.iterations == CURRENT && self.salt.len() >= random::SALT
    }

    /// The iterations that a hash of today has more.
    pub fn harden(&self, password: &str) {
        let more = CURRENT.saturating_sub(self.iterations);
        if self.digest == Digest::Sha256 && more > 0 {
            self.digest.run(password, self.salt, more, &mut [0; Digest::Sha256.length()]);
        }
    }
}

impl Digest {
    const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn run(self, password: &str, salt: &str, iterations: u32, into: &mut [u8]) {
        let (password, salt) = (password.as_bytes(), salt.as_bytes());
        match (self, Params::new(iterations)) {
            (Self::Sha1, _) => pbkdf2_hmac::<Sha1>(password, salt, iterations, into),
            // Not generic, so compiled there, and optimised in development too: twenty seconds become half of one.
            (Self::Sha256, Ok(params)) => {
                pbkdf2_hmac_with_params(password, salt, Algorithm::Pbkdf2Sha256, params, into);
            }
            // So few that it does not matter.
            (Self::Sha256, Err(_)) => pbkdf2_hmac::<Sha256>(password, salt, iterations, into),
        }
    }
}
