//! The demonstration site of Steeple: its apps stand in `src/apps`, its contract in `proto`.
//!
//! A library beside the binary, so that tests and the bench start the same server in their own process.

pub mod agent;
pub mod apps;
mod convert;
mod input;
mod paging;
mod schema;
mod search;

steeple::site!();

/// The site behind a server, as `main` and the tests run it.
pub fn server() -> steeple::Server {
    steeple::Server::new(site())
}
