//! What a node keeps of its clients in the database: a row for each, and what happened to it.
//!
//! Sessions hand over rows and events without waiting; a task of the node writes them in batches, and brings the rows of
//! connected clients up to date from time to time. Of two rows for one client the one of the later session wins,
//! whichever node writes first; and that of an open session over that of one that has ended, since the clocks of two nodes
//! may tell another order than happened: then the next refresh brings the open one back. What the database refuses is
//! dropped and counted. A row says until when it may be believed, so that clients of a node that died do not look
//! connected.
//!
//! Must never: be waited for by a stream, or keep more than its queue.

mod event;
mod ledger;
mod migrations;
mod query;
mod row;

pub use event::{Kind as EventKind, Model as Event};
pub(super) use ledger::{Ledger, Source};
pub(crate) use migrations::migrations;
pub use query::Connections;
pub use row::{Model as Connection, Status};
