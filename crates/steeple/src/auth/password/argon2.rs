//! Argon2, as Django writes it with argon2-cffi: `argon2$argon2id$v=19$m=102400,t=2,p=8$salt$hash`.

use argon2::{Algorithm, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};

use super::{
    format::{number, same},
    random,
};
use crate::error::{Error, Result};

/// `django.contrib.auth.hashers.Argon2PasswordHasher`.
const CURRENT: Costs = Costs { memory: 102_400, passes: 2, lanes: 8 };
const HASH: usize = 32;

/// In KiB: half a GiB, because several checks run at once.
const MOST_MEMORY: u32 = 512 * 1024;
const MOST_PASSES: u32 = 32;
const MOST_LANES: u32 = 64;
/// Memory times passes: eight times what Django asks for.
const MOST_WORK: u32 = 8 * CURRENT.memory * CURRENT.passes;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Costs {
    /// In KiB.
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// One hash, taken apart.
pub(super) struct Argon2 {
    algorithm: Algorithm,
    version: Version,
    costs: Costs,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// Hashes a password with the parameters of today.
pub(super) fn make(password: &str, salt: &str) -> Result<String> {
    let Costs { memory, passes, lanes } = CURRENT;
    let mut hash = [0; HASH];
    run(Algorithm::Argon2id, Version::V0x13, CURRENT, password, salt.as_bytes(), &mut hash)
        .map_err(|error| Error::internal("internal error").because(error))?;
    let (salt, hash) = (BASE64.encode(salt), BASE64.encode(hash));
    Ok(format!("argon2$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}"))
}

fn run(
    algorithm: Algorithm,
    version: Version,
    costs: Costs,
    password: &str,
    salt: &[u8],
    into: &mut [u8],
) -> Result<(), argon2::Error> {
    let params = Params::new(costs.memory, costs.passes, costs.lanes, Some(into.len()))?;
    argon2::Argon2::new(algorithm, version, params).hash_password_into(password.as_bytes(), salt, into)
}

impl Argon2 {
    /// Reads what follows `argon2$`.
    pub fn read(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split('$').collect();
        let (variety, version, costs, salt, hash) = match parts[..] {
            [variety, version, costs, salt, hash] => (variety, version.strip_prefix("v=")?, costs, salt, hash),
            // Written before argon2 had versions.
            [variety, costs, salt, hash] => (variety, "16", costs, salt, hash),
            _ => return None,
        };
        let algorithm = match variety {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            _ => return None,
        };
        let version = match version {
            "19" => Version::V0x13,
            "16" => Version::V0x10,
            _ => return None,
        };
        let read = Self {
            algorithm,
            version,
            costs: Costs::read(costs)?,
            salt: BASE64.decode(salt).ok()?,
            hash: BASE64.decode(hash).ok()?,
        };
        // Shorter ones are guessed, longer ones are nobody's.
        ((8..=64).contains(&read.salt.len()) && (16..=64).contains(&read.hash.len())).then_some(read)
    }

    /// Whether this is the password; `None` when there is no memory to tell.
    pub fn matches(&self, password: &str) -> Option<bool> {
        let mut hash = vec![0; self.hash.len()];
        run(self.algorithm, self.version, self.costs, password, &self.salt, &mut hash).ok()?;
        Some(same(&hash, &self.hash))
    }

    /// Whether it is what [`make`] writes.
    pub fn is_current(&self) -> bool {
        (self.algorithm, self.version, self.costs) == (Algorithm::Argon2id, Version::V0x13, CURRENT)
            && self.hash.len() == HASH
            && self.salt.len() >= random::SALT
    }
}

impl Costs {
    /// Reads `m=102400,t=2,p=8`.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let memory = number(parts.next()?.strip_prefix("m=")?, MOST_MEMORY)?;
        let passes = number(parts.next()?.strip_prefix("t=")?, MOST_PASSES)?;
        let lanes = number(parts.next()?.strip_prefix("p=")?, MOST_LANES)?;
        (parts.next().is_none() && memory * passes <= MOST_WORK).then_some(Self { memory, passes, lanes })
    }
}
