//! Acks of one session: who waits for which, and what becomes of those that nobody waits for.
//!
//! Must never: remember more than its limits, or keep an entry that nobody can resolve.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// Commands that nobody waits for whose ids are remembered, so that their acks are told from inventions.
const REMEMBERED: usize = 32;

/// The acks of one session.
pub(super) struct Acks<A> {
    inner: Mutex<Inner<A>>,
    limit: usize,
}

struct Inner<A> {
    awaited: HashMap<Box<str>, oneshot::Sender<A>>,
    /// Oldest first.
    remembered: VecDeque<Remembered>,
    over: bool,
}

struct Remembered {
    id: Box<str>,
    /// Since when nobody waits any more; `None`: nobody ever did.
    given_up: Option<Instant>,
}

/// What an ack meant.
#[derive(Debug)]
pub(super) enum Resolved<A> {
    /// Whoever waited has it.
    Delivered,
    /// Its command was sent without waiting.
    Unawaited(A),
    /// Whoever waited gave up so long ago.
    Late(A, Duration),
    /// No such command, or one of long ago, or a second ack.
    Unknown,
}

/// Why nobody may wait for this command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// As many are waited for as may be.
    Many,
    /// Its id is waited for already.
    Twice,
    /// The session is over.
    Over,
}

impl<A> Acks<A> {
    pub fn new(limit: usize) -> Arc<Self> {
        let inner = Inner { awaited: HashMap::new(), remembered: VecDeque::new(), over: false };
        Arc::new(Self { inner: Mutex::new(inner), limit })
    }

    fn inner(&self) -> MutexGuard<'_, Inner<A>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers whoever waits for the ack of this command, before it is sent.
    pub fn expect(self: &Arc<Self>, id: &str) -> Result<Waiting<A>, Refused> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.inner();
        if inner.over {
            return Err(Refused::Over);
        }
        if inner.awaited.contains_key(id) {
            return Err(Refused::Twice);
        }
        if inner.awaited.len() >= self.limit {
            return Err(Refused::Many);
        }
        inner.awaited.insert(id.into(), sender);
        drop(inner);
        Ok(Waiting { acks: self.clone(), id: id.into(), receiver, forget: false })
    }

    /// Remembers a command that is about to be sent without waiting.
    pub fn remember(&self, id: &str) {
        self.inner().remember(id.into(), None);
    }

    /// It was not sent: no ack can come.
    pub fn forget(&self, id: &str) {
        self.inner().remembered.retain(|remembered| &*remembered.id != id);
    }

    /// An ack has come.
    pub fn resolve(&self, id: &str, ack: A) -> Resolved<A> {
        let mut inner = self.inner();
        if let Some(sender) = inner.awaited.remove(id) {
            drop(inner);
            // Gone in this very moment: it gave up, and this is late by nothing.
            return match sender.send(ack) {
                Ok(()) => Resolved::Delivered,
                Err(ack) => Resolved::Late(ack, Duration::ZERO),
            };
        }
        let Some(at) = inner.remembered.iter().position(|remembered| &*remembered.id == id) else {
            return Resolved::Unknown;
        };
        match inner.remembered.remove(at).and_then(|remembered| remembered.given_up) {
            Some(given_up) => Resolved::Late(ack, given_up.elapsed()),
            None => Resolved::Unawaited(ack),
        }
    }

    /// The command was taken back: whoever waits learns of it.
    pub fn withdraw(&self, id: &str) {
        let withdrawn = self.inner().awaited.remove(id);
        drop(withdrawn);
        self.forget(id);
    }

    /// The session is over: whoever waits learns of it, and nobody begins to.
    pub fn end(&self) {
        let mut inner = self.inner();
        inner.over = true;
        let awaited = std::mem::take(&mut inner.awaited);
        inner.remembered = VecDeque::new();
        drop(inner);
        drop(awaited);
    }

    /// Whether acks can come no more.
    pub fn is_over(&self) -> bool {
        self.inner().over
    }

    /// How many are waited for.
    pub fn awaited(&self) -> usize {
        self.inner().awaited.len()
    }
}

impl<A> Inner<A> {
    fn remember(&mut self, id: Box<str>, given_up: Option<Instant>) {
        if self.over {
            return;
        }
        if self.remembered.len() >= REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(Remembered { id, given_up });
    }
}

/// Waits for one ack. Dropped without it, its id is remembered, so that the ack is known when it comes late.
pub(super) struct Waiting<A> {
    acks: Arc<Acks<A>>,
    id: Box<str>,
    receiver: oneshot::Receiver<A>,
    forget: bool,
}

impl<A> Waiting<A> {
    /// The command was never sent: no ack can come.
    pub fn forget(mut self) {
        self.forget = true;
    }
}

impl<A> Future for Waiting<A> {
    /// `None`: no ack can come, because the session is over or the command was taken back.
    type Output = Option<A>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<A>> {
        Pin::new(&mut self.receiver).poll(cx).map(Result::ok)
    }
}

impl<A> Drop for Waiting<A> {
    fn drop(&mut self) {
        let mut inner = self.acks.inner();
        if inner.awaited.remove(&self.id).is_some() && !self.forget {
            let id = std::mem::take(&mut self.id);
            inner.remember(id, Some(Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_gets_the_ack_and_nothing_is_left() {
        let acks = Acks::new(1);
        let waiting = acks.expect("a").unwrap();
        assert_eq!(acks.expect("a").err(), Some(Refused::Twice));
        assert_eq!(acks.expect("b").err(), Some(Refused::Many));
        assert!(matches!(acks.resolve("a", 7), Resolved::Delivered));
        assert_eq!(waiting.await, Some(7));
        assert_eq!(acks.awaited(), 0);
        assert!(matches!(acks.resolve("a", 8), Resolved::Unknown), "a second ack");
    }

    #[tokio::test]
    async fn an_ack_after_its_deadline_is_late_and_not_lost() {
        let acks = Acks::new(8);
        drop(acks.expect("late").unwrap());
        acks.expect("unsent").unwrap().forget();
        acks.remember("sent");
        assert!(matches!(acks.resolve("late", 1), Resolved::Late(1, _)));
        assert!(matches!(acks.resolve("late", 1), Resolved::Unknown), "once");
        assert!(matches!(acks.resolve("sent", 2), Resolved::Unawaited(2)));
        assert!(matches!(acks.resolve("unsent", 3), Resolved::Unknown));
    }

    #[tokio::test]
    async fn the_end_fails_whoever_waits() {
        let acks = Acks::<u8>::new(8);
        let waiting = acks.expect("a").unwrap();
        acks.end();
        assert_eq!(waiting.await, None);
        assert_eq!(acks.expect("b").err(), Some(Refused::Over));
        assert_eq!(acks.awaited(), 0);
    }

    #[test]
    fn no_more_is_remembered_than_the_limit() {
        let acks = Acks::new(8);
        for id in 0..100 {
            acks.remember(&id.to_string());
        }
        assert!(matches!(acks.resolve("0", ()), Resolved::Unknown));
        assert!(matches!(acks.resolve("99", ()), Resolved::Unawaited(())));
        assert_eq!(acks.inner().remembered.len(), REMEMBERED - 1);
    }
}
