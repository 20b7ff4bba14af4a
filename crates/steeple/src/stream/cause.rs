//! Why a session ended, and what its client is told.

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::error::{DOMAIN, Error};

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The client said it has no more to say; what it said before was handled. It reads OK.
    ClosedByClient,
    /// The client broke off, or its connection ended. Nobody is left to be told.
    Cancelled,
    /// Nothing came from the client for `heartbeat_timeout`. UNAVAILABLE.
    HeartbeatLost,
    /// Another session took the client's name. ABORTED.
    Replaced,
    /// The client did not read for `heartbeat_timeout` what waits for it. RESOURCE_EXHAUSTED.
    Slow,
    /// The node is about to stop; the client may connect to another. UNAVAILABLE with RetryInfo.
    Drained,
    /// The node stopped while the session was open. UNAVAILABLE.
    Shutdown,
    /// The service ended it: `session.end(…)`. ABORTED.
    Ended,
    /// The caller's credential holds no more, its user was disabled, or rights it connected with were taken from it.
    /// UNAUTHENTICATED, PERMISSION_DENIED, or UNAVAILABLE when it may connect again with the rights that are left.
    Revoked,
    /// The client was not let in, or broke a rule of the stream: what it reads says which.
    Refused,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ClosedByClient,
        Self::Cancelled,
        Self::HeartbeatLost,
        Self::Replaced,
        Self::Slow,
        Self::Drained,
        Self::Shutdown,
        Self::Ended,
        Self::Revoked,
        Self::Refused,
    ];

    /// `closed_by_client`, `heartbeat_lost`, …: as it stands in rows and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClosedByClient => "closed_by_client",
            Self::Cancelled => "cancelled",
            Self::HeartbeatLost => "heartbeat_lost",
            Self::Replaced => "replaced",
            Self::Slow => "slow",
            Self::Drained => "drained",
            Self::Shutdown => "shutdown",
            Self::Ended => "ended",
            Self::Revoked => "revoked",
            Self::Refused => "refused",
        }
    }

    /// Whether the client still gets the commands that were queued before the end. Where it does not, it would read
    /// them late, or beside a session that took its place.
    pub(super) fn keeps_queue(self) -> bool {
        matches!(self, Self::ClosedByClient | Self::Drained | Self::Ended | Self::Refused)
    }

    /// Whether the client is expected back: then it is not yet offline.
    pub(super) fn has_grace(self) -> bool {
        !matches!(self, Self::Replaced | Self::Revoked | Self::Shutdown)
    }

    /// The last thing the client reads; `None` is OK. [`Cause::Ended`], [`Cause::Revoked`] and [`Cause::Refused`] come with
    /// their own.
    pub(super) fn status(self, patience: Duration) -> Option<Error> {
        let seconds = patience.as_secs_f64();
        let error = match self {
            Self::ClosedByClient => return None,
            Self::Cancelled => Error::cancelled("the client left before the end"),
            Self::HeartbeatLost => Error::unavailable(format!("nothing came from this client for {seconds} s"))
                .reason("HEARTBEAT_LOST", DOMAIN),
            Self::Replaced => {
                Error::aborted("another session of this client took its place").reason("REPLACED", DOMAIN)
            }
            Self::Slow => {
                Error::resource_exhausted(format!("this client did not read for {seconds} s")).reason("SLOW", DOMAIN)
            }
            Self::Drained => Error::unavailable("the server is about to stop, connect again")
                .reason("DRAINED", DOMAIN)
                .retry_after(patience),
            Self::Shutdown => Error::unavailable("the server is shutting down").reason("SHUTDOWN", DOMAIN),
            Self::Ended => Error::aborted("the service ended this session").reason("ENDED", DOMAIN),
            Self::Revoked => Error::unauthenticated("the credential of this session does not hold any more")
                .reason("REVOKED", DOMAIN),
            Self::Refused => Error::failed_precondition("the session was refused"),
        };
        Some(error)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
