//! Models: what a SeaORM entity says about itself, as data, and its rows behind one handle.
//!
//! [`Model`] is made from an entity once, at registration (`app.model::<coin::Entity>()`), and read by whoever needs to
//! know fields, keys and relations without the entity's type. [`ModelRows`] reads and writes its rows as JSON objects.
//!
//! | in Rust | in JSON |
//! |---|---|
//! | bool, text, whole numbers up to 2^53, floats, JSON | as they are |
//! | larger whole numbers, `Fixed`, `Decimal`, `Uuid`, enums | text |
//! | moments | RFC 3339 text, in UTC; dates and times as ISO 8601 text |
//! | bytes | base64 text |
//! | NULL | `null` |
//!
//! Numbers are also taken as text. A cell that cannot be read is `{"unreadable": "why"}`.
//!
//! Must never: ask more of an entity than SeaORM does, fail a page for one bad cell, or drop a field it does not know.

mod described;
mod field;
mod fixed;
mod prepared;
mod query;
mod rows;
mod rows_error;
mod value;

pub use self::{
    described::Model,
    field::{Field, Relation},
    fixed::{Fixed, FixedError},
    prepared::Prepared,
    query::{Op, Order, Query},
    rows::{ModelRows, Registered, Row, Rows},
    rows_error::{FieldProblem, RowsError},
};
