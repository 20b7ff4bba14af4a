//! bcrypt, as Django writes it: `bcrypt_sha256$$2b$12$salt+hash`, and without SHA-256 before it. Read only.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Each more doubles the work; Django's is 12.
const MOST: u32 = 15;

/// One hash, taken apart.
pub(super) struct Bcrypt<'a> {
    /// The password is hashed before, so that bcrypt sees all of it: it looks at 72 bytes.
    sha256: bool,
    hash: &'a str,
}

impl<'a> Bcrypt<'a> {
    /// Reads what follows `bcrypt_sha256$` or `bcrypt$`.
    pub fn read(algorithm: &str, hash: &'a str) -> Option<Self> {
        let parsed: bcrypt::HashParts = hash.parse().ok()?;
        // 2x is the name of hashes by a faulty crypt_blowfish, which this is not.
        (parsed.get_cost() <= MOST && !hash.starts_with("$2x$"))
            .then_some(Self { sha256: algorithm == "bcrypt_sha256", hash })
    }

    /// Whether this is the password.
    pub fn matches(&self, password: &str) -> Option<bool> {
        if !self.sha256 {
            return bcrypt::verify(password, self.hash).ok();
        }
        let hex = Sha256::digest(password).iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        bcrypt::verify(hex, self.hash).ok()
    }
}
