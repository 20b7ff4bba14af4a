//! All hubs of this node: what they share, and what is decided over all of them.
//!
//! Must never: know the types of a service.

use std::{
    borrow::Cow,
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::Duration,
};

use prost_reflect::DescriptorPool;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Cause, Config,
    counts::Counts,
    recheck::{Now, Recheck, Rules},
    state::{Connection, Connections, Ledger, Source},
};
use crate::{
    Context, Db, Principal,
    auth::{self, Authenticator},
    bus::Bus,
    centrifugo::Centrifugo,
    clock,
    error::{DOMAIN, Error, Result},
    record::{Caller, metrics::Metrics},
};

/// So many sessions a second can connect to the nodes that remain: clients of a draining node are asked to come back
/// spread over the time this takes.
const RECONNECTS: usize = 2_000;

const DROPPED: &str = "steeple_connection_log_dropped_total";

/// A hub without its types.
pub(super) trait Erased: Send + Sync + 'static {
    /// `service_name`.
    fn service(&self) -> &str;
    /// Ends every session.
    fn close_all(&self, cause: Cause);
    /// How many sessions are open.
    fn len(&self) -> usize;
    /// Their rows.
    fn rows(&self) -> Vec<Connection>;
    /// Adds the callers that are known, as their sessions began.
    fn callers(&self, callers: &mut HashMap<Who, Principal>);
    /// Ends the sessions of callers who may no longer call.
    fn recheck(&self, known: &HashMap<Who, Now>, rules: &Rules);
}

/// What the hubs of a node are made of.
pub(crate) struct Parts<'p> {
    pub config: &'p Config,
    pub auth: &'p auth::Config,
    /// What rows call this node.
    pub node: String,
    pub db: Db,
    pub metrics: Arc<Metrics>,
    pub bus: Bus,
    pub centrifugo: Option<Centrifugo>,
    pub authenticator: Authenticator,
    /// Who may call what.
    pub rules: Rules,
    pub descriptors: Arc<[Cow<'static, [u8]>]>,
}

/// What the hubs of one node share. One is made at start, and handed to every service.
pub(crate) struct Hubs {
    pub(super) config: Config,
    /// What rows call this node.
    pub(super) node: String,
    pub(super) ledger: Ledger,
    /// One for each session, from its first message to the end of its grace, and for each command that another node waits
    /// for.
    pub(super) tasks: TaskTracker,
    pub(super) bus: Bus,
    pub(super) centrifugo: Option<Centrifugo>,
    descriptors: Arc<[Cow<'static, [u8]>]>,
    pool: OnceLock<Arc<DescriptorPool>>,
    metrics: Arc<Metrics>,
    live: Mutex<Vec<Weak<dyn Erased>>>,
    places: Mutex<Places>,
    draining: CancellationToken,
}

#[derive(Default)]
struct Places {
    all: usize,
    each: HashMap<Who, usize>,
}

/// Whose sessions are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    User(i64),
    ApiKey(i64),
    Address(Option<IpAddr>),
}

impl Who {
    /// A caller with a credential.
    pub fn known(principal: &Principal) -> Option<Self> {
        match principal.caller()? {
            Caller { api_key_id: Some(id), .. } => Some(Self::ApiKey(id)),
            Caller { user_id, .. } => user_id.map(Self::User),
        }
    }

    fn of(cx: &Context) -> Self {
        Self::known(cx.principal()).unwrap_or_else(|| Self::Address(cx.peer().map(|peer| peer.ip())))
    }
}

impl Hubs {
    /// No hubs yet.
    pub fn start(parts: Parts<'_>) -> Arc<Self> {
        let Parts { config, auth, node, db, metrics, bus, centrifugo, authenticator, rules, descriptors } = parts;
        let recheck = Recheck::new(auth, authenticator, rules);
        let (rows, here) = (db.clone(), node.clone());
        bus.consult(move |service, client_id| {
            let (rows, here, service, client_id) =
                (rows.clone(), here.clone(), service.to_owned(), client_id.to_owned());
            Box::pin(async move {
                let row = Connections::find(&rows, &service, &client_id).await.ok().flatten();
                row.is_some_and(|row| row.node != here && row.is_online(clock::now()))
            })
        });
        let hubs = Arc::new_cyclic(|hubs: &Weak<Self>| Self {
            config: config.clone(),
            node,
            bus,
            centrifugo,
            descriptors,
            pool: OnceLock::new(),
            ledger: Ledger::start(
                db,
                config,
                hubs.clone(),
                metrics.counter(DROPPED, "Rows and events of connected clients that were not written.", &[]),
            ),
            tasks: TaskTracker::new(),
            metrics,
            live: Mutex::default(),
            places: Mutex::default(),
            draining: CancellationToken::new(),
        });
        tokio::spawn(recheck.run(Arc::downgrade(&hubs)));
        hubs
    }

    /// The site's descriptors, decoded once.
    pub(super) fn pool(&self) -> Result<Arc<DescriptorPool>> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool.clone());
        }
        let mut pool = DescriptorPool::new();
        for set in self.descriptors.iter() {
            pool.decode_file_descriptor_set(set.as_ref()).map_err(|error| {
                Error::failed_precondition(format!("the site's descriptors do not decode: {error}"))
            })?;
        }
        Ok(self.pool.get_or_init(|| Arc::new(pool)).clone())
    }

    /// A hub begins.
    pub(super) fn add(&self, hub: Weak<dyn Erased>) -> Result<()> {
        let Some(name) = hub.upgrade().map(|hub| hub.service().to_owned()) else { return Ok(()) };
        if self.live().iter().any(|hub| hub.service() == name) {
            return Err(Error::failed_precondition(format!(
                "two hubs are called {name:?}; give one of them another service_name"
            )));
        }
        self.live.lock().unwrap_or_else(PoisonError::into_inner).push(hub);
        Ok(())
    }

    pub(super) fn counts(&self, service: &str) -> Counts {
        Counts::of(&self.metrics, service)
    }

    pub(super) fn live(&self) -> Vec<Arc<dyn Erased>> {
        let hubs = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        hubs.iter().filter_map(Weak::upgrade).collect()
    }

    /// How many clients are connected to this node.
    pub fn sessions(&self) -> usize {
        self.live().iter().map(|hub| hub.len()).sum()
    }

    /// How many tasks sessions have: those in their grace have one, and each command that another node waits for.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Takes a place for a session of this caller. One that replaces another of the same client may go beyond the limit:
    /// the place of the other is on its way back, unless its client does not read, so there is a limit to that as well.
    pub(super) fn enter(self: &Arc<Self>, cx: &Context, replaces: bool) -> Result<Place> {
        let who = Who::of(cx);
        let most = |limit: usize| if replaces { limit.saturating_mul(2) } else { limit };
        let many = |limit: usize, taken: usize| limit > 0 && taken >= most(limit);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if many(self.config.max_sessions, places.all) {
            let most = self.config.max_sessions;
            return Err(Error::resource_exhausted(format!(
                "this node has {most} clients connected, and takes no more"
            ))
            .reason("TOO_MANY_SESSIONS", DOMAIN)
            .retry_after(Duration::from_secs(5)));
        }
        let taken = places.each.get(&who).copied().unwrap_or_default();
        if many(self.config.max_sessions_per_principal, taken) {
            let most = self.config.max_sessions_per_principal;
            return Err(Error::resource_exhausted(format!("this caller has {most} clients connected to this node"))
                .reason("TOO_MANY_SESSIONS", DOMAIN)
                .retry_after(Duration::from_secs(5)));
        }
        places.all += 1;
        *places.each.entry(who).or_default() += 1;
        Ok(Place { hubs: self.clone(), who })
    }

    /// Whether new sessions are refused.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Ends when the node begins to drain.
    pub(super) async fn drains(&self) {
        self.draining.cancelled().await;
    }

    /// How long one of this node's clients should wait before it connects again: any time within what all need.
    pub(super) fn spread(&self) -> Duration {
        let all = self.places.lock().unwrap_or_else(PoisonError::into_inner).all;
        let whole = Duration::from_secs(1) * u32::try_from(all / RECONNECTS).unwrap_or(u32::MAX).saturating_add(1);
        // Any number will do that differs from session to session.
        let share = uuid::Uuid::new_v4().as_bytes()[0];
        Duration::from_millis(100) + whole * u32::from(share) / 256
    }

    /// Tells every client to connect again, and takes no new ones.
    pub fn drain(&self) {
        self.draining.cancel();
        for hub in self.live() {
            hub.close_all(Cause::Drained);
        }
    }

    /// Ends what is still open, waits for the tasks, writes the last rows; after this the database may close.
    pub async fn finish(&self, within: Duration) {
        self.draining.cancel();
        for hub in self.live() {
            hub.close_all(Cause::Shutdown);
        }
        self.tasks.close();
        if tokio::time::timeout(within, self.tasks.wait()).await.is_err() {
            tracing::warn!(sessions = self.tasks.len(), "some sessions did not end, leaving them");
        }
        self.ledger.finish(within).await;
    }
}

impl Source for Hubs {
    fn rows(&self) -> Vec<Connection> {
        self.live().iter().flat_map(|hub| hub.rows()).collect()
    }
}

/// A session's share of the limits.
pub(super) struct Place {
    hubs: Arc<Hubs>,
    who: Who,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.hubs.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.all -= 1;
        if let Some(taken) = places.each.get_mut(&self.who) {
            *taken -= 1;
            if *taken == 0 {
                places.each.remove(&self.who);
            }
        }
    }
}
