//! What a service does with its connected clients.

use std::future::{Future, ready};

use super::{Cause, Protocol, Session};
use crate::{Context, error::Result};

/// What a service does when clients come, speak and leave.
///
/// One session's messages are handled one after another, in the order in which they came; heartbeats and acks do not
/// wait for them, so a handler may send its own client a command and wait for the ack. An error or a panic of a
/// handler is counted and logged, and the session goes on.
pub trait Handlers: Protocol {
    /// What the service keeps of each session: `session.state()`. Use `()` for nothing, and locks or atomics for what
    /// changes; it goes when the session goes.
    type State: Default + Send + Sync + 'static;

    /// Whether this caller (`cx.principal()`) may go by this name: the one rule there is, on every node. Superusers may
    /// without being asked about. Whoever is let in takes the name over from the session that has it, whosever that is, so
    /// a name has to belong to somebody.
    ///
    /// # Errors
    /// Whatever the client shall read.
    fn admit(&self, cx: &Context, client_id: &str) -> impl Future<Output = Result<()>> + Send;

    /// Something came from a client.
    ///
    /// # Errors
    /// Counted and logged; the client is not told.
    fn handle(&self, session: &Session<Self>, content: Self::Content) -> impl Future<Output = Result<()>> + Send;

    /// A client has connected: commands reach it now, its messages are read when this is done.
    /// [`Session::is_resumed`] tells whether it was away for a moment only.
    ///
    /// # Errors
    /// The session ends, and this is what the client reads.
    fn connected(&self, _session: &Session<Self>) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }

    /// An ack came that nobody waits for: of a command that was sent without waiting, or, with `late`, after whoever
    /// waited had given up.
    ///
    /// # Errors
    /// Counted and logged.
    fn unawaited(
        &self,
        _session: &Session<Self>,
        _ack: Self::Ack,
        _late: bool,
    ) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }

    /// The session is over; the client may be back within the grace.
    ///
    /// # Errors
    /// Logged.
    fn disconnected(&self, _session: &Session<Self>, _cause: Cause) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }

    /// The grace is over and the client is not back on this node. Not called for a session that another one replaced, nor
    /// when the node stops.
    ///
    /// # Errors
    /// Logged.
    fn offline(&self, _session: &Session<Self>, _cause: Cause) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }
}
