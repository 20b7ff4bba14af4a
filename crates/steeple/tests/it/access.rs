//! Who may call what, with real credentials over the wire.

mod asked;
mod callers;
mod matrix;
mod rules;
mod trouble;
