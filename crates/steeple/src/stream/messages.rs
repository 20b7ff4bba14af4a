//! Messages on their way in and out of a method: [`Streaming`] and [`Replies`].
//!
//! Must never: start a task (the body drives what a method produces, so it ends when the client leaves), or buffer
//! more than the one message that is waiting to be sent.

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{self, Poll, ready},
};

use futures_core::Stream;
use prost::Message;
use tokio::sync::mpsc;

use crate::{
    Context,
    error::{Error, Result},
    interceptor::{panic_error, refuse},
    service::{Wire, fits},
};

/// What the client sends, one message after another.
///
/// ```no_run
/// # use steeple::{Result, Streaming};
/// async fn count<T>(mut messages: Streaming<T>) -> Result<u64> {
///     let mut count = 0;
///     while let Some(_message) = messages.next().await? {
///         count += 1;
///     }
///     Ok(count)
/// }
/// ```
pub struct Streaming<T> {
    messages: tonic::Streaming<T>,
    cx: Context,
}

impl<T> Streaming<T> {
    pub(crate) fn new(messages: tonic::Streaming<T>, cx: Context) -> Self {
        Self { messages, cx }
    }

    /// The next message, or `None` when the client has finished.
    ///
    /// # Errors
    /// The client left (CANCELLED), or sent what is no message of this type or too large a one.
    pub async fn next(&mut self) -> Result<Option<T>> {
        match self.messages.message().await? {
            None => self.end(),
            message => Ok(message),
        }
    }
}

impl<T> Streaming<T> {
    /// No more messages: has the client finished, or broken off?
    fn end(&self) -> Result<Option<T>> {
        if self.cx.is_broken_off() { Err(Error::cancelled("the client left before the end")) } else { Ok(None) }
    }
}

impl<T> Stream for Streaming<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Result<T>>> {
        Poll::Ready(match ready!(Pin::new(&mut self.messages).poll_next(cx)) {
            Some(message) => Some(message.map_err(Error::from)),
            None => self.end().transpose(),
        })
    }
}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").finish_non_exhaustive()
    }
}

/// What the server answers, one message after another.
pub struct Replies<T>(Pin<Box<dyn Stream<Item = Result<T>> + Send>>);

impl<T: Send + 'static> Replies<T> {
    /// The messages of any stream. An `Err` is the last item and becomes the call's status.
    pub fn new(messages: impl Stream<Item = Result<T>> + Send + 'static) -> Self {
        Self(Box::pin(messages))
    }

    /// The messages that `work` sends. It runs while the client reads, and is dropped when the client leaves.
    ///
    /// ```
    /// # use steeple::Replies;
    /// let replies = Replies::produce(|out| async move {
    ///     for number in 0..3 {
    ///         out.send(number).await?;
    ///     }
    ///     Ok(())
    /// });
    /// ```
    pub fn produce<W>(work: impl FnOnce(Sender<T>) -> W) -> Self
    where
        W: Future<Output = Result<()>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(1);
        Self(Box::pin(Produced { work: Some(Box::pin(work(Sender(sender)))), receiver, end: None }))
    }
}

impl<T> fmt::Debug for Replies<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replies").finish_non_exhaustive()
    }
}

/// Where [`Replies::produce`] puts its messages.
#[derive(Debug, Clone)]
pub struct Sender<T>(mpsc::Sender<T>);

impl<T> Sender<T> {
    /// Sends one message; waits until the one before it is on its way.
    ///
    /// # Errors
    /// CANCELLED when nobody reads any more.
    pub async fn send(&self, message: T) -> Result<()> {
        self.0.send(message).await.map_err(|_| Error::cancelled("the client has left"))
    }
}

/// Polls the work and hands out what it sent; what was sent before an error goes first.
struct Produced<T, W> {
    work: Option<Pin<Box<W>>>,
    receiver: mpsc::Receiver<T>,
    end: Option<Error>,
}

impl<T, W: Future<Output = Result<()>>> Stream for Produced<T, W> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Result<T>>> {
        let this = &mut *self;
        if let Some(work) = &mut this.work {
            // A panic is caught here and not further out, or the messages already sent would be lost with it.
            match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(result)) => {
                    this.work = None;
                    this.end = result.err();
                }
                Err(panic) => {
                    this.work = None;
                    this.end = Some(panic_error(&*panic));
                }
            }
        }
        if this.work.is_none() {
            // A sender may live on in a task that the work started; the work's end is the end all the same.
            this.receiver.close();
        }
        match ready!(this.receiver.poll_recv(cx)) {
            Some(message) => Poll::Ready(Some(Ok(message))),
            None => Poll::Ready(this.end.take().map(Err)),
        }
    }
}

/// A method's replies as tonic wants them. An error, or a panic in the user's own stream, becomes the last item.
pub(crate) struct Outgoing<T> {
    replies: Option<Replies<T>>,
    cx: Context,
    wire: Wire,
}

impl<T> Outgoing<T> {
    pub(crate) fn new(replies: Replies<T>, cx: Context, wire: Wire) -> Self {
        Self { replies: Some(replies), cx, wire }
    }
}

impl<T: Message> Stream for Outgoing<T> {
    type Item = Result<T, tonic::Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(replies) = &mut self.replies else { return Poll::Ready(None) };
        let item = match catch_unwind(AssertUnwindSafe(|| replies.0.as_mut().poll_next(cx))) {
            Ok(polled) => ready!(polled),
            Err(panic) => Some(Err(panic_error(&*panic))),
        };
        let wire = self.wire;
        Poll::Ready(match item.map(|item| item.and_then(|message| fits(message, wire))) {
            Some(Ok(message)) => Some(Ok(message)),
            Some(Err(error)) => {
                self.replies = None;
                Some(Err(refuse(&self.cx, error)))
            }
            None => {
                self.replies = None;
                None
            }
        })
    }
}
