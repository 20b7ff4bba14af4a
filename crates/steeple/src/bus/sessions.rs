//! The clients of this process, by service and name.
//!
//! Must never: call a session while its lock is held.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{
    Delivery, Expiry,
    claim::Claim,
    delivery::{Sender, Tally},
    fault::Fault,
    names::{Audience, MOST_LABELS},
};
use crate::error::{Error, Result};

/// What takes the deliveries of one session. Does not wait.
pub(super) type Handler = Box<dyn Fn(Delivery) + Send + Sync>;

/// One connected client.
pub(super) struct Session {
    pub service: Arc<str>,
    pub id: Arc<str>,
    labels: Mutex<Vec<Box<str>>>,
    pub claim: Claim,
    pub handler: Handler,
    /// Set when a newer session has the name.
    pub superseded: CancellationToken,
}

impl Session {
    pub fn new(service: &str, id: &str, labels: &[&str], claim: Claim, handler: Handler) -> Self {
        Self {
            service: service.into(),
            id: id.into(),
            labels: Mutex::new(labels.iter().map(|label| Box::from(*label)).collect()),
            claim,
            handler,
            superseded: CancellationToken::new(),
        }
    }

    /// Adds a label, once.
    pub fn join(&self, label: &str) -> Result<()> {
        let mut labels = self.labels();
        if labels.iter().any(|own| **own == *label) {
            return Ok(());
        }
        if labels.len() >= MOST_LABELS {
            return Err(Error::resource_exhausted(format!("a client has {MOST_LABELS} labels at most")));
        }
        labels.push(label.into());
        Ok(())
    }

    /// Takes a label away; tells whether it was there.
    pub fn leave(&self, label: &str) -> bool {
        let mut labels = self.labels();
        let at = labels.iter().position(|own| **own == *label);
        at.map(|at| labels.swap_remove(at)).is_some()
    }

    fn is_in(&self, audience: Audience<'_>) -> bool {
        match audience {
            Audience::All => true,
            Audience::Label(label) => self.labels().iter().any(|own| **own == *label),
        }
    }

    fn labels(&self) -> MutexGuard<'_, Vec<Box<str>>> {
        self.labels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("service", &self.service)
            .field("id", &self.id)
            .field("claim", &self.claim)
            .finish_non_exhaustive()
    }
}

type ByName = HashMap<Arc<str>, Arc<Session>>;

/// The sessions of this process.
#[derive(Default)]
pub(super) struct Sessions(RwLock<HashMap<Arc<str>, ByName>>);

impl Sessions {
    pub fn get(&self, service: &str, id: &str) -> Option<Arc<Session>> {
        self.read().get(service)?.get(id).cloned()
    }

    /// Adds a session; the older one of its name is told.
    ///
    /// # Errors
    /// A newer one has the name.
    pub fn insert(&self, session: &Arc<Session>) -> Result<()> {
        let mut services = self.write();
        let clients = services.entry(session.service.clone()).or_default();
        if clients.get(&session.id).is_some_and(|other| other.claim > session.claim) {
            return Err(Fault::Superseded.of(&session.id));
        }
        let older = clients.insert(session.id.clone(), session.clone());
        drop(services);
        if let Some(older) = older {
            older.superseded.cancel();
        }
        Ok(())
    }

    /// Adds a session that is newer than whoever has the name.
    pub fn take_over(
        &self,
        service: &str,
        id: &str,
        labels: &[&str],
        handler: Handler,
    ) -> (Arc<Session>, Option<Arc<Session>>) {
        let mut services = self.write();
        let seen = services.get(service).and_then(|clients| clients.get(id)).map(|session| session.claim);
        let session = Arc::new(Session::new(service, id, labels, Claim::newer_than(seen), handler));
        let older = services.entry(session.service.clone()).or_default().insert(session.id.clone(), session.clone());
        (session, older)
    }

    /// Removes this session, and no other of its name.
    pub fn remove(&self, session: &Arc<Session>) {
        let mut services = self.write();
        let Some(clients) = services.get_mut(&session.service) else { return };
        if clients.get(&session.id).is_some_and(|held| Arc::ptr_eq(held, session)) {
            clients.remove(&session.id);
        }
        if clients.is_empty() {
            services.remove(&session.service);
        }
    }

    /// Offers `bytes` to every session of the audience; gives how many took and refused them.
    pub fn publish(&self, service: &str, audience: Audience<'_>, bytes: &Bytes, expires: Expiry) -> (usize, usize) {
        let chosen: Vec<Arc<Session>> = {
            let services = self.read();
            let clients = services.get(service).into_iter().flat_map(HashMap::values);
            clients.filter(|session| session.is_in(audience)).cloned().collect()
        };
        let tally = Arc::new(Tally::default());
        for session in chosen {
            let delivery = Delivery::new(bytes.clone(), expires, &session, Sender::Many(tally.clone()));
            (session.handler)(delivery);
        }
        (tally.queued.load(Relaxed), tally.refused.load(Relaxed))
    }

    pub fn len(&self) -> usize {
        self.read().values().map(HashMap::len).sum()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Arc<str>, ByName>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Arc<str>, ByName>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("count", &self.len()).finish()
    }
}
