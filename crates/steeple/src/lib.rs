//! The batteries-included gRPC application framework.

#![warn(missing_docs)]

pub mod clock;
pub mod error;

pub mod db;
pub mod model;

pub mod method;
pub mod record;

pub mod interceptor;

pub mod config;
pub mod server;

pub use error::{Code, Error, Result};
