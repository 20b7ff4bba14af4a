//! The batteries-included gRPC application framework.
//!
//! A *site* is a program made of *apps*: folders under `src/apps` with models, migrations and services. You write a
//! proto and an implementation; `steeple-build` finds both, and Steeple gives them a server with discovery, an
//! interceptor pipeline, a request log, statistics, metrics, health, reflection and a command line.
//!
//! ```ignore
//! // build.rs
//! fn main() { steeple_build::run() }
//!
//! // src/main.rs
//! mod apps;
//! steeple::site!();
//!
//! fn main() -> std::process::ExitCode {
//!     steeple::Server::new(site()).main()
//! }
//! ```
//!
//! # Three values
//!
//! Everything reads one of three descriptions: a [`Model`](model::Model) (one table), a [`Method`](method::Method) (one
//! RPC), a [`Call`](record::Call) (one call that happened). A feature that needs a fourth is designed wrong.
//!
//! # Floors
//!
//! A module imports only what stands before it (held by a test):
//!
//! | floor | modules |
//! |---|---|
//! | ground | [`error`], [`clock`] |
//! | data | [`db`], [`model`] |
//! | pieces | [`method`], [`record`], [`auth`], [`audit`], [`cache`], [`signal`], [`node`], [`bus`], [`centrifugo`] |
//! | wire | [`context`], [`service`], [`interceptor`], [`stream`] |
//! | house | [`config`], [`app`], [`login`], [`server`] |
//! | doors | dynamic calls, the REST API, [`admin`], the command line |

#![warn(missing_docs)]

// What tests in this crate share with those in `tests/it` names it from outside.
#[cfg(test)]
extern crate self as steeple;

pub mod clock;
pub mod error;

pub mod db;
pub mod model;

pub mod audit;
pub mod auth;
pub mod bus;
pub mod cache;
pub mod centrifugo;
pub mod method;
pub mod node;
pub mod record;
pub mod signal;

pub mod context;
pub mod interceptor;
pub mod service;
pub mod stream;

pub mod app;
pub mod config;
pub mod login;
pub mod server;

pub mod admin;
mod commands;
mod doors;
mod invoke;
mod monitor;
mod problem;

pub use app::{App, ModelAdmin, Setup, Site};
pub use auth::{Access, Principal, User};
pub use cache::Cache;
pub use config::Config;
pub use context::Context;
pub use db::Db;
pub use error::{Code, Error, Result};
pub use interceptor::{Interceptor, Next, Request, Response};
pub use model::Fixed;
pub use server::Server;
pub use service::{ReadOnlyService, Service};
pub use signal::Signals;
pub use stream::{Replies, Streaming};

/// Puts what `steeple-build` made of this site's protos and apps into the module that calls it: `pub mod pb` with the
/// messages and service traits, `DESCRIPTORS`, and `fn site()`.
///
/// Write `mod apps;` beside it, by hand: rustfmt and editors follow a written line only.
#[macro_export]
macro_rules! site {
    () => {
        /// Messages and services of this site's protos, by package.
        #[allow(dead_code, missing_docs, unused_qualifications, clippy::all, clippy::pedantic, reason = "generated")]
        pub mod pb {
            include!(concat!(env!("OUT_DIR"), "/pb.rs"));
        }
        include!(concat!(env!("OUT_DIR"), "/site.rs"));
    };
}
