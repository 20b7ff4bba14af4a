//! The behaviour of Steeple, a module each.

mod config;
