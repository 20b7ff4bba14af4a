//! Reads the fields of what agents send, within the limits of this app's columns.

use prost_types::Timestamp;
use steeple::{Error, Fixed, Result, clock::Time};

use crate::input::decimal;
pub use crate::{
    apps::crypto::input::{amount, symbol},
    input::text,
};

/// Longest text of a log line, an error or what comes with it, in bytes.
const PROSE: usize = 16 * 1024;

/// A text of one line that may be empty.
pub fn optional<'a>(field: &str, value: &'a str, limit: usize) -> Result<&'a str> {
    if value.trim().is_empty() { Ok("") } else { text(field, value, limit) }
}

/// A text of many lines that may be empty.
pub fn optional_prose<'a>(field: &str, value: &'a str) -> Result<&'a str> {
    if value.len() > PROSE {
        return Err(Error::invalid(field, format!("may have {PROSE} bytes at most")));
    }
    if value.contains('\0') {
        return Err(Error::invalid(field, "may not contain NUL"));
    }
    Ok(value)
}

/// A text of many lines.
pub fn prose<'a>(field: &str, value: &'a str) -> Result<&'a str> {
    if value.trim().is_empty() {
        return Err(Error::invalid(field, "may not be empty"));
    }
    optional_prose(field, value)
}

/// One of these words.
pub fn one_of(field: &str, value: &str, words: &[&'static str]) -> Result<&'static str> {
    words
        .iter()
        .copied()
        .find(|word| *word == value)
        .ok_or_else(|| Error::invalid(field, format!("must be one of {}", words.join(", "))))
}

/// What a wallet holds: nothing or more.
pub fn balance(field: &str, text: &str) -> Result<Fixed<8>> {
    let balance = decimal(field, text)?;
    if balance < Fixed::ZERO {
        return Err(Error::invalid(field, "may not be negative"));
    }
    Ok(balance)
}

/// A moment, cut to microseconds.
pub fn moment(moment: Timestamp) -> Result<Time> {
    let nanos = u32::try_from(moment.nanos).ok().map(|nanos| nanos - nanos % 1_000);
    let time = nanos.and_then(|nanos| Time::from_timestamp(moment.seconds, nanos));
    // What databases keep, and people mean.
    let known = |time: &Time| (0..253_402_300_800).contains(&time.timestamp());
    time.filter(known).ok_or_else(|| Error::invalid("last_sync", "must be a moment from 1970 to 9999"))
}
