//! Reads the fields of requests, within the limits of this app's columns.

use steeple::Result;

pub use crate::input::{id, limit};
use crate::input::{quantity, text};

/// Longest slug of a category, in bytes: the width of its column.
const SLUG: usize = 50;
/// Longest text to search for, in bytes.
const QUERY: usize = 100;
/// The largest delivery.
const DELIVERY: i32 = 100_000;

/// The slug of a category, in the lower case it is kept in; `None` for any.
pub fn category(slug: &str) -> Result<Option<String>> {
    if slug.is_empty() { Ok(None) } else { Ok(Some(text("category", slug, SLUG)?.to_ascii_lowercase())) }
}

/// The text to search for; `None` for any.
pub fn query(query: &str) -> Result<Option<&str>> {
    if query.is_empty() { Ok(None) } else { text("query", query, QUERY).map(Some) }
}

/// How many came.
pub fn delivery(count: i32) -> Result<i32> {
    quantity("quantity", count, DELIVERY)
}
