//! Why a client was not reached, and whether the command may have run: the one table.
//!
//! Must never: say that a command did not run when it may have.

use std::time::Duration;

use crate::error::{DOMAIN, Error};

/// The reasons in the `google.rpc.ErrorInfo` of the bus's errors, domain `steeple`.
///
/// | reason | code | may it have run? |
/// |---|---|---|
/// | `CLIENT_NOT_CONNECTED` | FAILED_PRECONDITION | no |
/// | `ROUTE_SETTLING` | UNAVAILABLE, with RetryInfo | no |
/// | `BUS_AWAY` | UNAVAILABLE, with RetryInfo | no |
/// | `BUS_FULL` | RESOURCE_EXHAUSTED | no |
/// | `COMMAND_LATE` | DEADLINE_EXCEEDED | no |
/// | `NODE_SILENT` | DEADLINE_EXCEEDED | maybe; it does not begin after its deadline |
/// | `CLIENT_SILENT` | DEADLINE_EXCEEDED | maybe |
/// | `CLIENT_LEFT` | ABORTED | maybe |
/// | `SUPERSEDED` | ABORTED | no: the registration failed |
pub mod reason {
    /// No node has a session of this client.
    pub const CLIENT_NOT_CONNECTED: &str = "CLIENT_NOT_CONNECTED";
    /// No node answered for this client, but some may still be reconnecting.
    pub const ROUTE_SETTLING: &str = "ROUTE_SETTLING";
    /// The broker cannot be reached from here.
    pub const BUS_AWAY: &str = "BUS_AWAY";
    /// Too many requests wait already, or the command is too large for the broker.
    pub const BUS_FULL: &str = "BUS_FULL";
    /// The command came to the client's node after its deadline and was refused there.
    pub const COMMAND_LATE: &str = "COMMAND_LATE";
    /// Nothing was heard of the client's node by the deadline.
    pub const NODE_SILENT: &str = "NODE_SILENT";
    /// The command is in the client's queue, and the client did not answer by the deadline.
    pub const CLIENT_SILENT: &str = "CLIENT_SILENT";
    /// The client's session ended with the command in its hands.
    pub const CLIENT_LEFT: &str = "CLIENT_LEFT";
    /// A newer session has the name.
    pub const SUPERSEDED: &str = "SUPERSEDED";
}

/// What went wrong on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    NotConnected,
    Settling { wait: Duration },
    Away,
    TooManyWaiting,
    TooLarge { most: usize },
    Late,
    NodeSilent,
    ClientSilent,
    Left,
    Superseded,
}

impl Fault {
    /// The error that the caller of a command for the client `id` gets.
    pub fn of(self, id: &str) -> Error {
        let (error, reason) = match self {
            Self::NotConnected => {
                (Error::failed_precondition(format!("client {id} is not connected")), reason::CLIENT_NOT_CONNECTED)
            }
            Self::Settling { wait } => (
                Error::unavailable(format!("client {id} may be reconnecting, try again")).retry_after(wait),
                reason::ROUTE_SETTLING,
            ),
            Self::Away => (
                Error::unavailable(format!("client {id} is not connected here, and other nodes cannot be reached now"))
                    .retry_after(Duration::from_secs(1)),
                reason::BUS_AWAY,
            ),
            Self::TooManyWaiting => {
                (Error::resource_exhausted("too many commands are waiting for answers"), reason::BUS_FULL)
            }
            Self::TooLarge { most } => (
                Error::resource_exhausted(format!("the command is larger than the {most} bytes that the bus carries")),
                reason::BUS_FULL,
            ),
            Self::Late => (
                Error::deadline_exceeded(format!(
                    "the command came too late to the node of client {id}, and did not run"
                )),
                reason::COMMAND_LATE,
            ),
            Self::NodeSilent => (
                Error::deadline_exceeded(format!("the node of client {id} did not answer in time")),
                reason::NODE_SILENT,
            ),
            Self::ClientSilent => {
                (Error::deadline_exceeded(format!("client {id} did not answer in time")), reason::CLIENT_SILENT)
            }
            Self::Left => (Error::aborted(format!("client {id} left before it answered")), reason::CLIENT_LEFT),
            Self::Superseded => (Error::aborted(format!("another session took the name {id}")), reason::SUPERSEDED),
        };
        error.reason(reason, DOMAIN)
    }
}
