//! One call that happened, and everything that reads it.
//!
//! [`Call`] is opened by the pipeline before anything else and closed once, whatever happens. A closed call goes to the
//! [`Recorder`], which keeps it in a bounded queue; a thread of its own writes rows
//! ([`table`]), adds up statistics ([`stats`]) and prints console lines ([`console`]). [`log`] asks the tables,
//! [`metrics`] counts for Prometheus on the spot.
//!
//! Must never: fail a call, wait in one (unless `log.on_full = "wait"` asks it to wait at the door), or keep what
//! metadata says beyond the user agent and the request id.

// The databases of `tests/it`, for tests of what is not seen from outside.
#[cfg(test)]
#[path = "../../tests/it/databases.rs"]
#[expect(unused_macros, unused_imports, reason = "made for tests that are asynchronous themselves")]
pub(crate) mod databases;

mod call;
mod callers;
pub mod config;
pub mod console;
mod histogram;
pub mod log;
pub mod metrics;
pub mod migrations;
pub mod recorder;
mod row;
mod running;
mod sink;
pub mod stats;
mod store;
pub mod table;
mod tally;
mod writer;

pub(crate) use call::shortened;
pub use call::{Call, Caller, MESSAGE_LIMIT, Outcome, REQUEST_ID_LIMIT, RequestId, State};
pub use config::{Config, ConsoleLines, Format, OnFull};
pub(crate) use log::Parts;
pub use log::{RequestLog, RequestLogRow};
pub use metrics::Metrics;
pub use migrations::migrations;
pub use recorder::{Finished, Recorder};
pub(crate) use row::{clean, code_name};
pub use running::Slot;
