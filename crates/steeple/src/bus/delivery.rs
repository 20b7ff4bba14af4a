//! What a session is offered, and its ways to answer.
//!
//! A [`Delivery`] is accepted or refused on the spot; an accepted one may carry a [`Reply`] for the client's answer. Either
//! tells the sender when it is dropped unused, so that nobody waits for a session that has ended.
//!
//! Must never: wait, or leave the sender without an answer.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Expiry, fault::Fault, nats::Back, sessions::Session};
use crate::error::{Error, Result};

/// What the sender waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// That the command is in the session's queue.
    Place,
    /// The client's answer.
    Answer,
}

/// Something for one client, offered to its session.
#[derive(Debug)]
pub struct Delivery {
    bytes: Bytes,
    expires: Expiry,
    session: Arc<Session>,
    sender: Option<Sender>,
}

/// Something for one client, in its session's queue.
#[derive(Debug)]
pub struct Accepted {
    /// What was sent.
    pub bytes: Bytes,
    /// When it must not run any more. Look before it leaves for the client: a queue may be long.
    pub expires: Expiry,
    /// Where the client's answer goes, when the sender wants one.
    pub reply: Option<Reply>,
}

/// Where the client's answer goes.
#[derive(Debug)]
pub struct Reply {
    path: Option<Path>,
    session: Arc<Session>,
}

/// Who sent a delivery.
#[derive(Debug)]
pub(super) enum Sender {
    /// Waits for a place in the queue, or for the answer.
    One(Wants, Path),
    /// Counts.
    Many(Arc<Tally>),
}

/// The way back to a sender.
#[derive(Debug)]
pub(super) enum Path {
    Here { accepted: Arc<AtomicBool>, done: oneshot::Sender<Result<Bytes>> },
    There(Back),
}

/// How many sessions of this node took a publication.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub queued: AtomicUsize,
    pub refused: AtomicUsize,
}

impl Delivery {
    pub(super) fn new(bytes: Bytes, expires: Expiry, session: &Arc<Session>, sender: Sender) -> Self {
        Self { bytes, expires, session: session.clone(), sender: Some(sender) }
    }

    /// What was sent.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// When it must not run any more.
    pub fn expires(&self) -> Expiry {
        self.expires
    }

    /// The sender waits for the client's answer, and not only for a place in the queue.
    pub fn wants_answer(&self) -> bool {
        matches!(self.sender, Some(Sender::One(Wants::Answer, _)))
    }

    /// It has a place in the session's queue.
    pub fn accept(mut self) -> Accepted {
        let path = match self.sender.take() {
            Some(Sender::One(Wants::Place, path)) => {
                path.finish(Ok(Bytes::new()));
                None
            }
            Some(Sender::One(Wants::Answer, path)) => {
                path.accepted();
                Some(path)
            }
            Some(Sender::Many(tally)) => {
                tally.queued.fetch_add(1, Relaxed);
                None
            }
            None => None,
        };
        let reply = path.map(|path| Reply { path: Some(path), session: self.session.clone() });
        Accepted { bytes: mem::take(&mut self.bytes), expires: self.expires, reply }
    }

    /// It has none; the sender gets the error.
    pub fn refuse(mut self, error: Error) {
        self.answer(error);
    }

    fn answer(&mut self, error: Error) {
        match self.sender.take() {
            Some(Sender::One(_, path)) => path.finish(Err(error)),
            Some(Sender::Many(tally)) => {
                tally.refused.fetch_add(1, Relaxed);
            }
            None => {}
        }
    }
}

impl Drop for Delivery {
    /// A session that does not even refuse has ended.
    fn drop(&mut self) {
        if self.sender.is_some() {
            self.answer(Fault::NotConnected.of(&self.session.id));
        }
    }
}

impl Reply {
    /// Gives the sender the client's answer, if it still waits.
    pub fn send(mut self, answer: Result<Bytes>) {
        if let Some(path) = self.path.take() {
            path.finish(answer);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            path.finish(Err(Fault::Left.of(&self.session.id)));
        }
    }
}

impl Path {
    fn accepted(&self) {
        match self {
            Self::Here { accepted, .. } => accepted.store(true, Relaxed),
            Self::There(back) => back.accepted(),
        }
    }

    fn finish(self, answer: Result<Bytes>) {
        match self {
            Self::Here { done, .. } => {
                // The sender may have given up.
                let _ = done.send(answer);
            }
            Self::There(back) => back.finish(answer),
        }
    }
}
