//! scrypt, as Django writes it: `scrypt$16384$salt$8$5$hash`. Read only.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use scrypt::Params;

use super::format::{number, same};

const HASH: usize = 64;
/// In bytes.
const MOST_MEMORY: u64 = 512 << 20;
/// Rounds times block size times lanes: eight times what Django asks for (2^14, 8, 5).
const MOST_WORK: u64 = 8 * (1 << 14) * 8 * 5;

/// One hash, taken apart.
pub(super) struct Scrypt<'a> {
    params: Params,
    salt: &'a str,
    hash: Vec<u8>,
}

impl<'a> Scrypt<'a> {
    /// Reads what follows `scrypt$`.
    pub fn read(text: &'a str) -> Option<Self> {
        let parts: Vec<_> = text.split('$').collect();
        let [rounds, salt, block, lanes, hash] = parts[..] else { return None };
        let (rounds, block, lanes) = (number(rounds, 1 << 24)?, number(block, 1024)?, number(lanes, 1024)?);
        let [n, r, p] = [rounds, block, lanes].map(u64::from);
        if !rounds.is_power_of_two() || rounds < 2 || 128 * r * (n + p) > MOST_MEMORY || n * r * p > MOST_WORK {
            return None;
        }
        let params = Params::new(u8::try_from(rounds.ilog2()).ok()?, block, lanes).ok()?;
        let hash = BASE64.decode(hash).ok()?;
        (!salt.is_empty() && hash.len() == HASH).then_some(Self { params, salt, hash })
    }

    /// Whether this is the password.
    pub fn matches(&self, password: &str) -> Option<bool> {
        let mut hash = [0; HASH];
        scrypt::scrypt(password.as_bytes(), self.salt.as_bytes(), &self.params, &mut hash).ok()?;
        Some(same(&hash, &self.hash))
    }
}
