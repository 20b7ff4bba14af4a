//! Which session has which name, and which clients are away for a moment.
//!
//! Must never: hold its lock while anything else is done than looking up and putting in.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use tokio::sync::Notify;

use super::{Cause, DuplicatePolicy, Handlers, Session, hub::Core, hubs::Hubs, line::Line, refused, session::Parts};
use crate::{Context, error::Result};

/// The names of one hub.
pub(super) struct Registry<H: Handlers> {
    names: RwLock<Names<H>>,
}

struct Names<H: Handlers> {
    open: HashMap<Arc<str>, Session<H>>,
    /// Clients in their grace. Notified when they are back.
    away: HashMap<Arc<str>, Arc<Notify>>,
}

impl<H: Handlers> Default for Registry<H> {
    fn default() -> Self {
        Self { names: RwLock::new(Names { open: HashMap::new(), away: HashMap::new() }) }
    }
}

impl<H: Handlers> Registry<H> {
    fn read(&self) -> RwLockReadGuard<'_, Names<H>> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Names<H>> {
        self.names.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get(&self, client_id: &str) -> Option<Session<H>> {
        self.read().open.get(client_id).cloned()
    }

    pub fn all(&self) -> Vec<Session<H>> {
        self.read().open.values().cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.read().open.len()
    }

    /// Gives a name to a new session; the one that had it ends, or the new one is refused.
    pub fn take(
        &self,
        core: &Arc<Core<H>>,
        client_id: &str,
        cx: &Context,
        line: &Arc<Line<H::Command>>,
    ) -> Result<Session<H>> {
        let hubs: &Arc<Hubs> = &core.hubs;
        let mut names = self.write();
        let older = names.open.get(client_id).cloned();
        if let Some(older) = &older {
            // One that is over and not yet gone keeps nobody out.
            if core.config.duplicate_policy == DuplicatePolicy::Refuse && older.ended().is_none() {
                return Err(refused::connected(client_id));
            }
        }
        let place = hubs.enter(cx, older.is_some())?;
        let resumed = names.away.remove(client_id);
        let parts = Parts {
            core: core.clone(),
            client_id: client_id.into(),
            cx: cx.clone(),
            line: line.clone(),
            resumed: resumed.is_some() || older.is_some(),
            after: older.as_ref().map(Session::connected_at),
            place,
        };
        let session = Session::new(parts);
        names.open.insert(session.0.name(), session.clone());
        drop(names);
        if let Some(older) = older {
            older.close(Cause::Replaced);
        }
        if let Some(back) = resumed {
            back.notify_one();
        }
        Ok(session)
    }

    /// Takes the name back, if it is still this session's. With a grace, gives what tells when the client is back.
    pub fn give_back(&self, session: &Session<H>, grace: bool) -> Option<Arc<Notify>> {
        let mut names = self.write();
        let Entry::Occupied(entry) = names.open.entry(session.0.name()) else { return None };
        if !entry.get().is(session) {
            return None;
        }
        let removed = entry.remove();
        let back = grace.then(|| {
            let back = Arc::new(Notify::new());
            names.away.insert(session.0.name(), back.clone());
            back
        });
        // A burst of clients leaves its room behind.
        if names.open.is_empty() {
            names.open.shrink_to_fit();
        }
        drop(names);
        drop(removed);
        back
    }

    /// The grace is over; tells whether the client is still away.
    pub fn is_gone(&self, session: &Session<H>, back: &Arc<Notify>) -> bool {
        let mut names = self.write();
        let Entry::Occupied(entry) = names.away.entry(session.0.name()) else { return false };
        if !Arc::ptr_eq(entry.get(), back) {
            return false;
        }
        entry.remove();
        true
    }

    /// How many clients are in their grace.
    pub fn away(&self) -> usize {
        self.read().away.len()
    }
}
