//! The outbound half of one stream: a bounded queue of commands, and the door through which the session ends.
//!
//! The call's answer reads the queue; whoever sends a command fills it, without waiting. It is there before the client
//! has said its name.
//!
//! Must never: hold its lock across an await, or grow past its size.

use std::{
    collections::VecDeque,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures_core::Stream;
use tokio::sync::Notify;

use super::Cause;
use crate::error::{Error, Result};

/// A queue this long keeps its room when it has run empty; a longer one gives it back.
const ROOM: usize = 16;

/// The queue and the door.
pub(super) struct Line<C> {
    queue: Mutex<Queue<C>>,
    /// Tells the session's task that the door was used.
    over: Notify,
}

struct Queue<C> {
    waiting: VecDeque<C>,
    size: usize,
    sent: u64,
    /// The reader found the queue empty, and sleeps.
    reader: Option<Waker>,
    /// Since when the oldest command waits without the reader having taken any.
    stalled: Option<Instant>,
    end: Option<End>,
}

struct End {
    cause: Cause,
    status: Option<Error>,
}

/// Why a command was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The client does not read as fast as it is sent to.
    Full,
    /// The session is over.
    Over,
}

impl<C> Line<C> {
    pub fn new(size: usize) -> Arc<Self> {
        let (waiting, sent, reader, stalled, end) = (VecDeque::new(), 0, None, None, None);
        Arc::new(Self { queue: Mutex::new(Queue { waiting, size, sent, reader, stalled, end }), over: Notify::new() })
    }

    fn queue(&self) -> MutexGuard<'_, Queue<C>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a command.
    pub fn push(&self, command: C) -> Result<(), Refused> {
        let mut queue = self.queue();
        if queue.end.is_some() {
            return Err(Refused::Over);
        }
        if queue.waiting.len() >= queue.size {
            return Err(Refused::Full);
        }
        queue.waiting.push_back(command);
        if queue.stalled.is_none() {
            queue.stalled = Some(Instant::now());
        }
        let reader = queue.reader.take();
        drop(queue);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    /// Takes back a command that still waits; tells whether it did.
    pub fn take_back(&self, mut is_it: impl FnMut(&mut C) -> bool) -> bool {
        let mut queue = self.queue();
        let Some(at) = queue.waiting.iter_mut().position(&mut is_it) else { return false };
        queue.waiting.remove(at);
        true
    }

    /// How long the reader has left commands waiting.
    pub fn stalled(&self) -> Option<Duration> {
        self.queue().stalled.map(|since| since.elapsed())
    }

    /// How many commands wait, and how many were read.
    pub fn counts(&self) -> (usize, u64) {
        let queue = self.queue();
        (queue.waiting.len(), queue.sent)
    }

    /// The one door of the end. Only the first who comes through says the cause, and the status the client reads.
    pub fn close(&self, cause: Cause, status: Option<Error>) {
        let mut queue = self.queue();
        if queue.end.is_some() {
            return;
        }
        queue.end = Some(End { cause, status });
        // Dropped when the lock is free again.
        let dropped = if cause.keeps_queue() { VecDeque::new() } else { mem::take(&mut queue.waiting) };
        let reader = queue.reader.take();
        drop(queue);
        drop(dropped);
        if let Some(reader) = reader {
            reader.wake();
        }
        self.over.notify_one();
    }

    /// Why it ended; `None` while it goes on.
    pub fn cause(&self) -> Option<Cause> {
        self.queue().end.as_ref().map(|end| end.cause)
    }

    /// Ends when the door was used.
    pub async fn over(&self) -> Cause {
        loop {
            let over = self.over.notified();
            if let Some(cause) = self.cause() {
                return cause;
            }
            over.await;
        }
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<C>>> {
        let mut queue = self.queue();
        if let Some(command) = queue.waiting.pop_front() {
            queue.sent += 1;
            queue.stalled = if queue.waiting.is_empty() { None } else { Some(Instant::now()) };
            if queue.waiting.is_empty() && queue.waiting.capacity() > ROOM {
                queue.waiting.shrink_to(ROOM);
            }
            return Poll::Ready(Some(Ok(command)));
        }
        if let Some(end) = &mut queue.end {
            return Poll::Ready(end.status.take().map(Err));
        }
        queue.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// The reader: what the call answers. When it goes before the end, the client has left.
pub(super) struct Outbound<C>(pub Arc<Line<C>>);

impl<C> Stream for Outbound<C> {
    type Item = Result<C>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<C>>> {
        self.0.poll_next(cx)
    }
}

impl<C> Drop for Outbound<C> {
    fn drop(&mut self) {
        self.0.close(Cause::Cancelled, None);
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_and_has_room_again_when_it_was_read() {
        let line = Line::new(2);
        let mut reader = Outbound(line.clone());
        assert_eq!([line.push(1), line.push(2), line.push(3)], [Ok(()), Ok(()), Err(Refused::Full)]);
        assert_eq!(reader.next().await.unwrap().unwrap(), 1);
        assert_eq!(line.push(4), Ok(()));
        assert_eq!(line.counts(), (2, 1));
    }

    #[tokio::test]
    async fn the_first_to_close_says_the_cause_and_the_status() {
        let line = Line::new(8);
        let mut reader = Outbound(line.clone());
        line.push("before").unwrap();
        line.close(Cause::Drained, Some(Error::unavailable("told")));
        line.close(Cause::Slow, None);
        assert_eq!(line.push("after"), Err(Refused::Over));
        assert_eq!(line.over().await, Cause::Drained);
        assert_eq!(reader.next().await.unwrap().unwrap(), "before");
        assert_eq!(reader.next().await.unwrap().unwrap_err().message(), "told");
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn what_would_come_late_is_dropped_at_the_end() {
        let line = Line::new(8);
        let mut reader = Outbound(line.clone());
        line.push(1).unwrap();
        line.close(Cause::HeartbeatLost, None);
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn a_reader_that_goes_is_a_client_that_left() {
        let line = Line::<u8>::new(8);
        drop(Outbound(line.clone()));
        assert_eq!(line.over().await, Cause::Cancelled);
    }

    #[test]
    fn a_command_can_be_taken_back_until_it_is_read() {
        let line = Line::new(8);
        line.push(7).unwrap();
        assert!(line.take_back(|command| *command == 7));
        assert!(!line.take_back(|command| *command == 7));
        assert_eq!(line.counts(), (0, 0));
    }
}
