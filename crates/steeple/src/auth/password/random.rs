//! Random text, for salts and for passwords that nobody chose.

use crate::error::{Error, Result};

/// Letters of a salt: with 62 to choose from, what Django takes for 128 bits.
pub(super) const SALT: usize = 22;

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// So many random letters and digits, each equally likely.
pub(in crate::auth) fn text(length: usize) -> Result<String> {
    let mut text = String::with_capacity(length);
    let mut bytes = [0; 64];
    while text.len() < length {
        getrandom::fill(&mut bytes).map_err(|error| Error::internal("internal error").because(error))?;
        // 248 is the largest multiple of 62 in a byte: above it some letters would come more often.
        let letters = bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(LETTERS[usize::from(byte % 62)]));
        text.extend(letters.take(length - text.len()));
    }
    Ok(text)
}
