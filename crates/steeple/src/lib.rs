//! The batteries-included gRPC application framework.

#![warn(missing_docs)]

pub mod clock;
pub mod error;

pub mod db;
pub mod model;

pub mod method;
pub mod record;

pub use db::Db;
pub use error::{Code, Error, Result};
