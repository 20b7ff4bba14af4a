//! What a caller asks for, read out of the request.

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value};
use serde_json::{Map, Value as Json};

use super::{
    filter::{self, Term},
    item::json,
    raw::Raw,
    token,
};
use crate::{
    error::{Error, Result},
    model::{Op, Order, Query, Row},
};

/// Bytes and words of a search at most.
const LONGEST: usize = 200;
const WORDS: usize = 10;

/// A method that gives one row.
pub(super) struct Get {
    pub input: MessageDescriptor,
    /// The fields of the request, and the model's that they are.
    pub key: Vec<(FieldDescriptor, &'static str)>,
    pub output: MessageDescriptor,
    /// Where the answer has its row; `None`: the row is the answer.
    pub within: Option<FieldDescriptor>,
}

/// One row that is wanted.
pub(super) struct Wanted {
    pub query: Query,
    /// As text, for who reads that it is not there.
    pub key: String,
}

impl Get {
    pub fn read(&self, request: &Raw, mut query: Query) -> Result<Wanted> {
        let request = request.read(&self.input)?;
        let mut key = vec![];
        for (field, name) in &self.key {
            let value = request.get_field(field);
            let value = json(&value).ok_or_else(|| Error::invalid(field.name(), "is out of range"))?;
            if value.as_str().is_some_and(str::is_empty) {
                return Err(Error::invalid(field.name(), "may not be empty"));
            }
            key.push(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            query = query.filter(*name, Op::Eq, value);
        }
        Ok(Wanted { query, key: key.join(",") })
    }

    pub fn answer(&self, item: DynamicMessage) -> Raw {
        let Some(within) = &self.within else { return Raw::of(&item) };
        let mut answer = DynamicMessage::new(self.output.clone());
        answer.set_field(within, Value::Message(item));
        Raw::of(&answer)
    }
}

/// A method that gives rows page by page.
pub(super) struct Pages {
    pub path: String,
    pub input: MessageDescriptor,
    pub page_size: FieldDescriptor,
    pub page_token: FieldDescriptor,
    pub filter: Option<FieldDescriptor>,
    pub order_by: Option<FieldDescriptor>,
    pub query: Option<FieldDescriptor>,
    /// Fields that are the model's: equality.
    pub equal: Vec<(FieldDescriptor, &'static str)>,
    /// What callers may filter and order by: their name, the model's, whether it is text.
    pub named: Vec<(String, &'static str)>,
    pub search_in: Vec<&'static str>,
    pub default_order: Vec<Order>,
    /// Rows of a page when the caller does not say, and at most.
    pub sizes: (u64, u64),
    pub output: MessageDescriptor,
    pub items: FieldDescriptor,
    pub next_page_token: FieldDescriptor,
    pub total_size: Option<FieldDescriptor>,
}

/// The page that is wanted.
pub(super) struct Asked {
    pub query: Query,
    pub size: u64,
    /// Of the question, without its page.
    pub digest: String,
}

impl Pages {
    pub fn read(&self, request: &Raw, mut query: Query) -> Result<Asked> {
        let request = request.read(&self.input)?;
        let text =
            |field: &Option<FieldDescriptor>| field.as_ref().map_or_else(String::new, |field| text(&request, field));
        let (filter, order_by, search) = (text(&self.filter), text(&self.order_by), text(&self.query));
        for Term { field, op, value } in filter::terms(&filter)? {
            let name = self.named(&field).ok_or_else(|| Error::invalid("filter", unknown(&field, &self.named)))?;
            query = query.filter(name, op, value);
        }
        let mut equal = Map::new();
        for (field, name) in &self.equal {
            if request.has_field(field) {
                let value = json(&request.get_field(field));
                let value = value.ok_or_else(|| Error::invalid(field.name(), "is out of range"))?;
                equal.insert(field.name().to_owned(), value.clone());
                query = query.filter(*name, Op::Eq, value);
            }
        }
        query.order = self.order(&order_by)?;
        if self.query.is_some() {
            query = query.search(searched(&search)?, self.search_in.iter().copied());
        }
        let digest = token::digest(&[&self.path, &filter, &order_by, &search, &Json::Object(equal).to_string()]);
        query.after = self.after(&request, &digest, &query)?;
        Ok(Asked { size: self.size(&request)?, digest, query })
    }

    fn order(&self, text: &str) -> Result<Vec<Order>> {
        let asked = filter::order(text)?;
        if asked.is_empty() {
            return Ok(self.default_order.clone());
        }
        let own = |by: Order| {
            let field =
                self.named(&by.field).ok_or_else(|| Error::invalid("order_by", unknown(&by.field, &self.named)))?;
            Ok(Order { field: field.to_owned(), ..by })
        };
        asked.into_iter().map(own).collect()
    }

    fn after(&self, request: &DynamicMessage, digest: &str, query: &Query) -> Result<Option<Row>> {
        let after = token::read(&text(request, &self.page_token), digest)?;
        // A token that lacks a field of the order was made up.
        let whole = after.as_ref().is_none_or(|row| query.order.iter().all(|by| row.contains_key(&by.field)));
        if whole { Ok(after) } else { Err(Error::invalid("page_token", "is not one that a page gave")) }
    }

    fn size(&self, request: &DynamicMessage) -> Result<u64> {
        let (default, most) = self.sizes;
        match *request.get_field(&self.page_size) {
            Value::I32(size) if size < 0 => Err(Error::invalid("page_size", "may not be negative")),
            Value::I32(size) if size > 0 => Ok(u64::from(size.unsigned_abs()).min(most)),
            _ => Ok(default),
        }
    }

    fn named(&self, name: &str) -> Option<&'static str> {
        self.named.iter().find(|(own, _)| own == name).map(|(_, field)| *field)
    }

    pub fn counts(&self) -> bool {
        self.total_size.is_some()
    }

    pub fn answer(&self, items: Vec<DynamicMessage>, next: String, total: Option<u64>) -> Raw {
        let mut answer = DynamicMessage::new(self.output.clone());
        answer.set_field(&self.items, Value::List(items.into_iter().map(Value::Message).collect()));
        answer.set_field(&self.next_page_token, Value::String(next));
        if let (Some(field), Some(total)) = (&self.total_size, total) {
            let value = match field.kind() {
                prost_reflect::Kind::Int32 => Value::I32(i32::try_from(total).unwrap_or(i32::MAX)),
                _ => Value::I64(i64::try_from(total).unwrap_or(i64::MAX)),
            };
            answer.set_field(field, value);
        }
        Raw::of(&answer)
    }
}

fn text(request: &DynamicMessage, field: &FieldDescriptor) -> String {
    request.get_field(field).as_str().unwrap_or_default().to_owned()
}

fn searched(text: &str) -> Result<&str> {
    if text.trim().is_empty() {
        return Err(Error::invalid("query", "may not be empty"));
    }
    if text.len() > LONGEST || text.split_whitespace().count() > WORDS {
        return Err(Error::invalid("query", format!("must have at most {LONGEST} bytes and {WORDS} words")));
    }
    Ok(text)
}

fn unknown(field: &str, named: &[(String, &'static str)]) -> String {
    let names: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
    let field: String = field.chars().take(100).collect();
    format!("there is no {field}; the fields are: {}", names.join(", "))
}
