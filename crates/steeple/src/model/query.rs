//! Which rows, in which order, how many.

use serde_json::Value as Json;

use super::Row;

/// Which rows [`ModelRows::list`](super::ModelRows::list) gives. The default: the first 100 by key.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// All of these hold.
    pub filters: Vec<(String, Op, Json)>,
    /// Each of its words is found, whatever the case, in one of the `search_in` fields.
    pub search: Option<String>,
    /// The fields `search` looks at; of any kind, looked at as text.
    pub search_in: Vec<String>,
    /// First by the first; the key is always added at the end, so that the order is total. Empty values come last in
    /// both directions, on every database.
    pub order: Vec<Order>,
    /// Only what comes after this row, the last of the page before. It needs the fields of `order` and the key.
    pub after: Option<Row>,
    /// At most so many.
    pub limit: u64,
}

/// By which field, in which direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The field.
    pub field: String,
    /// Largest first.
    pub descending: bool,
}

/// How a field is compared with the JSON value beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Equal. Nothing equals an empty field: [`Op::IsNull`].
    Eq,
    /// Different; empty fields are not.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Equal to one in the array.
    In,
    /// Empty when the value is `true`, not empty when it is `false`.
    IsNull,
    /// Has this text in it, whatever the case (beyond ASCII as far as the database knows).
    Contains,
}

impl Default for Query {
    fn default() -> Self {
        Self { filters: Vec::new(), search: None, search_in: Vec::new(), order: Vec::new(), after: None, limit: 100 }
    }
}

impl Query {
    /// Adds a filter.
    pub fn filter(mut self, field: impl Into<String>, op: Op, value: impl Into<Json>) -> Self {
        self.filters.push((field.into(), op, value.into()));
        self
    }

    /// Adds an order, smallest first.
    pub fn ascending(mut self, field: impl Into<String>) -> Self {
        self.order.push(Order { field: field.into(), descending: false });
        self
    }

    /// Adds an order, largest first.
    pub fn descending(mut self, field: impl Into<String>) -> Self {
        self.order.push(Order { field: field.into(), descending: true });
        self
    }

    /// Searches `text` in `fields`.
    pub fn search<F: Into<String>>(mut self, text: impl Into<String>, fields: impl IntoIterator<Item = F>) -> Self {
        self.search = Some(text.into());
        self.search_in = fields.into_iter().map(Into::into).collect();
        self
    }

    /// The page after `row`.
    pub fn after(mut self, row: Row) -> Self {
        self.after = Some(row);
        self
    }

    /// At most so many.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }
}
