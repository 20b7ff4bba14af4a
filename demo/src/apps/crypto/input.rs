//! Reads the fields of requests, within the limits of this app's columns.

use steeple::{Error, Fixed, Result};

use crate::input::{decimal, text};
pub use crate::input::{id, limit};

/// Longest symbol of a coin, in bytes: the width of its column.
const SYMBOL: usize = 20;
/// Longest owner of a wallet, in bytes: that of a user name.
const OWNER: usize = 150;
/// Longest text to search for, in bytes.
const QUERY: usize = 100;

/// The symbol of a coin, in the upper case it is kept in.
pub fn symbol(symbol: &str) -> Result<String> {
    Ok(text("symbol", symbol, SYMBOL)?.to_ascii_uppercase())
}

/// The owner of a wallet.
pub fn owner(owner: &str) -> Result<&str> {
    text("owner", owner, OWNER)
}

/// The text to search for.
pub fn query(query: &str) -> Result<&str> {
    text("query", query, QUERY)
}

/// An amount to move: more than nothing.
pub fn amount(text: &str) -> Result<Fixed<8>> {
    let amount = decimal("amount", text)?;
    if amount <= Fixed::ZERO {
        return Err(Error::invalid("amount", "must be more than 0"));
    }
    Ok(amount)
}
