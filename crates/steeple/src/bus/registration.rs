//! A client's registration, for as long as it is held.
//!
//! Must never: outlive its session, or take a newer session of the same name with it.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::DropGuard;

use super::{
    nats::Membership,
    sessions::{Session, Sessions},
};

/// Keeps a client reachable; dropping it ends that.
#[derive(Debug)]
pub struct Registration {
    session: Arc<Session>,
    sessions: Arc<Sessions>,
    announced: Announced,
}

/// Where the client can be reached from.
#[derive(Debug)]
pub(super) enum Announced {
    /// This process, and there is no other.
    Here,
    /// Every node, while the watch says so. A task keeps the name.
    Everywhere { announced: watch::Receiver<bool>, _task: DropGuard, _groups: Vec<Membership> },
}

impl Registration {
    pub(super) fn new(session: Arc<Session>, sessions: Arc<Sessions>, announced: Announced) -> Self {
        Self { session, sessions, announced }
    }

    /// The client's name.
    pub fn id(&self) -> &str {
        &self.session.id
    }

    /// Returns when a newer session has the name: this one must end, and is reached by nobody any more.
    pub async fn superseded(&self) {
        self.session.superseded.cancelled().await;
    }

    /// A newer session has the name.
    pub fn is_superseded(&self) -> bool {
        self.session.superseded.is_cancelled()
    }

    /// Every process of the site can reach the client; false while the broker is away.
    pub fn is_announced(&self) -> bool {
        match &self.announced {
            Announced::Here => !self.is_superseded(),
            Announced::Everywhere { announced, .. } => *announced.borrow(),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.sessions.remove(&self.session);
    }
}
