//! Database values as JSON and back, field by field, without the entity.
//!
//! The spellings are told in [`crate::model`].
//!
//! Must never: lose a digit, or say what is wrong in the words of a library.

use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat};
use sea_orm::{
    ColumnType, Value,
    sea_query::{ArrayType, Enum, OptionEnum, StringLen, sea_value_to_json_value},
};
use serde_json::Value as Json;

use super::{Field, fixed};

/// The largest whole number every JSON reader keeps.
const EXACT: u64 = 1 << 53;

/// A value of `field` as JSON.
pub(super) fn to_json(field: &Field, value: Value) -> Json {
    match (value, field.scale) {
        (Value::BigInt(Some(units)), Some(scale)) => fixed::show(units, scale, 0).into(),
        (Value::BigInt(Some(number)), None) if number.unsigned_abs() > EXACT => number.to_string().into(),
        (Value::BigUnsigned(Some(number)), _) if number > EXACT => number.to_string().into(),
        // sea_query makes a float of it
        (Value::Decimal(Some(decimal)), _) => decimal.to_string().into(),
        (Value::Bytes(Some(bytes)), _) => STANDARD.encode(bytes).into(),
        (Value::ChronoDateTimeUtc(Some(moment)), _) => moment.to_rfc3339_opts(SecondsFormat::AutoSi, true).into(),
        (Value::ChronoDateTimeWithTimeZone(Some(moment)), _) => {
            moment.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
        }
        (Value::ChronoDateTimeLocal(Some(moment)), _) => {
            moment.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
        }
        (Value::ChronoDateTime(Some(moment)), _) => moment.format("%FT%T%.f").to_string().into(),
        // sea_query puts quotes around these two
        (Value::ChronoDate(Some(date)), _) => date.to_string().into(),
        (Value::ChronoTime(Some(time)), _) => time.to_string().into(),
        (Value::Json(Some(json)), _) => *json,
        (other, _) => sea_value_to_json_value(&other),
    }
}

/// The value of `field` that `json` means, or what is wrong with it.
pub(super) fn from_json(field: &Field, json: &Json) -> Result<Value, String> {
    if json.is_null() {
        return match (field.null, &field.kind) {
            (true, kind) => Ok(null(kind)),
            (false, ArrayType::Json) => Ok(Value::Json(Some(Box::new(Json::Null)))),
            (false, _) => Err("may not be empty".to_owned()),
        };
    }
    if field.kind == ArrayType::Json {
        return Ok(Value::Json(Some(Box::new(json.clone()))));
    }
    if field.kind == ArrayType::Bool {
        return json.as_bool().map(|it| Value::Bool(Some(it))).ok_or_else(|| "must be true or false".to_owned());
    }
    let text = match (json, &field.kind) {
        (Json::String(text), _) => text.clone(),
        (Json::Number(_), ArrayType::String | ArrayType::Char) if field.choices.is_empty() => {
            return Err("must be text".to_owned());
        }
        (Json::Number(number), _) => number.to_string(),
        _ => return Err(format!("must be {}", expected(&field.kind))),
    };
    if !field.choices.is_empty() && !field.choices.contains(&text) {
        return Err(format!("must be one of {}", field.choices.join(", ")));
    }
    if let Some(scale) = field.scale {
        return fixed::parse(&text, scale).map(|units| Value::BigInt(Some(units))).map_err(|error| error.to_string());
    }
    match &field.kind {
        ArrayType::String => within_length(field, text),
        ArrayType::Enum(name) => {
            Ok(Value::Enum(OptionEnum::Some(Box::new(Enum { type_name: name.as_ref().clone(), value: text.into() }))))
        }
        ArrayType::Bytes => {
            STANDARD.decode(text).map(|bytes| Value::Bytes(Some(bytes))).map_err(|_| "must be base64".to_owned())
        }
        kind => parsed(kind, &text),
    }
}

fn within_length(field: &Field, text: String) -> Result<Value, String> {
    if let ColumnType::String(StringLen::N(most)) | ColumnType::Char(Some(most)) = field.column
        && text.chars().count() > most as usize
    {
        return Err(format!("must have at most {most} characters"));
    }
    // PostgreSQL cannot keep it, the others cut or hide what follows
    if text.contains('\0') {
        return Err("may not contain a NUL character".to_owned());
    }
    Ok(Value::String(Some(text)))
}

/// Whole numbers, floats, dates: whatever parses from text.
fn parsed(kind: &ArrayType, text: &str) -> Result<Value, String> {
    fn as_<T: FromStr>(text: &str) -> Option<T> {
        text.trim().parse().ok()
    }
    let value = match kind {
        ArrayType::TinyInt => as_(text).map(|it| Value::TinyInt(Some(it))),
        ArrayType::SmallInt => as_(text).map(|it| Value::SmallInt(Some(it))),
        ArrayType::Int => as_(text).map(|it| Value::Int(Some(it))),
        ArrayType::BigInt => as_(text).map(|it| Value::BigInt(Some(it))),
        ArrayType::TinyUnsigned => as_(text).map(|it| Value::TinyUnsigned(Some(it))),
        ArrayType::SmallUnsigned => as_(text).map(|it| Value::SmallUnsigned(Some(it))),
        ArrayType::Unsigned => as_(text).map(|it| Value::Unsigned(Some(it))),
        ArrayType::BigUnsigned => as_(text).map(|it| Value::BigUnsigned(Some(it))),
        ArrayType::Float => as_(text).filter(|it: &f32| it.is_finite()).map(|it| Value::Float(Some(it))),
        ArrayType::Double => as_(text).filter(|it: &f64| it.is_finite()).map(|it| Value::Double(Some(it))),
        ArrayType::Decimal => as_(text).map(|it| Value::Decimal(Some(it))),
        ArrayType::Char => as_(text).map(|it| Value::Char(Some(it))),
        ArrayType::Uuid => as_(text).map(|it| Value::Uuid(Some(it))),
        ArrayType::ChronoDate => as_(text).map(|it| Value::ChronoDate(Some(it))),
        ArrayType::ChronoTime => as_(text).map(|it| Value::ChronoTime(Some(it))),
        ArrayType::ChronoDateTime => as_(text).map(|it| Value::ChronoDateTime(Some(it))),
        ArrayType::ChronoDateTimeUtc => moment(text).map(|it| Value::ChronoDateTimeUtc(Some(it.to_utc()))),
        ArrayType::ChronoDateTimeWithTimeZone => moment(text).map(|it| Value::ChronoDateTimeWithTimeZone(Some(it))),
        ArrayType::ChronoDateTimeLocal => moment(text).map(|it| Value::ChronoDateTimeLocal(Some(it.into()))),
        _ => return Err("cannot be written here".to_owned()),
    };
    value.ok_or_else(|| match range(kind) {
        Some((least, most))
            if text.trim().trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit())
                && !text.trim().is_empty() =>
        {
            format!("must be from {least} to {most}")
        }
        _ => format!("must be {}", expected(kind)),
    })
}

fn moment(text: &str) -> Option<DateTime<chrono::FixedOffset>> {
    DateTime::parse_from_rfc3339(text.trim()).ok()
}

/// The bounds of a whole number.
fn range(kind: &ArrayType) -> Option<(i128, i128)> {
    Some(match kind {
        ArrayType::TinyInt => (i8::MIN.into(), i8::MAX.into()),
        ArrayType::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        ArrayType::Int => (i32::MIN.into(), i32::MAX.into()),
        ArrayType::BigInt => (i64::MIN.into(), i64::MAX.into()),
        ArrayType::TinyUnsigned => (0, u8::MAX.into()),
        ArrayType::SmallUnsigned => (0, u16::MAX.into()),
        ArrayType::Unsigned => (0, u32::MAX.into()),
        ArrayType::BigUnsigned => (0, u64::MAX.into()),
        _ => return None,
    })
}

fn expected(kind: &ArrayType) -> &'static str {
    match kind {
        kind if range(kind).is_some() => "a whole number",
        ArrayType::Float | ArrayType::Double => "a number",
        ArrayType::Decimal => "a decimal number",
        ArrayType::Char => "one character",
        ArrayType::Uuid => "a UUID",
        ArrayType::ChronoDate => "a date, such as 2026-11-20",
        ArrayType::ChronoTime => "a time of day, such as 18:23:03",
        ArrayType::ChronoDateTime => "a date and time, such as 2026-11-20T18:23:03",
        ArrayType::ChronoDateTimeUtc | ArrayType::ChronoDateTimeWithTimeZone | ArrayType::ChronoDateTimeLocal => {
            "a date and time with its offset, such as 2026-11-20T18:23:03Z"
        }
        _ => "text",
    }
}

/// NULL, of this kind: PostgreSQL wants to know.
pub(super) fn null(kind: &ArrayType) -> Value {
    match kind {
        ArrayType::Bool => Value::Bool(None),
        ArrayType::TinyInt => Value::TinyInt(None),
        ArrayType::SmallInt => Value::SmallInt(None),
        ArrayType::Int => Value::Int(None),
        ArrayType::BigInt => Value::BigInt(None),
        ArrayType::TinyUnsigned => Value::TinyUnsigned(None),
        ArrayType::SmallUnsigned => Value::SmallUnsigned(None),
        ArrayType::Unsigned => Value::Unsigned(None),
        ArrayType::BigUnsigned => Value::BigUnsigned(None),
        ArrayType::Float => Value::Float(None),
        ArrayType::Double => Value::Double(None),
        ArrayType::Char => Value::Char(None),
        ArrayType::Bytes => Value::Bytes(None),
        ArrayType::Json => Value::Json(None),
        ArrayType::ChronoDate => Value::ChronoDate(None),
        ArrayType::ChronoTime => Value::ChronoTime(None),
        ArrayType::ChronoDateTime => Value::ChronoDateTime(None),
        ArrayType::ChronoDateTimeUtc => Value::ChronoDateTimeUtc(None),
        ArrayType::ChronoDateTimeWithTimeZone => Value::ChronoDateTimeWithTimeZone(None),
        ArrayType::ChronoDateTimeLocal => Value::ChronoDateTimeLocal(None),
        ArrayType::Uuid => Value::Uuid(None),
        ArrayType::Decimal => Value::Decimal(None),
        ArrayType::Enum(name) => Value::Enum(OptionEnum::None(name.as_ref().clone())),
        _ => Value::String(None),
    }
}
