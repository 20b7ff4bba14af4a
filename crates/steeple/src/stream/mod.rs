//! Streams: messages on their way in and out of a method, and clients that stay connected.
//!
//! [`Streaming`] and [`Replies`] are the two halves of any streaming method. On them stands a [`Hub`]: it takes a
//! bidirectional call (`hub.connect(cx, messages)`), learns the client's name from its first message, and keeps a
//! [`Session`] until the client has left. Meanwhile anybody in the site may send that client commands, and wait for its
//! answers. A service says what it speaks ([`Protocol`]) and what it does ([`Handlers`]).
//!
//! ```text
//! messages ─▶ one task per session ─▶ heartbeat: the clock · ack: whoever waits · content: its handler
//! commands ─▶ one bounded queue per session ─▶ the call's answer; a full queue refuses, nobody waits
//! ```
//!
//! The end of a session has one door, with a [`Cause`]: no more commands, waiting acks fail, the row is written, the grace
//! begins. What the node knows of its clients it keeps in two tables, see [`Connections`].
//!
//! With a bus over many nodes a hub reaches every client of its service, wherever it is connected, and a client that
//! connects again on another node is found there at once: its older session ends, [`Cause::Replaced`]. Processes without
//! a hub have [`Remote`]. The callers of sessions are looked up again and again ([`Cause::Revoked`]), and what is said can
//! be published to browsers, see [`StreamingConfig`].
//!
//! Must never: hold a lock across an await, wait for a client that does not read, or let one client delay another.

mod ack;
mod caught;
mod cause;
mod config;
mod counts;
mod handlers;
mod hub;
mod hubs;
mod line;
mod messages;
mod protocol;
mod published;
mod recheck;
mod refused;
mod registry;
mod remote;
mod session;
mod state;
mod task;
mod wire;

pub use cause::Cause;
pub use config::{Config, DuplicatePolicy, StreamingConfig};
pub use handlers::Handlers;
pub use hub::{Broadcast, Hub, To};
pub(crate) use hubs::{Hubs, Parts};
pub(crate) use messages::Outgoing;
pub use messages::{Replies, Sender, Streaming};
pub use protocol::{Incoming, Protocol};
pub use remote::Remote;
pub use session::Session;
pub(crate) use state::migrations;
pub use state::{Connection, Connections, Event, EventKind, Status};
