//! Values of rows as people read them.

use std::collections::HashMap;

use sea_orm::sea_query::ArrayType;
use serde::Serialize;
use serde_json::Value as Json;

use super::subject::Subject;
use crate::model::{Field, Row};

/// Words that are written in capitals.
const CAPITALS: [&str; 12] = ["id", "url", "ip", "api", "usd", "eur", "uuid", "http", "grpc", "sku", "iban", "vat"];
/// Characters of a cell.
const LONGEST: usize = 120;

/// A name as words: `price_usd` is `Price USD`.
pub(in crate::admin) fn words(name: &str) -> String {
    let mut text = String::new();
    for (at, word) in name.split('_').filter(|word| !word.is_empty()).enumerate() {
        if at > 0 {
            text.push(' ');
        }
        let lower = word.to_lowercase();
        let mut letters = word.chars();
        match letters.next() {
            _ if CAPITALS.contains(&&*lower) => text.push_str(&word.to_uppercase()),
            Some(first) if at == 0 => {
                text.extend(first.to_uppercase());
                text.push_str(letters.as_str());
            }
            _ => text.push_str(word),
        }
    }
    text
}

/// What a field is called: a foreign key by what it leads to.
pub(super) fn title(field: &Field) -> String {
    match (&field.references, field.name.strip_suffix("_id")) {
        (Some(_), Some(name)) if !name.is_empty() => words(name),
        _ => words(field.name),
    }
}

/// A value as plain text; NULL is empty.
pub(in crate::admin) fn text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Why a value could not be read, if it could not.
pub(super) fn unreadable(field: &Field, value: &Json) -> Option<String> {
    let why = value.as_object().filter(|_| field.kind != ArrayType::Json)?.get("unreadable")?;
    Some(text(why))
}

/// One cell of a list.
#[derive(Debug, Serialize)]
pub(super) struct Cell {
    /// `text`, `number`, `yes`, `no`, `moment`, `none` or `unreadable`.
    kind: &'static str,
    text: String,
    href: Option<String>,
}

/// A cell; `labels` knows what referred rows are called and where they are.
pub(super) fn cell(
    subject: &Subject,
    field: &Field,
    row: &Row,
    labels: &HashMap<String, (String, Option<String>)>,
) -> Cell {
    let value = row.get(field.name).unwrap_or(&Json::Null);
    let plain = |kind, text: String| Cell { kind, text: cut(&text), href: None };
    if let Some(why) = unreadable(field, value) {
        return plain("unreadable", why);
    }
    if value.is_null() {
        return plain("none", String::new());
    }
    if field.references.is_some() {
        let key = text(value);
        return match labels.get(&key) {
            Some((label, href)) => Cell { kind: "text", text: cut(label), href: href.clone() },
            None => plain("text", key),
        };
    }
    match (&field.kind, value) {
        (_, Json::Bool(true)) => plain("yes", "yes".to_owned()),
        (_, Json::Bool(false)) => plain("no", "no".to_owned()),
        _ if !subject.choices(field).is_empty() => plain("choice", text(value)),
        (ArrayType::Bytes, Json::String(base64)) => plain("text", format!("{} bytes", base64.len() / 4 * 3)),
        (kind, _) if is_moment(kind) => plain("moment", text(value)),
        (kind, _) if is_whole(kind) && field.scale.is_none() => plain("number", text(value)),
        (ArrayType::Decimal, _) => plain("number", grouped(&text(value), 0)),
        _ if field.scale.is_some() => plain("number", grouped(&text(value), field.scale.unwrap_or(0).min(2))),
        (ArrayType::Float | ArrayType::Double, _) => plain("number", text(value)),
        _ => plain("text", text(value)),
    }
}

pub(super) fn is_moment(kind: &ArrayType) -> bool {
    use ArrayType as A;
    matches!(kind, A::ChronoDateTimeUtc | A::ChronoDateTimeWithTimeZone | A::ChronoDateTimeLocal)
}

pub(super) fn is_whole(kind: &ArrayType) -> bool {
    use ArrayType as A;
    let signed = matches!(kind, A::TinyInt | A::SmallInt | A::Int | A::BigInt);
    signed || matches!(kind, A::TinyUnsigned | A::SmallUnsigned | A::Unsigned | A::BigUnsigned)
}

pub(super) fn is_number(field: &Field) -> bool {
    let broken = matches!(field.kind, ArrayType::Float | ArrayType::Double | ArrayType::Decimal);
    (is_whole(&field.kind) || broken) && field.references.is_none()
}

/// `1234567.5` is `1,234,567.50`: thousands apart, no zeros at the end, but at least so many digits behind the point.
fn grouped(text: &str, least: u32) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let (part, least) = (part.trim_end_matches('0'), least as usize);
    let mut apart = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    if part.is_empty() && least == 0 { format!("{sign}{apart}") } else { format!("{sign}{apart}.{part:0<least$}") }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words() {
        let called = ["price_usd", "id", "owner", "volume_24h_usd", "_x"].map(words);
        assert_eq!(called, ["Price USD", "ID", "Owner", "Volume 24h USD", "X"]);
    }

    #[test]
    fn exact_numbers_are_read_easily_and_keep_what_counts() {
        let read = ["1234567.5", "0.00000012", "-1000", "12.30", "999.00"].map(|text| grouped(text, 2));
        assert_eq!(read, ["1,234,567.50", "0.00000012", "-1,000.00", "12.30", "999.00"]);
        assert_eq!(["12.50", "1000"].map(|text| grouped(text, 0)), ["12.5", "1,000"]);
    }
}
