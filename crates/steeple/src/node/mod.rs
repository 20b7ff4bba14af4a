//! The servers of a site: each writes a row about itself, and reads what the others wrote.
//!
//! A [`Node`] is this process: it writes its row at start, at each heartbeat and in the drain. [`list`] gives all of them,
//! with a judgement of who lives: by the heartbeat, which each row promises for itself; and in development, on the same
//! host, by the process id too, so that a killed server is seen to be gone at once.
//!
//! Must never: touch the row of a living server that is not this process, whatever address the two share; keep a server
//! from starting, or a call waiting, because its row cannot be written.

mod config;
mod host;
pub mod migrations;
mod servers;
mod table;
mod this;

pub use config::Config;
pub use host::hostname;
pub use migrations::migrations;
pub use servers::{Event, EventKind, Liveness, Server, Uptime, events, list, uptime};
pub use this::{About, Figures, Node, Served, State};
