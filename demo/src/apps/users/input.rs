//! Reads the fields of requests, within the limits of this app's columns.

use steeple::{Error, Result};

pub use crate::input::id;

/// Longest text about oneself, in characters: the width of its column.
const BIO: usize = 1_000;

/// What a user tells of themselves: lines of text, or nothing.
pub fn bio(bio: &str) -> Result<&str> {
    if bio.chars().count() > BIO {
        return Err(Error::invalid("bio", format!("may have {BIO} characters at most")));
    }
    if bio.chars().any(|letter| letter.is_control() && letter != '\n') {
        return Err(Error::invalid("bio", "may not contain control characters"));
    }
    Ok(bio)
}
