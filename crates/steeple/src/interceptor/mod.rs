//! The way of a call: from the head of an HTTP/2 request to the last byte of its answer.
//!
//! `Pipeline` looks the path up in the catalog, makes the [`Context`], opens the record and runs the rooms in a fixed
//! order, the same for all four shapes of method:
//!
//! ```text
//! record → recover → deadline → limit → authenticate → authorize → the site's interceptors → decode → method
//! ```
//!
//! A site's own interceptors are a list per method, made at start, so that the order can be printed and tested. Each is
//! given the request and an owned [`Next`]; an [`Error`] crosses the list as `Err`, with its cause, and becomes a
//! status once, outside (`refuse`).
//!
//! Must never: look at message bytes except to count them and to bound them, write SQL, or skip a room that was asked for.

mod body;
mod bounded;
mod chain;
mod config;
mod forwarded;
mod framer;
mod pipeline;
mod ticket;
mod timeout;

use std::any::Any;

pub(crate) use chain::{BoxFuture, Entry, Link};
pub use chain::{Interceptor, Next, Request, Response};
pub use config::Config;
pub(crate) use forwarded::Proxies;
pub(crate) use pipeline::{Asker, Pipeline, Shared};
use tonic::{Status, metadata::MetadataMap};

use crate::{Context, error::Error};

/// The names of the rooms every method has, before the site's own interceptors.
pub const ROOMS: [&str; 6] = ["record", "recover", "deadline", "limit", "authenticate", "authorize"];

/// The one place where an error becomes a status: closes the record with what the log may know, and gives the caller
/// the public sentence, the details, the request id and the metadata that the method had set.
pub(crate) fn refuse(cx: &Context, error: Error) -> Status {
    cx.call().close(error.code(), Some(&error.for_log()));
    let mut metadata = cx.take_metadata();
    metadata.extend(cx.take_trailers());
    let request_id = cx.request_id().to_string();
    if let Ok(id) = http::HeaderValue::try_from(&request_id) {
        metadata.insert("x-request-id", id);
    }
    error.into_status(&request_id, MetadataMap::from_headers(metadata))
}

/// INTERNAL for the caller; the log learns what the panic said.
pub(crate) fn panic_error(panic: &(dyn Any + Send)) -> Error {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal("internal error").because(format!("panicked: {}", said.unwrap_or("(no text)")))
}
