//! Reads a type out of the tree: typed values must fit, text is parsed as the type asked for.
//!
//! Text of a list is separated by commas; empty text for something optional is "not set"; text where the type leaves
//! it open is a boolean or a number when it reads as one.
//!
//! Must never: put a value into an error; only the caller knows whether it is a secret.

use std::{collections::btree_map, fmt};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor},
    forward_to_deserialize_any,
};

use super::tree::{Given, Leaf, Node, Table};

/// Why a type could not be read, and at which path below the node that was read.
#[derive(Debug)]
pub(super) struct Error {
    pub path: Vec<String>,
    pub reason: Reason,
}

#[derive(Debug)]
pub(super) enum Reason {
    /// Another type or an impossible value: what was expected, and the kind of thing found.
    Mismatch { expected: String, found: &'static str },
    /// A key the type does not have, and those it has.
    Unknown { expected: &'static [&'static str] },
    /// A key the type must have.
    Missing { field: &'static str },
    /// Whatever the type's own reader says.
    Other(String),
}

/// A deserializer of one node.
#[derive(Clone, Copy)]
pub(super) enum Source<'t> {
    Node(&'t Node),
    Table(&'t Table),
    Value(&'t toml::Value),
    Text(&'t str),
}

impl<'t> Source<'t> {
    /// Steps from a node to what it holds.
    fn resolve(self) -> Self {
        match self {
            Self::Node(Node::Table(table)) => Self::Table(table),
            Self::Node(Node::Leaf(Leaf { value: Given::Typed(value), .. })) => Self::Value(value),
            Self::Node(Node::Leaf(Leaf { value: Given::Text(text), .. })) => Self::Text(text),
            other => other,
        }
    }

    fn text(self) -> Option<&'t str> {
        match self.resolve() {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Parses text as the number type asked for; anything else goes the way of `deserialize_any`.
macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.text().map(|text| text.trim().replace('_', "").parse::<$type>()) {
                Some(Ok(number)) => visitor.$visit(number),
                Some(Err(_)) => Err(Error::invalid_type(Unexpected::Other("text"), &visitor)),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Source<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.resolve() {
            Self::Table(table) => visitor.visit_map(Entries { left: table.entries.iter(), now: None }),
            Self::Value(value) => match value {
                toml::Value::String(text) => visitor.visit_str(text),
                toml::Value::Integer(number) => visitor.visit_i64(*number),
                toml::Value::Float(number) => visitor.visit_f64(*number),
                toml::Value::Boolean(switch) => visitor.visit_bool(*switch),
                toml::Value::Datetime(time) => visitor.visit_string(time.to_string()),
                toml::Value::Array(values) => visitor.visit_seq(Values(values.iter())),
                toml::Value::Table(table) => visitor.visit_map(Pairs { left: table.iter(), now: None }),
            },
            Self::Text(text) => match (text.parse(), text.parse(), text.parse()) {
                (Ok(switch), _, _) => visitor.visit_bool(switch),
                (_, Ok(number), _) => visitor.visit_i64(number),
                (_, _, Ok(number)) => visitor.visit_f64(number),
                _ => visitor.visit_str(text),
            },
            Self::Node(_) => unreachable!("resolve() leaves no node"),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.text().map(|text| text.trim().parse()) {
            Some(Ok(switch)) => visitor.visit_bool(switch),
            Some(Err(_)) => Err(Error::invalid_type(Unexpected::Other("text"), &visitor)),
            None => self.deserialize_any(visitor),
        }
    }

    numbers! {
        deserialize_i8 visit_i64 i64, deserialize_i16 visit_i64 i64, deserialize_i32 visit_i64 i64,
        deserialize_i64 visit_i64 i64, deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u64 u64, deserialize_u16 visit_u64 u64, deserialize_u32 visit_u64 u64,
        deserialize_u64 visit_u64 u64, deserialize_u128 visit_u128 u128,
        deserialize_f32 visit_f64 f64, deserialize_f64 visit_f64 f64,
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.text() {
            Some(text) => visitor.visit_str(text),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.text() == Some("") { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.text() {
            Some(text) => visitor.visit_seq(Commas(text.split(','))),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, v: V) -> Result<V::Value, Error> {
        self.deserialize_seq(v)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.resolve() {
            Self::Text(text) => visitor.visit_enum(text.into_deserializer()),
            Self::Value(toml::Value::String(text)) => visitor.visit_enum(text.as_str().into_deserializer()),
            Self::Table(table) => {
                let entries = Entries { left: table.entries.iter(), now: None };
                visitor.visit_enum(de::value::MapAccessDeserializer::new(entries))
            }
            Self::Value(toml::Value::Table(table)) => {
                let pairs = Pairs { left: table.iter(), now: None };
                visitor.visit_enum(de::value::MapAccessDeserializer::new(pairs))
            }
            other => other.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! { bytes byte_buf unit unit_struct map struct identifier ignored_any }
}

// === the entries of a table, of a table inside an array, of an array, of a text ===

struct Entries<'t> {
    left: btree_map::Iter<'t, String, Node>,
    now: Option<(&'t str, &'t Node)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.now = self.left.next().map(|(key, node)| (key.as_str(), node));
        let Some((key, _)) = self.now else { return Ok(None) };
        seed.deserialize(key.into_deserializer()).map(Some).map_err(|error: Error| error.at(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let (key, node) = self.now.expect("serde asks for a value after its key");
        seed.deserialize(Source::Node(node)).map_err(|error| error.at(key))
    }
}

struct Pairs<'t> {
    left: toml::map::Iter<'t, String, toml::Value>,
    now: Option<(&'t str, &'t toml::Value)>,
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.now = self.left.next().map(|(key, value)| (key.as_str(), value));
        let Some((key, _)) = self.now else { return Ok(None) };
        seed.deserialize(key.into_deserializer()).map(Some).map_err(|error: Error| error.at(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let (key, value) = self.now.expect("serde asks for a value after its key");
        seed.deserialize(Source::Value(value)).map_err(|error| error.at(key))
    }
}

struct Values<'t>(std::slice::Iter<'t, toml::Value>);

impl<'de> SeqAccess<'de> for Values<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        self.0.next().map(|value| seed.deserialize(Source::Value(value))).transpose()
    }
}

struct Commas<'t>(std::str::Split<'t, char>);

impl<'de> SeqAccess<'de> for Commas<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let next = self.0.find_map(|part| Some(part.trim()).filter(|part| !part.is_empty()));
        next.map(|part| seed.deserialize(Source::Text(part))).transpose()
    }
}

// === impl Error ===

impl Error {
    fn new(reason: Reason) -> Self {
        Self { path: Vec::new(), reason }
    }

    fn at(mut self, key: &str) -> Self {
        self.path.insert(0, key.to_owned());
        self
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Reason::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Reason::Mismatch { expected: expected.to_string(), found: kind(found) })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        let names: Vec<_> = expected.iter().map(|name| format!("\"{name}\"")).collect();
        Self::new(Reason::Mismatch { expected: names.join(" or "), found: "another word" })
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Reason::Unknown { expected })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Reason::Missing { field })
    }
}

fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a number",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        _ => "text",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Mismatch { expected, found } => write!(f, "expected {expected}, found {found}"),
            Reason::Unknown { expected } => write!(f, "unknown key; known are {}", expected.join(", ")),
            Reason::Missing { field } => write!(f, "{field} is missing"),
            Reason::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}
