//! The two bodies of a call: counted, bounded, and watched for the end.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use percent_encoding::percent_decode;
use tonic::{Code, Status, body::Body};

use super::{
    bounded::Bounds,
    framer::{Framer, TooLarge},
    panic_error, refuse,
    ticket::Ticket,
};
use crate::{Context as CallContext, error::Error};

/// What the client sends. A message over the limit is refused at its length prefix, before its bytes are read.
pub(crate) struct RequestBody {
    inner: Body,
    cx: CallContext,
    framer: Framer,
    limit: usize,
    /// The end of the body, when the messages before the one that is too large have been handed on.
    refused: Option<Status>,
}

impl RequestBody {
    pub fn new(inner: Body, cx: CallContext, limit: usize) -> Self {
        Self { inner, cx, framer: Framer::default(), limit, refused: None }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(status) = &self.refused {
            return Poll::Ready(Some(Err(status.clone())));
        }
        let mut data = match ready!(Pin::new(&mut self.inner).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(data))) => data,
            Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame))),
            // Whatever HTTP/2 calls it (a reset, a connection that ended), the client left in the middle of its request.
            Some(Err(_)) => {
                self.cx.break_off();
                return Poll::Ready(Some(Err(Status::cancelled("the client left before the end"))));
            }
            None => return Poll::Ready(None),
        };
        let (size, limit) = (data.len() as u64, self.limit);
        let messages = match self.framer.feed(&data, limit) {
            Ok(messages) => messages,
            Err(TooLarge { size, at, complete }) => {
                self.refused = Some(Status::resource_exhausted(format!(
                    "a message of {size} bytes is larger than the {limit} bytes this server receives"
                )));
                data.truncate(at);
                complete
            }
        };
        self.cx.call().count_request(size, messages);
        match &self.refused {
            Some(status) if data.is_empty() => Poll::Ready(Some(Err(status.clone()))),
            _ => Poll::Ready(Some(Ok(Frame::data(data)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.refused.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What the server answers. Holds the ticket: when it goes, the call has ended.
pub(crate) struct ResponseBody {
    /// `None` when the end is out.
    inner: Option<Body>,
    ticket: Ticket,
    bounds: Bounds,
    framer: Framer,
}

impl ResponseBody {
    pub fn new(inner: Body, ticket: Ticket, bounds: Bounds) -> Self {
        Self { inner: Some(inner), ticket, bounds, framer: Framer::default() }
    }

    /// Ends the body with the status of `error`, whatever was still to come.
    fn end(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.inner = None;
        let mut trailers = HeaderMap::new();
        let status = refuse(&self.ticket.cx, error);
        Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        // Only a stock service's own stream can still panic here; our methods' streams are caught where they run.
        let frame = match catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_frame(cx))) {
            Ok(Poll::Ready(frame)) => frame,
            Ok(Poll::Pending) => {
                let error = ready!(this.bounds.poll_end(cx));
                return this.end(error);
            }
            Err(panic) => return this.end(panic_error(&*panic)),
        };
        let call = this.ticket.cx.call();
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    let messages = this.framer.feed(&data, usize::MAX).unwrap_or_default();
                    call.count_response(data.len() as u64, messages);
                    if let Some(error) = this.bounds.passed() {
                        return this.end(error);
                    }
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                Err(frame) => {
                    let mut trailers = frame.into_trailers().unwrap_or_default();
                    close_by(&this.ticket.cx, &trailers);
                    trailers.extend(this.ticket.cx.take_trailers());
                    this.inner = None;
                    Poll::Ready(Some(Ok(Frame::trailers(trailers))))
                }
            },
            Some(Err(status)) => this.end(Error::from(status)),
            // A body without trailers: a stock service that answered in headers, or a broken one.
            None => {
                this.inner = None;
                call.close(Code::Unknown, Some("the answer ended without a status"));
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

/// Closes the record with the status in these headers or trailers, if there is one; tells whether there was.
pub(crate) fn close_by(cx: &CallContext, headers: &HeaderMap) -> bool {
    let Some(code) = headers.get("grpc-status") else { return false };
    let code = Code::from_bytes(code.as_bytes());
    // On the wire grpc-message is percent-encoded; what our own methods refuse with never comes this way.
    let message = headers.get("grpc-message").map(|message| percent_decode(message.as_bytes()).decode_utf8_lossy());
    cx.call().close(code, message.as_deref());
    true
}
