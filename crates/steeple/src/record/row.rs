//! One row of the request log, as borrowed values ready to bind.
//!
//! Takes a call and a [`Scratch`] to format into, so that a row costs no allocation. Texts are cut to their columns and
//! rid of what a database would refuse. Must never: read anything but the call.

use std::{borrow::Cow, fmt, net::SocketAddr, sync::atomic::Ordering::Relaxed};

use tonic::Code;

use super::{
    Call, RequestId, State,
    call::{REQUEST_ID_LIMIT, shortened},
};

/// Longest `service_name` and `method_name`, in bytes. `full_method` may be twice as long.
pub(super) const NAME_LIMIT: usize = 200;
/// Longest `user_agent` that is kept, in bytes.
pub(super) const USER_AGENT_LIMIT: usize = 500;

/// The columns, in the order of the table, without the id.
pub(super) const COLUMNS: [&str; 22] = [
    "request_id",
    "service_name",
    "method_name",
    "method_key",
    "full_method",
    "request_size",
    "response_size",
    "request_messages",
    "response_messages",
    "status",
    "grpc_status_code",
    "error_message",
    "duration_ms",
    "duration_us",
    "user_id",
    "api_key_id",
    "is_authenticated",
    "client_ip",
    "user_agent",
    "peer",
    "created_at",
    "completed_at",
];

/// The values of [`COLUMNS`]. Times are microseconds since 1970.
pub(super) struct Row<'a> {
    pub request_id: &'a str,
    pub service_name: &'a str,
    pub method_name: &'a str,
    pub method_key: i64,
    pub full_method: &'a str,
    pub request_size: i64,
    pub response_size: i64,
    pub request_messages: i64,
    pub response_messages: i64,
    /// The number of the code; `None` while the call runs.
    pub code: Option<i16>,
    pub status: &'static str,
    pub grpc_status_code: Option<&'static str>,
    pub error_message: Option<Cow<'a, str>>,
    pub duration_ms: Option<i64>,
    pub duration_us: Option<i64>,
    pub user_id: Option<i64>,
    pub api_key_id: Option<i64>,
    pub is_authenticated: bool,
    pub client_ip: Option<&'a str>,
    pub user_agent: Option<Cow<'a, str>>,
    pub peer: Option<&'a str>,
    pub created_at: i64,
    pub completed_at: Option<i64>,
}

/// Room for the texts of one row that exist nowhere yet.
#[derive(Default)]
pub(super) struct Scratch {
    id: Text<REQUEST_ID_LIMIT>,
    peer: Text<64>,
}

impl<'a> Row<'a> {
    pub(super) fn of(call: &'a Call, scratch: &'a mut Scratch) -> Self {
        let Scratch { id, peer } = scratch;
        let method = &*call.method;
        let (request_size, request_messages) = call.request_size();
        let (response_size, response_messages) = call.response_size();
        let outcome = call.outcome();
        let duration_us = outcome.map(|outcome| outcome.duration.as_micros() as i64);
        let caller = call.caller.get().copied().unwrap_or_default();
        let (client_ip, peer) = call.peer.map(|address| peer.address(address)).unzip();
        Self {
            request_id: id.request_id(&call.id),
            service_name: shortened(&method.service, NAME_LIMIT),
            method_name: shortened(&method.name, NAME_LIMIT),
            method_key: method.key,
            full_method: shortened(&method.path, 2 * NAME_LIMIT),
            request_size: request_size as i64,
            response_size: response_size as i64,
            request_messages: request_messages.into(),
            response_messages: response_messages.into(),
            code: outcome.map(|outcome| outcome.code as i16),
            status: outcome.map_or(State::Pending, |outcome| State::of(outcome.code)).as_str(),
            grpc_status_code: outcome.map(|outcome| code_name(outcome.code)),
            error_message: outcome.and_then(|outcome| outcome.message.as_deref()).map(clean),
            duration_ms: duration_us.map(|us| us / 1000),
            duration_us,
            user_id: caller.user_id,
            api_key_id: caller.api_key_id,
            is_authenticated: caller.user_id.is_some() || caller.api_key_id.is_some(),
            client_ip,
            user_agent: call.user_agent.as_ref().map(|agent| user_agent(agent.as_bytes())),
            peer,
            created_at: call.started_at,
            completed_at: duration_us.map(|us| call.started_at + us),
        }
    }
}

/// Whether the row exists already: it was written while the call ran.
pub(super) fn written(call: &Call) -> Option<i64> {
    Some(call.row.load(Relaxed)).filter(|&id| id > 0)
}

/// When the call ended, in microseconds since 1970.
pub(super) fn completed_at(call: &Call) -> Option<i64> {
    call.outcome().map(|outcome| call.started_at + outcome.duration.as_micros() as i64)
}

fn user_agent(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(&bytes[..bytes.len().min(USER_AGENT_LIMIT)]) {
        Cow::Borrowed(text) => Cow::Borrowed(text),
        // Replacement characters are longer than what they replace.
        Cow::Owned(text) => Cow::Owned(shortened(&text, USER_AGENT_LIMIT).to_owned()),
    }
}

/// PostgreSQL refuses NUL in text, and SQLite's tools stop at it.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&0) { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// The name of a code in the gRPC specification: `OK`, `NOT_FOUND`.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// A short text on the stack. What does not fit is cut.
struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> Text<N> {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("only whole characters are written")
    }

    fn request_id<'a>(&'a mut self, id: &'a RequestId) -> &'a str {
        match id {
            RequestId::Given(id) => id.to_str().unwrap_or_default(),
            RequestId::New(id) => {
                let text = id.hyphenated().encode_lower(&mut self.bytes[..]);
                self.len = text.len();
                text
            }
        }
    }

    /// The address alone, and with its port. A mapped IPv4 address is written as IPv4.
    fn address(&mut self, address: SocketAddr) -> (&str, &str) {
        use fmt::Write as _;
        let ip = address.ip().to_canonical();
        let open = usize::from(ip.is_ipv6());
        self.len = 0;
        // The longest address with its port has 47 bytes, so writing cannot fail for want of room.
        let _ = if open == 1 { write!(self, "[{ip}") } else { write!(self, "{ip}") };
        let end = self.len;
        let _ = write!(self, "{}:{}", if open == 1 { "]" } else { "" }, address.port());
        let text = self.as_str();
        (&text[open..end], text)
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let text = shortened(text, N - self.len);
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;

    use super::*;
    use crate::method::Method;

    fn row_of(call: &Call, check: impl FnOnce(Row<'_>)) {
        check(Row::of(call, &mut Scratch::default()));
    }

    #[test]
    fn a_running_call_is_pending_and_a_closed_one_says_how_it_ended() {
        let method = Arc::new(Method::other("/crypto.CryptoService/GetCoin"));
        let given = HeaderValue::from_static("abc-1");
        let call = Call::open(RequestId::of(Some(&given)), method, "[::ffff:10.1.2.3]:77".parse().ok(), None);
        row_of(&call, |row| {
            assert_eq!((row.status, row.grpc_status_code, row.completed_at), ("pending", None, None));
            assert_eq!((row.client_ip, row.peer), (Some("10.1.2.3"), Some("10.1.2.3:77")));
            assert_eq!((row.service_name, row.method_name), ("crypto.CryptoService", "GetCoin"));
        });
        call.close(Code::NotFound, Some("no\0coin"));
        row_of(&call, |row| {
            assert_eq!((row.status, row.grpc_status_code), ("error", Some("NOT_FOUND")));
            assert_eq!(row.error_message.as_deref(), Some("no\u{fffd}coin"));
            assert_eq!(row.request_id, "abc-1");
            assert_eq!(row.duration_us.map(|us| us / 1000), row.duration_ms);
            assert!(!row.is_authenticated);
        });
    }

    #[test]
    fn texts_fit_their_columns() {
        let path = format!("/{}/{}", "s".repeat(500), "é".repeat(500));
        let agent = HeaderValue::from_bytes(&[0xff; 900]).unwrap();
        let peer = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535".parse().ok();
        let call = Call::open(RequestId::of(None), Arc::new(Method::other(&path)), peer, Some(agent));
        row_of(&call, |row| {
            assert_eq!((row.service_name.len(), row.method_name.len(), row.full_method.len()), (200, 200, 400));
            assert!(row.user_agent.is_some_and(|agent| agent.len() <= USER_AGENT_LIMIT && agent.contains('\u{fffd}')));
            assert_eq!(row.peer, Some("[2001:db8:1111:2222:3333:4444:5555:6666]:65535"));
            assert_eq!(row.client_ip, Some("2001:db8:1111:2222:3333:4444:5555:6666"));
            assert_eq!(row.request_id.len(), 36);
        });
    }
}
