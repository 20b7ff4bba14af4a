//! The message that is shown: which of its fields is which of the model's, and a row made into one.

use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value};
use sea_orm::sea_query::ArrayType;
use serde_json::Value as Json;

use super::Options;
use crate::{
    error::{Error, Result},
    model::{Field, Model, Row},
};

const TIMESTAMP: &str = "google.protobuf.Timestamp";

/// The message, and where its fields come from.
pub(super) struct Item {
    pub message: MessageDescriptor,
    shown: Vec<Shown>,
}

/// One field that is shown.
struct Shown {
    to: FieldDescriptor,
    from: &'static str,
    kind: ArrayType,
}

impl Item {
    pub fn read(message: &MessageDescriptor, model: &Model, options: &Options, problems: &mut Vec<String>) -> Self {
        let mut shown = vec![];
        for to in message.fields() {
            let from = options.renamed.iter().find(|(name, _)| *name == to.name()).map_or(to.name(), |(_, from)| from);
            match model.field(from) {
                None => problems.push(format!("{}: the model {} has no field {from}", to.full_name(), model.name)),
                Some(field) => match holds(&to, field) {
                    Ok(()) => shown.push(Shown { from: field.name, kind: field.kind.clone(), to }),
                    Err(wanted) => problems.push(format!("{}: write {wanted} for {from}", to.full_name())),
                },
            }
        }
        for (name, _) in options.renamed.iter().filter(|(name, _)| message.get_field_by_name(name).is_none()) {
            problems.push(format!("field {name}: {} has none of that name", message.full_name()));
        }
        Self { message: message.clone(), shown }
    }

    /// The field of the model behind a field of the message.
    pub fn field(&self, name: &str) -> Option<&'static str> {
        self.shown.iter().find(|shown| shown.to.name() == name).map(|shown| shown.from)
    }

    /// The fields of the message, by name, with the model's.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.shown.iter().map(|shown| (shown.to.name(), shown.from))
    }

    /// The message of this row. Empty cells leave their fields unset.
    ///
    /// # Errors
    /// INTERNAL: a cell that cannot be read, or does not fit.
    pub fn show(&self, row: &Row) -> Result<DynamicMessage> {
        let mut message = DynamicMessage::new(self.message.clone());
        for Shown { to, from, kind } in &self.shown {
            let cell = row.get(*from).unwrap_or(&Json::Null);
            if cell.is_null() && *kind != ArrayType::Json {
                continue;
            }
            let value = value(to, kind, cell).ok_or_else(|| {
                Error::internal("internal error").because(format!("{} cannot show {cell}", to.full_name()))
            })?;
            message.set_field(to, value);
        }
        Ok(message)
    }
}

/// Whether a field of a message can hold what a field of the model has; else what could.
pub(super) fn holds(to: &FieldDescriptor, field: &Field) -> Result<(), &'static str> {
    let (wanted, fits): (_, fn(&Kind) -> bool) = match (&field.kind, field.scale) {
        (_, Some(_)) => ("string", |kind| *kind == Kind::String),
        (ArrayType::Bool, _) => ("bool", |kind| *kind == Kind::Bool),
        (ArrayType::TinyInt | ArrayType::SmallInt | ArrayType::Int, _) => {
            ("int32 or int64", |kind| signed32(kind) || signed64(kind))
        }
        (ArrayType::BigInt, _) => ("int64", signed64),
        (ArrayType::TinyUnsigned | ArrayType::SmallUnsigned | ArrayType::Unsigned, _) => {
            ("uint32, uint64 or int64", |kind| {
                matches!(kind, Kind::Uint32 | Kind::Fixed32) || unsigned64(kind) || signed64(kind)
            })
        }
        (ArrayType::BigUnsigned, _) => ("uint64", unsigned64),
        (ArrayType::Float, _) => ("float or double", |kind| matches!(kind, Kind::Float | Kind::Double)),
        (ArrayType::Double, _) => ("double", |kind| *kind == Kind::Double),
        (ArrayType::Bytes, _) => ("bytes", |kind| *kind == Kind::Bytes),
        (ArrayType::ChronoDateTimeUtc | ArrayType::ChronoDateTimeWithTimeZone | ArrayType::ChronoDateTimeLocal, _) => {
            ("google.protobuf.Timestamp or string", |kind| {
                *kind == Kind::String || matches!(kind, Kind::Message(message) if message.full_name() == TIMESTAMP)
            })
        }
        // Text, decimals, dates, numbers of other kinds, JSON: as the model spells them.
        _ => ("string", |kind| *kind == Kind::String),
    };
    if to.is_list() || to.is_map() || !fits(&to.kind()) { Err(wanted) } else { Ok(()) }
}

fn signed32(kind: &Kind) -> bool {
    matches!(kind, Kind::Int32 | Kind::Sint32 | Kind::Sfixed32)
}

fn signed64(kind: &Kind) -> bool {
    matches!(kind, Kind::Int64 | Kind::Sint64 | Kind::Sfixed64)
}

fn unsigned64(kind: &Kind) -> bool {
    matches!(kind, Kind::Uint64 | Kind::Fixed64)
}

/// A cell as the value of a field that can hold it.
fn value(to: &FieldDescriptor, kind: &ArrayType, cell: &Json) -> Option<Value> {
    fn number<T: FromStr>(cell: &Json) -> Option<T> {
        match cell {
            Json::String(text) => text.parse().ok(),
            Json::Number(number) => number.to_string().parse().ok(),
            _ => None,
        }
    }
    Some(match to.kind() {
        Kind::Bool => Value::Bool(cell.as_bool()?),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(number(cell)?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number(cell)?),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number(cell)?),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(number(cell)?),
        Kind::Float => Value::F32(number(cell)?),
        Kind::Double => Value::F64(number(cell)?),
        Kind::Bytes => Value::Bytes(STANDARD.decode(cell.as_str()?).ok()?.into()),
        Kind::Message(_) => Value::Message(timestamp(cell.as_str()?)?),
        Kind::String => Value::String(match cell {
            Json::String(text) if *kind != ArrayType::Json => text.clone(),
            // A cell that could not be read is an object where there should be text.
            Json::Object(_) if *kind != ArrayType::Json => return None,
            other => other.to_string(),
        }),
        Kind::Enum(_) => return None,
    })
}

fn timestamp(text: &str) -> Option<DynamicMessage> {
    let moment = DateTime::parse_from_rfc3339(text).ok()?;
    let (seconds, nanos) = (moment.timestamp(), moment.timestamp_subsec_nanos().cast_signed());
    Some(prost_types::Timestamp { seconds, nanos }.transcode_to_dynamic())
}

/// What a caller set, as JSON of the model; `None` for what cannot be (a moment beyond all calendars).
pub(super) fn json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Bool(it) => (*it).into(),
        Value::I32(it) => (*it).into(),
        Value::I64(it) => it.to_string().into(),
        Value::U32(it) => (*it).into(),
        Value::U64(it) => it.to_string().into(),
        Value::F32(it) => (*it).into(),
        Value::F64(it) => (*it).into(),
        Value::String(it) => it.as_str().into(),
        Value::Bytes(it) => STANDARD.encode(it).into(),
        Value::Message(it) => {
            let it: prost_types::Timestamp = it.transcode_to().ok()?;
            let moment = DateTime::from_timestamp(it.seconds, u32::try_from(it.nanos).ok()?)?;
            moment.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
        }
        Value::EnumNumber(_) | Value::List(_) | Value::Map(_) => return None,
    })
}
