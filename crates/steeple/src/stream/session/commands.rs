//! What may be sent to a client, by this node and by others, and the wait for its acks.
//!
//! A command that somebody waits for is registered before it is queued, so that no ack comes too early. Must never: leave
//! a command in the queue, or its ack awaited, when nobody waits any more.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use prost::Message as _;

use super::{Inner, Session};
use crate::{
    bus::Delivery,
    error::{Error, Result},
    stream::{
        Cause, Handlers,
        ack::{self, Waiting},
        hub::stamped,
        line, refused,
        state::EventKind,
        wire::{Order, cancelled},
    },
};

/// The client's node gives up a little before whoever waits on another one, which so learns why.
const EARLIER: Duration = Duration::from_millis(20);

impl<H: Handlers> Session<H> {
    /// Queues a command, without waiting. A command without an id gets one. Not read within `command_timeout` of the
    /// configuration, it is dropped and put on record.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED (QUEUE_FULL) when the client does not read as fast as it is sent to, FAILED_PRECONDITION
    /// (CLIENT_NOT_CONNECTED) when it has left, ALREADY_EXISTS for an id whose ack somebody waits for.
    pub fn send(&self, command: H::Command) -> Result<()> {
        self.queue(command, self.0.core.config.command_timeout)
    }

    /// The same, to be read `within` this time.
    fn queue(&self, mut command: H::Command, within: Duration) -> Result<()> {
        let id = stamped::<H>(&mut command);
        self.0.acks.remember(&id).map_err(|why| self.unexpected(why, &id))?;
        self.push(command, Some(Instant::now() + within)).inspect_err(|_| self.0.acks.forget(&id))
    }

    /// Queues a command and waits for its ack.
    ///
    /// Dropped, or out of time, while the client has not read the command, it is taken back.
    ///
    /// # Errors
    /// As [`Session::send`]; DEADLINE_EXCEEDED when no ack came in time (CLIENT_SILENT: it may have been done; NOT_READ: it was
    /// not), ABORTED (CLIENT_LEFT: it may have been done) when the client left meanwhile, RESOURCE_EXHAUSTED (TOO_MANY_COMMANDS) beyond
    /// `max_commands_in_flight`, ALREADY_EXISTS for an id that is waited for, or was sent without
    /// waiting and is not acknowledged. One whose deadline has passed may be tried again.
    pub async fn execute(&self, command: H::Command, deadline: Duration) -> Result<H::Ack> {
        self.begin(command)?.within(deadline).await
    }

    /// Queues a command that somebody is about to wait for.
    fn begin(&self, mut command: H::Command) -> Result<Begun<H>> {
        let id = stamped::<H>(&mut command);
        let waiting = self.0.acks.expect(&id).map_err(|why| self.unexpected(why, &id))?;
        match self.push(command, None) {
            Ok(()) => Ok(Begun { session: self.clone(), id, waiting: Some(waiting) }),
            Err(error) => {
                waiting.forget();
                Err(error)
            }
        }
    }

    fn unexpected(&self, why: ack::Refused, id: &str) -> Error {
        match why {
            ack::Refused::Many => {
                refused::too_many_commands(self.client_id(), self.0.core.config.max_commands_in_flight)
            }
            ack::Refused::Twice => Error::already_exists("command", id),
            ack::Refused::Over => refused::not_connected(self.client_id()),
        }
    }

    /// What takes the bus's deliveries. It does not keep the session.
    pub(in crate::stream) fn receiver(&self) -> impl Fn(Delivery) + Send + Sync + 'static {
        let session: Weak<Inner<H>> = Arc::downgrade(&self.0);
        move |delivery| match session.upgrade() {
            Some(inner) => Self(inner).deliver(delivery),
            // Dropped, it tells the sender that nobody is connected.
            None => drop(delivery),
        }
    }

    /// Something has come over the bus.
    fn deliver(&self, delivery: Delivery) {
        let order = match Order::<H::Command>::decode(delivery.bytes()) {
            Ok(order) => order,
            Err(error) => return delivery.refuse(error),
        };
        match order {
            Order::Cancel(id) => {
                let done = self.cancel(&id);
                if let Some(reply) = delivery.accept().reply {
                    reply.send(Ok(cancelled(done)));
                }
            }
            Order::Command(command) if delivery.wants_answer() => match self.begin(command) {
                Ok(begun) => {
                    let accepted = delivery.accept();
                    let Some(reply) = accepted.reply else { return };
                    let left = accepted.expires.left();
                    let within = left.saturating_sub(EARLIER.min(left / 10));
                    self.0.core.hubs.tasks.spawn(async move {
                        reply.send(begun.within(within).await.map(|ack| Bytes::from(ack.encode_to_vec())));
                    });
                }
                Err(error) => delivery.refuse(error),
            },
            Order::Command(command) => match self.queue(command, delivery.expires().left()) {
                Ok(()) => drop(delivery.accept()),
                Err(error) => delivery.refuse(error),
            },
        }
    }

    /// Takes back a command that the client has not read yet; tells whether it did. Whoever waits for its ack reads
    /// CANCELLED.
    pub fn cancel(&self, command_id: &str) -> bool {
        let taken = self.0.line.take_back(|command| H::command_id(command) == command_id);
        if taken {
            self.0.acks.withdraw(command_id);
        }
        taken
    }

    /// Ends the session: the client reads what was queued, and then this.
    pub fn end(&self, status: Error) {
        self.0.line.close(Cause::Ended, Some(status));
    }

    pub(in crate::stream) fn close(&self, cause: Cause) {
        let patience = match cause {
            Cause::Drained => self.0.core.hubs.spread(),
            _ => self.0.core.config.heartbeat_timeout,
        };
        self.0.line.close(cause, cause.status(patience));
    }

    /// Ends it with a word of its own.
    pub(in crate::stream) fn close_with(&self, cause: Cause, status: Error) {
        self.0.line.close(cause, Some(status));
    }

    fn push(&self, command: H::Command, expires: Option<Instant>) -> Result<()> {
        let core = &self.0.core;
        let counts = &core.counts;
        let shown = core.publisher.as_ref().filter(|publisher| publisher.commands);
        let shown = shown.map(|publisher| (publisher, command.encode_to_vec()));
        match self.0.line.push(command, expires) {
            Ok(()) => {
                counts.queued.increment(1);
                if let Some((publisher, command)) = shown {
                    publisher.sent(&core.config.service_name, self.client_id(), &command);
                }
                Ok(())
            }
            Err(line::Refused::Full) => {
                counts.full.increment(1);
                Err(refused::full(self.client_id(), self.0.core.config.queue_size))
            }
            Err(line::Refused::Over) => Err(refused::not_connected(self.client_id())),
        }
    }
}

/// A command that somebody waits for. Dropped while the client has not read it, it is taken back.
struct Begun<H: Handlers> {
    session: Session<H>,
    id: Arc<str>,
    /// `None` when there is nothing to wait for any more.
    waiting: Option<Waiting<H::Ack>>,
}

impl<H: Handlers> Begun<H> {
    async fn within(mut self, deadline: Duration) -> Result<H::Ack> {
        let answer = match &mut self.waiting {
            Some(waiting) => match tokio::time::timeout(deadline, &mut *waiting).await {
                Ok(answer) => Some(answer),
                Err(_) => waiting.at_last().map(Some),
            },
            None => Some(None),
        };
        let session = &self.session;
        let Some(ack) = answer else { return Err(self.out_of_time(deadline)) };
        let gone = || {
            let over = session.ended().is_some() || session.0.acks.is_over();
            if over { refused::left(session.client_id()) } else { refused::taken_back(&self.id) }
        };
        let answer = ack.ok_or_else(gone);
        self.waiting = None;
        answer
    }

    /// No ack has come: the command is taken back, if the client has not read it.
    fn out_of_time(&mut self, deadline: Duration) -> Error {
        let session = self.session.clone();
        session.0.core.counts.timed_out.increment(1);
        let detail = format!("command {}: no ack within {} s", self.id, deadline.as_secs_f64());
        session.happened(EventKind::CommandTimeout, None, Some(detail));
        let error = if self.take_back() { refused::not_read } else { refused::silent };
        error(session.client_id())
    }

    fn take_back(&mut self) -> bool {
        let Some(waiting) = self.waiting.take() else { return false };
        let taken = self.session.0.line.take_back(|command| **H::command_id(command) == *self.id);
        if taken {
            waiting.forget();
        }
        taken
    }
}

impl<H: Handlers> Drop for Begun<H> {
    fn drop(&mut self) {
        self.take_back();
    }
}
