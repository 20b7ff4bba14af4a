//! A client's registration, for as long as it is held.
//!
//! Must never: outlive its session, or take a newer session of the same name with it.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::DropGuard;

use super::{
    names,
    nats::Memberships,
    sessions::{Session, Sessions},
};
use crate::error::Result;

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
    Everywhere { announced: watch::Receiver<bool>, _task: DropGuard, groups: Memberships },
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

    /// Adds a label: publications to it reach the client, from other nodes as soon as the broker knows.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for what cannot be a label, RESOURCE_EXHAUSTED for more than a client may have.
    pub fn join(&self, label: &str) -> Result<()> {
        names::check_name("label", label)?;
        self.session.join(label)?;
        if let Announced::Everywhere { groups, .. } = &self.announced {
            groups.join(label);
        }
        Ok(())
    }

    /// Takes a label away; tells whether it was there.
    pub fn leave(&self, label: &str) -> bool {
        if let Announced::Everywhere { groups, .. } = &self.announced {
            groups.leave(label);
        }
        self.session.leave(label)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.sessions.remove(&self.session);
    }
}
