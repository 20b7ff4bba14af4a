//! The open record of one call: counters that both halves of the wire add to, and an outcome that is set once.
//!
//! Must never: allocate after it was made, but for the text of a failure.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use http::HeaderValue;
use tonic::Code;
use uuid::Uuid;

use crate::{clock, method::Method};

/// Longest text of a failure that is kept, in bytes.
pub const MESSAGE_LIMIT: usize = 4096;
/// Longest request id taken from metadata, in bytes; a longer one is replaced by a new id.
pub const REQUEST_ID_LIMIT: usize = 100;

/// The name of a call: the caller's own `x-request-id`, or a new UUID of version 7 (RFC 9562), ordered by time.
#[derive(Clone, PartialEq, Eq)]
pub enum RequestId {
    /// Made here.
    New(Uuid),
    /// Came with the call: visible ASCII, at most [`REQUEST_ID_LIMIT`] bytes.
    Given(HeaderValue),
}

impl RequestId {
    /// Takes the caller's id if it is fit to be written to logs and tables, else makes a new one.
    pub fn of(given: Option<&HeaderValue>) -> Self {
        match given {
            Some(id)
                if !id.is_empty() && id.len() <= REQUEST_ID_LIMIT && id.as_bytes().iter().all(u8::is_ascii_graphic) =>
            {
                Self::Given(id.clone())
            }
            _ => Self::New(Uuid::now_v7()),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(id) => fmt::Display::fmt(id, f),
            Self::Given(id) => f.write_str(id.to_str().unwrap_or_default()),
        }
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who called, as far as the row wants to know. Set by authentication.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caller {
    /// `auth_user.id`.
    pub user_id: Option<i64>,
    /// `steeple_api_key.id`.
    pub api_key_id: Option<i64>,
}

/// The `status` column of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Still running.
    Pending,
    /// OK.
    Success,
    /// Any code but OK, CANCELLED and DEADLINE_EXCEEDED.
    Error,
    /// CANCELLED: the caller left, or the server was told to stop.
    Cancelled,
    /// DEADLINE_EXCEEDED.
    Timeout,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Success, Self::Error, Self::Cancelled, Self::Timeout];

    /// The state of a call that ended with `code`.
    pub fn of(code: Code) -> Self {
        match code {
            Code::Ok => Self::Success,
            Code::Cancelled => Self::Cancelled,
            Code::DeadlineExceeded => Self::Timeout,
            _ => Self::Error,
        }
    }

    /// `pending`, `success`, `error`, `cancelled` or `timeout`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The gRPC code.
    pub code: Code,
    /// What the log keeps of a failure: the public sentence and its causes, at most [`MESSAGE_LIMIT`] bytes.
    pub message: Option<Box<str>>,
    /// From the request's head to the last byte, or to the moment the caller was seen to be gone.
    pub duration: Duration,
}

/// One call, from its head to its end.
#[derive(Debug)]
pub struct Call {
    pub(crate) id: RequestId,
    pub(crate) method: Arc<Method>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) caller: OnceLock<Caller>,
    /// Microseconds since 1970.
    pub(crate) started_at: i64,
    started: Instant,
    request_bytes: AtomicU64,
    request_messages: AtomicU32,
    response_bytes: AtomicU64,
    response_messages: AtomicU32,
    outcome: OnceLock<Outcome>,
    /// The id of the row that was written while the call ran, 0 for none. Only the recorder's thread writes it.
    pub(crate) row: AtomicI64,
}

impl Call {
    /// Opens the record of a call that begins now.
    pub fn open(id: RequestId, method: Arc<Method>, peer: Option<SocketAddr>, user_agent: Option<HeaderValue>) -> Self {
        Self::open_at(Instant::now(), id, method, peer, user_agent)
    }

    /// Opens the record of a call that began at `started`, moments ago.
    pub(crate) fn open_at(
        started: Instant,
        id: RequestId,
        method: Arc<Method>,
        peer: Option<SocketAddr>,
        user_agent: Option<HeaderValue>,
    ) -> Self {
        Self {
            id,
            method,
            peer,
            user_agent,
            caller: OnceLock::new(),
            started_at: clock::now().timestamp_micros(),
            started,
            request_bytes: AtomicU64::new(0),
            request_messages: AtomicU32::new(0),
            response_bytes: AtomicU64::new(0),
            response_messages: AtomicU32::new(0),
            outcome: OnceLock::new(),
            row: AtomicI64::new(0),
        }
    }

    /// The call's id.
    pub fn id(&self) -> &RequestId {
        &self.id
    }

    /// The method that was called.
    pub fn method(&self) -> &Arc<Method> {
        &self.method
    }

    /// Authentication says who calls. Only the first one counts; tells whether this was it.
    pub fn authenticated(&self, caller: Caller) -> bool {
        self.caller.set(caller).is_ok()
    }

    /// Who calls, if authentication said so.
    pub fn caller(&self) -> Option<Caller> {
        self.caller.get().copied()
    }

    /// When the call's head arrived, for measuring.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Adds to what came in: bytes of the body as on the wire, and whole messages.
    pub fn count_request(&self, bytes: u64, messages: u32) {
        self.request_bytes.fetch_add(bytes, Relaxed);
        self.request_messages.fetch_add(messages, Relaxed);
    }

    /// Adds to what went out.
    pub fn count_response(&self, bytes: u64, messages: u32) {
        self.response_bytes.fetch_add(bytes, Relaxed);
        self.response_messages.fetch_add(messages, Relaxed);
    }

    /// Bytes and messages that came in so far.
    pub fn request_size(&self) -> (u64, u32) {
        (self.request_bytes.load(Relaxed), self.request_messages.load(Relaxed))
    }

    /// Bytes and messages that went out so far.
    pub fn response_size(&self) -> (u64, u32) {
        (self.response_bytes.load(Relaxed), self.response_messages.load(Relaxed))
    }

    /// How the call ended; `None` while it runs.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get()
    }

    /// Sets the outcome, now. Only the first one counts; tells whether this was it.
    pub fn close(&self, code: Code, message: Option<&str>) -> bool {
        let message = message.filter(|text| !text.is_empty()).map(|text| shortened(text, MESSAGE_LIMIT).into());
        self.outcome.set(Outcome { code, message, duration: self.started.elapsed() }).is_ok()
    }
}

#[cfg(test)]
impl Call {
    /// A call that ended in the past: begun at `started_at`, in microseconds since 1970.
    pub(crate) fn past(method: Arc<Method>, started_at: i64, duration: Duration, code: Code) -> Self {
        let call = Self { started_at, ..Self::open(RequestId::of(None), method, None, None) };
        call.outcome.set(Outcome { code, message: None, duration }).expect("it was just opened");
        call
    }
}

/// At most `limit` bytes of `text`, cut between characters.
pub(crate) fn shortened(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}
