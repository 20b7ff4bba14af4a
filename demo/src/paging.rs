//! Pages that stay whole while rows come and go: each begins behind the last row of the one before.
//!
//! A token holds the order, and the place of that row in it: its cell of the ordered column, and its id, because cells
//! may be equal. Takes `page_size` and `page_token` of a request; gives a condition, a limit and the next token.

use sea_orm::{ColumnTrait, Condition, Value};
use steeple::{Error, Result};

const DEFAULT: usize = 20;
const LARGEST: usize = 100;

/// The page a request asks for.
#[derive(Debug)]
pub struct Page {
    order: String,
    size: usize,
    after: Option<(Value, i64)>,
}

impl Page {
    /// Reads a request's fields. `order` names the order of the list: a token of another one is refused.
    pub fn read(size: i32, token: &str, order: String) -> Result<Self> {
        let size = match usize::try_from(size) {
            Err(_) => return Err(Error::invalid("page_size", "may not be negative")),
            Ok(0) => DEFAULT,
            Ok(size) => size.min(LARGEST),
        };
        if token.is_empty() {
            return Ok(Self { order, size, after: None });
        }
        let after = place(token, &order).ok_or_else(|| {
            Error::invalid("page_token", "must be the next_page_token of a list in the same order, or empty")
        })?;
        Ok(Self { order, size, after: Some(after) })
    }

    /// How many rows to ask the database for: one more than the page shows, to know whether another page follows.
    pub fn limit(&self) -> u64 {
        self.size as u64 + 1
    }

    /// The rows behind the page before, in the order of `column`, then `id`; `None` for the first page.
    pub fn behind<C: ColumnTrait>(&self, column: C, id: C, descending: bool) -> Option<Condition> {
        let (cell, key) = self.after.clone()?;
        let (further, tied) =
            if descending { (column.lt(cell.clone()), id.lt(key)) } else { (column.gt(cell.clone()), id.gt(key)) };
        Some(Condition::any().add(further).add(Condition::all().add(column.eq(cell)).add(tied)))
    }

    /// Cuts `rows` to the page; the token is empty on the last one. `place` tells a row's cell of the order, and its id.
    pub fn cut<R>(&self, mut rows: Vec<R>, place: impl FnOnce(&R) -> (Value, i64)) -> (Vec<R>, String) {
        if rows.len() <= self.size {
            return (rows, String::new());
        }
        rows.truncate(self.size);
        let token = rows.last().map(place).and_then(|(cell, id)| token(&self.order, &cell, id));
        (rows, token.unwrap_or_default())
    }
}

/// `<order> <i|s><cell> <id>` in hexadecimal, so that nobody takes it apart or depends on what it says.
fn token(order: &str, cell: &Value, id: i64) -> Option<String> {
    let cell = match cell {
        Value::Int(Some(number)) => format!("i{number}"),
        Value::BigInt(Some(number)) => format!("i{number}"),
        Value::String(Some(text)) => format!("s{text}"),
        _ => return None,
    };
    let plain = format!("{order} {id} {cell}");
    Some(
        plain
            .bytes()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|half| char::from_digit(half.into(), 16))
            .collect(),
    )
}

fn place(token: &str, order: &str) -> Option<(Value, i64)> {
    let bytes: Option<Vec<u8>> = token
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect();
    let text = String::from_utf8(bytes?).ok()?;
    let (id, cell) = text.strip_prefix(order)?.strip_prefix(' ')?.split_once(' ')?;
    let cell = match cell.split_at_checked(1)? {
        ("i", number) => Value::from(number.parse::<i64>().ok()?),
        ("s", text) if !text.contains('\0') => Value::from(text),
        _ => return None,
    };
    Some((cell, id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(token: &str) -> Result<Page> {
        Page::read(2, token, "coins.name.asc".into())
    }

    #[test]
    fn a_token_leads_behind_the_last_row_of_its_page() {
        let (rows, token) =
            page("").unwrap().cut(vec![("a b", 1), ("ä", 2), ("c", 3)], |row| (row.0.into(), i64::from(row.1)));
        assert_eq!(rows.len(), 2);
        assert_eq!(page(&token).unwrap().after, Some(("ä".into(), 2)));
    }

    #[test]
    fn the_last_page_has_no_token() {
        let (rows, token) = page("").unwrap().cut(vec![1_i64, 2], |row| ((*row).into(), *row));
        assert_eq!((rows.len(), token.as_str()), (2, ""));
    }

    #[test]
    fn a_token_of_another_order_or_of_nobody_is_refused() {
        let other = token("coins.rank.asc", &Value::from(3_i32), 4).unwrap();
        for wrong in [other.as_str(), "x", "ab", "0g", "é", "+1"] {
            assert!(page(wrong).is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn sizes_have_a_default_and_a_limit() {
        let size = |size| Page::read(size, "", String::new()).map(|page| page.size).ok();
        assert_eq!((size(0), size(7), size(1_000), size(-1)), (Some(20), Some(7), Some(100), None));
    }
}
