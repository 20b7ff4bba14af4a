//! Where a page ends, and the next one begins: the place of its last row in the order, and what was asked for.
//!
//! A token is opaque (base64 of JSON) and bound to its question: with another filter, order or text it is refused. It is
//! no secret and no credential: whoever makes one up gets a page of what they may see anyway.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::{
    error::{Error, Result},
    model::{Model, Row},
};

const LONGEST: usize = 8_000;

/// What identifies a question: 16 letters.
pub(super) fn digest(parts: &[&str]) -> String {
    let hash = parts
        .iter()
        .fold(Sha256::new(), |hash, part| hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part));
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..12])
}

/// The token behind this row.
///
/// # Errors
/// INTERNAL: a cell of the order cannot be read.
pub(super) fn write<'a>(
    digest: &str,
    last: &Row,
    order: impl Iterator<Item = &'a str>,
    model: &Model,
) -> Result<String> {
    let fields: BTreeSet<&str> = order.chain(model.keys().map(|field| field.name)).collect();
    let mut place = Row::new();
    for field in fields {
        let cell = last.get(field).filter(|cell| !cell.is_object()).ok_or_else(|| {
            Error::internal("internal error").because(format!("a {} without a {field} that can be read", model.name))
        })?;
        place.insert(field.to_owned(), cell.clone());
    }
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(&(digest, place))?))
}

/// The row to go on behind; `None` for the first page.
///
/// # Errors
/// INVALID_ARGUMENT: not a token, or one of another question.
pub(super) fn read(token: &str, digest: &str) -> Result<Option<Row>> {
    if token.is_empty() {
        return Ok(None);
    }
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(token.get(..LONGEST.min(token.len()))?).ok()?;
        let (own, place) = serde_json::from_slice::<(String, Row)>(&bytes).ok()?;
        (own == digest).then_some(place)
    };
    read().map(Some).ok_or_else(|| {
        Error::invalid("page_token", "must be the next_page_token of a page of the same question, or empty")
    })
}
