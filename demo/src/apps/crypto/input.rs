//! Reads the fields of requests: gives values the database can be asked with, or INVALID_ARGUMENT for the field.
//!
//! Must never: let a control character through. PostgreSQL refuses a text with a NUL, and that is the caller's fault,
//! not the server's.

use steeple::{Error, Fixed, Result, model::FixedError};

/// Longest symbol of a coin, in bytes: the width of its column.
const SYMBOL: usize = 20;
/// Longest owner of a wallet, in bytes: that of a user name.
const OWNER: usize = 150;
/// Longest text to search for, in bytes.
const QUERY: usize = 100;

/// The symbol of a coin, in the upper case it is kept in.
pub fn symbol(text: &str) -> Result<String> {
    Ok(required("symbol", text, SYMBOL)?.to_ascii_uppercase())
}

/// The owner of a wallet.
pub fn owner(text: &str) -> Result<&str> {
    required("owner", text, OWNER)
}

/// The text to search for.
pub fn query(text: &str) -> Result<&str> {
    required("query", text, QUERY)
}

fn required<'a>(field: &str, text: &'a str, limit: usize) -> Result<&'a str> {
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

/// An amount to move: more than nothing.
pub fn amount(text: &str) -> Result<Fixed<8>> {
    let amount = decimal("amount", text)?;
    if amount <= Fixed::ZERO {
        return Err(Error::invalid("amount", "must be more than 0"));
    }
    Ok(amount)
}

/// A limit that may be left out.
pub fn limit(field: &str, text: &str) -> Result<Option<Fixed<8>>> {
    if text.is_empty() { Ok(None) } else { decimal(field, text).map(Some) }
}

fn decimal(field: &str, text: &str) -> Result<Fixed<8>> {
    text.parse().map_err(|cause: FixedError| Error::invalid(field, cause.to_string()))
}
