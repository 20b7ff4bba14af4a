//! Where answers to this process arrive, and who waits for them.
//!
//! async-nats has requests of its own; they leak what times out and send what waited out an outage. Here a waiter is a
//! number in a map, taken out by its guard whatever happens.
//!
//! Must never: wait for a waiter.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use async_nats::{Client, Message, StatusCode, Subscriber};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::super::{fault::Fault, wire::Answer};

/// Subscriptions, each with a task that reads it, so that a burst of answers finds room.
const SHARDS: usize = 8;

/// Answers by the number of who waits.
#[derive(Debug)]
pub(super) struct Inbox {
    prefix: String,
    shards: [Shard; SHARDS],
    next: AtomicU64,
    waiting: AtomicUsize,
    most: usize,
}

#[derive(Default)]
struct Shard(Mutex<HashMap<u64, mpsc::Sender<Answer>>>);

/// Waits for answers until it is dropped.
#[derive(Debug)]
pub(super) struct Wait {
    inbox: Arc<Inbox>,
    number: u64,
    answers: mpsc::Receiver<Answer>,
}

impl Inbox {
    /// The inbox of the process `node`, with room for `most` who wait. Its tasks run until `end`.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn open(client: &Client, node: &str, most: usize, end: &CancellationToken) -> Result<Arc<Self>, String> {
        let inbox = Arc::new(Self {
            prefix: format!("_INBOX.steeple.{node}"),
            shards: Default::default(),
            next: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            most,
        });
        for shard in 0..SHARDS {
            let subject = format!("{}.{shard}.*", inbox.prefix);
            let answers =
                client.subscribe(subject).await.map_err(|error| format!("the bus cannot be heard: {error}"))?;
            let (inbox, end) = (Arc::downgrade(&inbox), end.clone());
            tokio::spawn(async move { end.run_until_cancelled(read(answers, inbox, shard)).await });
        }
        Ok(inbox)
    }

    /// A number for who expects up to `room` answers at once.
    pub fn wait(self: &Arc<Self>, room: usize) -> Result<Wait, Fault> {
        // Counted before it is in, so that many at once cannot pass together.
        if self.waiting.fetch_add(1, Relaxed) >= self.most {
            self.waiting.fetch_sub(1, Relaxed);
            return Err(Fault::TooManyWaiting);
        }
        let number = self.next.fetch_add(1, Relaxed);
        let (sender, answers) = mpsc::channel(room);
        self.shard(number).lock().insert(number, sender);
        Ok(Wait { inbox: self.clone(), number, answers })
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    fn shard(&self, number: u64) -> &Shard {
        &self.shards[number as usize % SHARDS]
    }
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, mpsc::Sender<Answer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").field("waiting", &self.lock().len()).finish()
    }
}

/// Hands out what arrives, until nobody can wait any more.
async fn read(mut answers: Subscriber, inbox: Weak<Inbox>, shard: usize) {
    while let Some(message) = answers.next().await {
        let Some(inbox) = inbox.upgrade() else { return };
        let Some(number) = number_of(&message) else { continue };
        let answer = if message.status == Some(StatusCode::NO_RESPONDERS) {
            Some(Answer::Nobody)
        } else {
            Answer::decode(message.payload)
        };
        if let (Some(answer), Some(waiter)) = (answer, inbox.shards[shard].lock().get(&number)) {
            // Who expects fewer answers than came has had enough.
            let _ = waiter.try_send(answer);
        }
    }
}

fn number_of(message: &Message) -> Option<u64> {
    message.subject.rsplit('.').next()?.parse().ok()
}

impl Wait {
    /// Where answers to this waiter go.
    pub fn subject(&self) -> String {
        format!("{}.{}.{}", self.inbox.prefix, self.number as usize % SHARDS, self.number)
    }

    /// The next answer. Waits for ever: bound it.
    pub async fn next(&mut self) -> Option<Answer> {
        self.answers.recv().await
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.inbox.shard(self.number).lock().remove(&self.number);
        self.inbox.waiting.fetch_sub(1, Relaxed);
    }
}
