//! Models: what a SeaORM entity says about itself, as data, and its rows behind one handle.
//!
//! [`Model`] is made from an entity once, at registration (`app.model::<coin::Entity>()`), and read by whoever needs to
//! know fields, keys and relations without the entity's type. [`ModelRows`] reads and writes its rows as JSON objects.
//!
//! Must never: ask more of an entity than SeaORM does, fail a page for one bad cell, or drop a field it does not know.

mod described;
mod field;
mod fixed;
mod query;
mod rows;
mod rows_error;
mod value;

pub use self::{
    described::Model,
    field::{Field, Relation},
    fixed::{Fixed, FixedError},
    query::{Op, Order, Query},
    rows::{ModelRows, Registered, Row, Rows},
    rows_error::{FieldProblem, RowsError},
};
