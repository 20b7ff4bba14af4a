//! Reads the fields of requests: gives values the database can be asked with, or INVALID_ARGUMENT for the field.
//!
//! What is common to all apps; the limits of each stand in its own `input.rs`.
//!
//! Must never: let a control character through. PostgreSQL refuses a text with a NUL, and that is the caller's fault,
//! not the server's.

use steeple::{Error, Fixed, Result, model::FixedError};

/// A text of one line that may not be empty, of `limit` bytes at most; spaces around it are cut off.
pub fn text<'a>(field: &str, text: &'a str, limit: usize) -> Result<&'a str> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid(field, "may not be empty"));
    }
    if text.len() > limit {
        return Err(Error::invalid(field, format!("may have {limit} bytes at most")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "may not contain control characters"));
    }
    Ok(text)
}

/// The id of a row; 0 is a field that was not set.
pub fn id(field: &str, id: i64) -> Result<i64> {
    if id == 0 {
        return Err(Error::invalid(field, "is required"));
    }
    Ok(id)
}

/// A count from 1 to `most`.
pub fn quantity(field: &str, quantity: i32, most: i32) -> Result<i32> {
    if (1..=most).contains(&quantity) {
        return Ok(quantity);
    }
    Err(Error::invalid(field, format!("must be from 1 to {most}")))
}

/// A decimal number.
pub fn decimal<const SCALE: u32>(field: &str, text: &str) -> Result<Fixed<SCALE>> {
    text.parse().map_err(|cause: FixedError| Error::invalid(field, cause.to_string()))
}

/// A decimal number that may be left out.
pub fn limit<const SCALE: u32>(field: &str, text: &str) -> Result<Option<Fixed<SCALE>>> {
    if text.is_empty() { Ok(None) } else { decimal(field, text).map(Some) }
}
