//! The listeners and what runs behind them.

mod config;

pub use config::{Compression, Config};
