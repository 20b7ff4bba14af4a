//! Who may call what, with real credentials over the wire.

mod callers;
mod helpers;
mod matrix;
mod rules;
mod trouble;
