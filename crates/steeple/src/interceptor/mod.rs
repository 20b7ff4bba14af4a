//! What stands between the wire and a handler.

mod config;

pub use config::Config;
