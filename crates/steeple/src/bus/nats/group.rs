//! The subscriptions of this node to "all" and to labels: one for each that a session here belongs to.
//!
//! Must never: stay when the last member has left, or answer to this process's own publications.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_nats::Message;
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    super::{
        names::Audience,
        wire::{Answer, Order},
    },
    Inner,
};

/// The groups that sessions of this node belong to, by subject.
#[derive(Default)]
pub(super) struct Groups(Mutex<HashMap<Arc<str>, Group>>);

struct Group {
    members: usize,
    ready: watch::Receiver<bool>,
    _task: DropGuard,
}

/// A session's place in a group.
struct Membership {
    subject: Arc<str>,
    groups: Arc<Groups>,
    ready: watch::Receiver<bool>,
}

/// The groups that one session belongs to: all, and one for each label.
pub(in crate::bus) struct Memberships {
    nats: Arc<Inner>,
    service: Arc<str>,
    all: Membership,
    labels: Mutex<HashMap<Box<str>, Membership>>,
}

impl Memberships {
    pub(super) fn of(nats: &Arc<Inner>, service: &Arc<str>, labels: &[&str]) -> Self {
        let all = nats.groups.join(nats, service, Audience::All);
        let memberships = Self { nats: nats.clone(), service: service.clone(), all, labels: Mutex::default() };
        for label in labels {
            memberships.join(label);
        }
        memberships
    }

    /// Becomes a member of the label's group. It hears nothing before the broker knows of it.
    pub fn join(&self, label: &str) {
        let join = || self.nats.groups.join(&self.nats, &self.service, Audience::Label(label));
        self.labels().entry(label.into()).or_insert_with(join);
    }

    pub fn leave(&self, label: &str) {
        let left = self.labels().remove(label);
        drop(left);
    }

    /// Returns when every subscription is on its way to the broker, or after `patience` for each.
    pub(super) async fn ready(&self, patience: Duration) {
        let labels: Vec<_> = self.labels().values().map(|membership| membership.ready.clone()).collect();
        for mut ready in std::iter::once(self.all.ready.clone()).chain(labels) {
            let _ = tokio::time::timeout(patience, ready.wait_for(|ready| *ready)).await;
        }
    }

    fn labels(&self) -> MutexGuard<'_, HashMap<Box<str>, Membership>> {
        self.labels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Memberships {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memberships").field("labels", &self.labels().len()).finish_non_exhaustive()
    }
}

impl Groups {
    /// Makes a session a member.
    fn join(self: &Arc<Self>, nats: &Arc<Inner>, service: &str, audience: Audience<'_>) -> Membership {
        let subject: Arc<str> = nats.subjects.audience(service, audience).into();
        let mut groups = self.lock();
        let group = groups.entry(subject.clone()).or_insert_with(|| {
            let (ready, end) = (watch::Sender::new(false), CancellationToken::new());
            let group = Group { members: 0, ready: ready.subscribe(), _task: end.clone().drop_guard() };
            let label = match audience {
                Audience::All => None,
                Audience::Label(label) => Some(label.to_owned()),
            };
            let (nats, service, subject) = (nats.clone(), service.to_owned(), subject.clone());
            tokio::spawn(async move {
                end.run_until_cancelled(listen(&nats, &service, label.as_deref(), &subject, ready)).await;
            });
            group
        });
        group.members += 1;
        Membership { subject, groups: self.clone(), ready: group.ready.clone() }
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Group>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups").field("count", &self.len()).finish()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut groups = self.groups.lock();
        if let Some(group) = groups.get_mut(&self.subject) {
            group.members -= 1;
            if group.members == 0 {
                groups.remove(&self.subject);
            }
        }
    }
}

/// Hands out what is published, until the end. The client subscribes again by itself after an outage.
async fn listen(nats: &Arc<Inner>, service: &str, label: Option<&str>, subject: &str, ready: watch::Sender<bool>) {
    let mut link = nats.link.watch();
    // While the broker is away a subscription would only take room on the way to it.
    if link.wait_for(|seen| seen.connected).await.is_err() {
        return;
    }
    let Ok(mut messages) = nats.link.client.subscribe(subject.to_owned()).await else { return };
    ready.send_replace(true);
    while let Some(message) = messages.next().await {
        hear(nats, service, label, message);
    }
}

fn hear(nats: &Inner, service: &str, label: Option<&str>, message: Message) {
    let Some(Order::Publish { node, expires, bytes }) = Order::decode(message.payload) else { return };
    if node == nats.node || expires.is_past() {
        return;
    }
    let audience = label.map_or(Audience::All, Audience::Label);
    let (queued, refused) = nats.sessions.publish(service, audience, &bytes, expires);
    if let Some(asker) = message.reply {
        nats.link.answer(asker, Answer::Count { queued: queued as u32, refused: refused as u32 });
    }
}
