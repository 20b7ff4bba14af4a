//! The outbound half of one stream: a bounded queue of commands, and the door through which the session ends.
//!
//! The call's answer reads the queue; whoever sends a command fills it, without waiting. It is there before the client
//! has said its name. A command may have a moment after which nobody is to run it: read later, it is passed over.
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

use super::{Cause, session::Stay};
use crate::error::{Error, Result};

/// A queue this long keeps its room when it has run empty; a longer one gives it back.
const ROOM: usize = 16;

/// The queue and the door.
pub(super) struct Line<C> {
    queue: Mutex<Queue<C>>,
    /// Tells the session's task that there is [`News`].
    news: Notify,
}

/// What the session's task has to know.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News<C> {
    /// The door was used.
    Over(Cause),
    /// These were not read in time, and not sent.
    Expired(Vec<C>),
}

struct Waiting<C> {
    command: C,
    expires: Option<Instant>,
}

struct Queue<C> {
    waiting: VecDeque<Waiting<C>>,
    size: usize,
    sent: u64,
    /// What was passed over and is not yet told.
    expired: Vec<C>,
    /// What waited when the session ended, and was never read.
    dropped: usize,
    /// The reader found the queue empty, and sleeps.
    reader: Option<Waker>,
    /// Since when the oldest command waits without the reader having taken any.
    stalled: Option<Instant>,
    end: Option<End>,
    /// The reader's share of the node's limits; given back when it goes.
    stay: Option<Arc<Stay>>,
    /// The reader has gone.
    unread: bool,
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
        let queue = Queue {
            waiting: VecDeque::new(),
            size,
            sent: 0,
            expired: Vec::new(),
            dropped: 0,
            reader: None,
            stalled: None,
            end: None,
            stay: None,
            unread: false,
        };
        Arc::new(Self { queue: Mutex::new(queue), news: Notify::new() })
    }

    fn queue(&self) -> MutexGuard<'_, Queue<C>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps this until the reader goes.
    pub fn keep(&self, stay: Arc<Stay>) {
        let mut queue = self.queue();
        if !queue.unread {
            queue.stay = Some(stay);
        }
    }

    /// Queues a command, to be read before it expires.
    pub fn push(&self, command: C, expires: Option<Instant>) -> Result<(), Refused> {
        let mut queue = self.queue();
        if queue.end.is_some() {
            return Err(Refused::Over);
        }
        if queue.waiting.len() >= queue.size {
            return Err(Refused::Full);
        }
        queue.waiting.push_back(Waiting { command, expires });
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
        let Some(at) = queue.waiting.iter_mut().position(|waiting| is_it(&mut waiting.command)) else { return false };
        queue.waiting.remove(at);
        true
    }

    /// How long the reader has left commands waiting.
    pub fn stalled(&self) -> Option<Duration> {
        self.queue().stalled.map(|since| since.elapsed())
    }

    /// How many commands wait, or waited until the end, and how many were read.
    pub fn counts(&self) -> (usize, u64) {
        let queue = self.queue();
        (queue.waiting.len() + queue.dropped, queue.sent)
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
        queue.dropped = dropped.len();
        let reader = queue.reader.take();
        drop(queue);
        drop(dropped);
        if let Some(reader) = reader {
            reader.wake();
        }
        self.news.notify_one();
    }

    /// Why it ended; `None` while it goes on.
    pub fn cause(&self) -> Option<Cause> {
        self.queue().end.as_ref().map(|end| end.cause)
    }

    /// Ends when the door was used.
    pub async fn over(&self) -> Cause {
        loop {
            let news = self.news.notified();
            if let Some(cause) = self.cause() {
                return cause;
            }
            news.await;
        }
    }

    /// Waits for the next thing that the session's task has to know.
    pub async fn news(&self) -> News<C> {
        loop {
            let news = self.news.notified();
            if let Some(cause) = self.cause() {
                return News::Over(cause);
            }
            let expired = self.expired();
            if !expired.is_empty() {
                return News::Expired(expired);
            }
            news.await;
        }
    }

    /// What was not read in time and is not yet told.
    pub fn expired(&self) -> Vec<C> {
        mem::take(&mut self.queue().expired)
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<C>>> {
        let mut queue = self.queue();
        let next = queue.next();
        if !queue.expired.is_empty() {
            self.news.notify_one();
        }
        if let Some(command) = next {
            return Poll::Ready(Some(Ok(command)));
        }
        if let Some(end) = &mut queue.end {
            return Poll::Ready(end.status.take().map(Err));
        }
        queue.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<C> Queue<C> {
    /// The next command that may still run.
    fn next(&mut self) -> Option<C> {
        let mut next = None;
        while let Some(Waiting { command, expires }) = self.waiting.pop_front() {
            if expires.is_some_and(|expires| expires <= Instant::now()) {
                self.expired.push(command);
                continue;
            }
            self.sent += 1;
            next = Some(command);
            break;
        }
        self.stalled = if self.waiting.is_empty() { None } else { Some(Instant::now()) };
        if self.waiting.is_empty() && self.waiting.capacity() > ROOM {
            self.waiting.shrink_to(ROOM);
        }
        next
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
        let mut queue = self.0.queue();
        queue.unread = true;
        let stay = queue.stay.take();
        drop(queue);
        // Outside: it takes locks of its own.
        drop(stay);
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
        let pushed = [1, 2, 3].map(|command| line.push(command, None));
        assert_eq!(pushed, [Ok(()), Ok(()), Err(Refused::Full)]);
        assert_eq!(reader.next().await.unwrap().unwrap(), 1);
        assert_eq!(line.push(4, None), Ok(()));
        assert_eq!(line.counts(), (2, 1));
    }

    #[tokio::test]
    async fn the_first_to_close_says_the_cause_and_the_status() {
        let line = Line::new(8);
        let mut reader = Outbound(line.clone());
        line.push("before", None).unwrap();
        line.close(Cause::Drained, Some(Error::unavailable("told")));
        line.close(Cause::Slow, None);
        assert_eq!(line.push("after", None), Err(Refused::Over));
        assert_eq!(line.over().await, Cause::Drained);
        assert_eq!(reader.next().await.unwrap().unwrap(), "before");
        assert_eq!(reader.next().await.unwrap().unwrap_err().message(), "told");
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn what_would_come_late_is_dropped_at_the_end() {
        let line = Line::new(8);
        let mut reader = Outbound(line.clone());
        line.push(1, None).unwrap();
        line.close(Cause::HeartbeatLost, None);
        assert!(reader.next().await.is_none());
        assert_eq!(line.counts(), (1, 0), "it was left, and not sent");
    }

    #[tokio::test]
    async fn what_was_not_read_in_time_is_passed_over_and_told() {
        let line = Line::new(8);
        let mut reader = Outbound(line.clone());
        let now = Instant::now();
        line.push(1, Some(now)).unwrap();
        line.push(2, Some(now + Duration::from_secs(60))).unwrap();
        line.push(3, Some(now)).unwrap();
        assert_eq!(reader.next().await.unwrap().unwrap(), 2);
        assert_eq!(line.news().await, News::Expired(vec![1]));
        // Also when nothing else is there to be read.
        assert!(tokio::time::timeout(Duration::from_millis(1), reader.next()).await.is_err());
        assert_eq!(line.news().await, News::Expired(vec![3]));
        assert_eq!((line.counts(), line.stalled()), ((0, 1), None));
        line.close(Cause::Drained, None);
        assert_eq!(line.news().await, News::Over(Cause::Drained));
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
        line.push(7, None).unwrap();
        assert!(line.take_back(|command| *command == 7));
        assert!(!line.take_back(|command| *command == 7));
        assert_eq!(line.counts(), (0, 0));
    }
}
