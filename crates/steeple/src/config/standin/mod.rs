//! Stand-ins until `db` and `record` are merged.
#![allow(missing_docs)]
pub mod database;
pub mod log;
