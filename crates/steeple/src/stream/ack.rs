//! Acks of one session: who waits for which, and what becomes of those that nobody waits for.
//!
//! Must never: remember more than its limits, or keep an entry that nobody can resolve.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    hash::BuildHasher as _,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// Commands that were sent without waiting and are remembered, so that their acks are told from inventions.
const UNAWAITED: usize = 128;

/// The acks of one session.
pub(super) struct Acks<A> {
    inner: Mutex<Inner<A>>,
    limit: usize,
}

struct Inner<A> {
    awaited: HashMap<Arc<str>, oneshot::Sender<A>>,
    /// Whoever waited has given up, and when: as many as may be waited for. Oldest first; ids by their hash.
    given_up: VecDeque<(u64, Instant)>,
    /// Nobody ever waited. Oldest first; ids by their hash.
    unawaited: VecDeque<u64>,
    over: bool,
}

/// What the ack of a command is.
#[derive(Debug)]
pub(super) enum Expected<A> {
    /// Somebody waits for it here.
    Awaited(oneshot::Sender<A>),
    /// Its command was sent without waiting.
    Unawaited,
    /// Whoever waited gave up so long ago.
    Late(Duration),
    /// No such command, or one of long ago, or a second ack.
    Unknown,
}

/// Why nobody may wait for this command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// As many are waited for as may be.
    Many,
    /// Its id is that of a command that is waited for, or was sent and is not acknowledged.
    Twice,
    /// The session is over.
    Over,
}

impl<A> Acks<A> {
    pub fn new(limit: usize) -> Arc<Self> {
        let (given_up, unawaited) = (VecDeque::new(), VecDeque::new());
        let inner = Inner { awaited: HashMap::new(), given_up, unawaited, over: false };
        Arc::new(Self { inner: Mutex::new(inner), limit })
    }

    fn inner(&self) -> MutexGuard<'_, Inner<A>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers whoever waits for the ack of this command, before it is sent.
    pub fn expect(self: &Arc<Self>, id: &Arc<str>) -> Result<Waiting<A>, Refused> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.inner();
        if inner.over {
            return Err(Refused::Over);
        }
        if inner.awaited.contains_key(id) || inner.unawaited.contains(&inner.hash(id)) {
            return Err(Refused::Twice);
        }
        if inner.awaited.len() >= self.limit {
            return Err(Refused::Many);
        }
        // Tried again: whichever ack comes is for who waits now.
        let hash = inner.hash(id);
        inner.given_up.retain(|(known, _)| *known != hash);
        inner.awaited.insert(id.clone(), sender);
        drop(inner);
        Ok(Waiting { acks: self.clone(), id: id.clone(), receiver, settled: false })
    }

    /// Remembers a command that is about to be sent without waiting.
    ///
    /// # Errors
    /// One of this id is waited for.
    pub fn remember(&self, id: &str) -> Result<(), Refused> {
        let mut inner = self.inner();
        if inner.awaited.contains_key(id) {
            return Err(Refused::Twice);
        }
        if !inner.over {
            let hash = inner.hash(id);
            if inner.unawaited.len() >= UNAWAITED {
                inner.unawaited.pop_front();
            }
            inner.unawaited.push_back(hash);
        }
        Ok(())
    }

    /// It was not sent: no ack can come.
    pub fn forget(&self, id: &str) {
        let mut inner = self.inner();
        let hash = inner.hash(id);
        if let Some(at) = inner.unawaited.iter().rposition(|known| *known == hash) {
            inner.unawaited.remove(at);
        }
    }

    /// An ack has come.
    pub fn take(&self, id: &str) -> Expected<A> {
        let mut inner = self.inner();
        if let Some(sender) = inner.awaited.remove(id) {
            return Expected::Awaited(sender);
        }
        let hash = inner.hash(id);
        if let Some(at) = inner.given_up.iter().position(|(known, _)| *known == hash) {
            let since = inner.given_up.remove(at).map_or(Duration::ZERO, |(_, since)| since.elapsed());
            return Expected::Late(since);
        }
        match inner.unawaited.iter().position(|known| *known == hash) {
            Some(at) => {
                inner.unawaited.remove(at);
                Expected::Unawaited
            }
            None => Expected::Unknown,
        }
    }

    /// The command was taken back: whoever waits learns of it.
    pub fn withdraw(&self, id: &str) {
        let withdrawn = self.inner().awaited.remove(id);
        if withdrawn.is_none() {
            self.forget(id);
        }
    }

    /// The session is over: whoever waits learns of it, and nobody begins to.
    pub fn end(&self) {
        let mut inner = self.inner();
        inner.over = true;
        let awaited = std::mem::take(&mut inner.awaited);
        inner.given_up = VecDeque::new();
        inner.unawaited = VecDeque::new();
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
    fn hash(&self, id: &str) -> u64 {
        self.awaited.hasher().hash_one(id)
    }
}

/// Waits for one ack. Dropped without it, its id is remembered, so that the ack is known when it comes late.
pub(super) struct Waiting<A> {
    acks: Arc<Acks<A>>,
    id: Arc<str>,
    receiver: oneshot::Receiver<A>,
    /// Nothing is left to give up.
    settled: bool,
}

impl<A> Waiting<A> {
    /// The command was never sent: no ack can come.
    pub fn forget(mut self) {
        self.settled = true;
        self.acks.inner().awaited.remove(&self.id);
    }

    /// The ack that has come in the moment in which patience ended.
    pub fn at_last(&mut self) -> Option<A> {
        self.receiver.close();
        let ack = self.receiver.try_recv().ok();
        self.settled |= ack.is_some();
        ack
    }
}

impl<A> Future for Waiting<A> {
    /// `None`: no ack can come, because the session is over or the command was taken back.
    type Output = Option<A>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<A>> {
        let polled = Pin::new(&mut self.receiver).poll(cx).map(Result::ok);
        self.settled |= polled.is_ready();
        polled
    }
}

impl<A> Drop for Waiting<A> {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let mut inner = self.acks.inner();
        if inner.awaited.remove(&self.id).is_some() {
            let hash = inner.hash(&self.id);
            if inner.given_up.len() >= self.acks.limit {
                inner.given_up.pop_front();
            }
            inner.given_up.push_back((hash, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_gets_the_ack_and_nothing_is_left() {
        let acks = Acks::new(1);
        let waiting = acks.expect(&"a".into()).unwrap();
        assert_eq!(acks.expect(&"a".into()).err(), Some(Refused::Twice));
        assert_eq!(acks.remember("a").err(), Some(Refused::Twice), "its ack would be taken for the other's");
        assert_eq!(acks.expect(&"b".into()).err(), Some(Refused::Many));
        let Expected::Awaited(sender) = acks.take("a") else { panic!("it is waited for") };
        sender.send(7).unwrap();
        assert_eq!(waiting.await, Some(7));
        assert_eq!(acks.awaited(), 0);
        assert!(matches!(acks.take("a"), Expected::Unknown), "a second ack");
    }

    #[tokio::test]
    async fn an_ack_after_its_deadline_is_late_and_not_lost() {
        let acks = Acks::<u8>::new(8);
        drop(acks.expect(&"late".into()).unwrap());
        acks.expect(&"unsent".into()).unwrap().forget();
        acks.remember("sent").unwrap();
        assert_eq!(acks.expect(&"sent".into()).err(), Some(Refused::Twice));
        assert!(matches!(acks.take("late"), Expected::Late(_)));
        assert!(matches!(acks.take("late"), Expected::Unknown), "once");
        assert!(matches!(acks.take("sent"), Expected::Unawaited));
        assert!(matches!(acks.take("unsent"), Expected::Unknown));
    }

    #[tokio::test]
    async fn as_many_are_late_as_may_be_waited_for() {
        let acks = Acks::<u8>::new(100);
        let waiting: Vec<_> = (0..100).map(|id: u8| acks.expect(&id.to_string().into()).unwrap()).collect();
        drop(waiting);
        assert!((0..100).all(|id: u8| matches!(acks.take(&id.to_string()), Expected::Late(_))));
    }

    #[tokio::test]
    async fn an_ack_that_comes_as_patience_ends_is_not_lost() {
        let acks = Acks::new(1);
        let mut waiting = acks.expect(&"a".into()).unwrap();
        let Expected::Awaited(sender) = acks.take("a") else { panic!("it is waited for") };
        sender.send(7).unwrap();
        assert_eq!(waiting.at_last(), Some(7));
        drop(waiting);
        assert!(matches!(acks.take("a"), Expected::Unknown));
    }

    #[tokio::test]
    async fn the_end_fails_whoever_waits() {
        let acks = Acks::<u8>::new(8);
        let waiting = acks.expect(&"a".into()).unwrap();
        acks.end();
        assert_eq!(waiting.await, None);
        assert_eq!(acks.expect(&"b".into()).err(), Some(Refused::Over));
        assert_eq!(acks.awaited(), 0);
    }

    #[test]
    fn no_more_is_remembered_than_the_limit() {
        let acks = Acks::<()>::new(8);
        for id in 0..200 {
            acks.remember(&id.to_string()).unwrap();
        }
        assert!(matches!(acks.take("0"), Expected::Unknown));
        assert!(matches!(acks.take("199"), Expected::Unawaited));
        assert_eq!(acks.inner().unawaited.len(), UNAWAITED - 1);
    }
}
