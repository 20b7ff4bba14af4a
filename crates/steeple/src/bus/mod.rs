//! Reaches a client wherever its session lives: in this process, or on any node that shares a NATS broker.
//!
//! A node [serves](Bus::serve) its clients by name; any process of the site [sends](Bus::send) to them,
//! [requests](Bus::request) an answer from them, or [publishes](Bus::publish_all) to all. Bytes in, bytes out: what they
//! mean is the hub's business. [`Bus::Local`] is one process; [`Bus::Nats`] is many, and serves its own clients without
//! the broker, so that an outage never touches them. The rules of both:
//!
//! - The newest session of a name wins; the older one is told [`superseded`](Registration::superseded).
//! - A command carries the moment it expires at. Nothing late is run.
//! - An error says whether the command may have run (the table is [`reason`]).
//! - Every queue, map and wait has a bound.
//!
//! Must never: wait for a broker that is away, read a command's bytes, or let two sessions of one name run a command.

mod claim;
mod config;
mod delivery;
mod expiry;
mod fault;
mod local;
mod names;
mod nats;
mod registration;
mod sessions;
mod wire;

use std::{fmt, pin::Pin, time::Duration};

use bytes::Bytes;

pub use self::{
    config::Config,
    delivery::{Accepted, Delivery, Reply},
    expiry::Expiry,
    fault::reason,
    local::Local,
    names::{LONGEST_NAME, MOST_LABELS},
    nats::Nats,
    registration::Registration,
};
use self::{delivery::Wants, names::Audience};
pub(crate) use self::{fault::Fault, names::check_service};
use crate::error::Result;

/// The way to every client of the site. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Bus {
    /// One process: the clients that are connected to it.
    Local(Local),
    /// Every node of the site, over NATS.
    Nats(Nats),
}

/// Whether other nodes can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There are no other nodes.
    Local,
    /// Connected for long enough to know who is where.
    Connected,
    /// Connected moments ago: who does not answer may be about to.
    Settling,
    /// No broker, and what it or the system said last. Clients of this process are still served.
    Away(String),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Connected => f.write_str("connected"),
            Self::Settling => f.write_str("settling"),
            Self::Away(why) => write!(f, "away: {why}"),
        }
    }
}

/// What a publication reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spread {
    /// Nodes that answered, this one included.
    pub nodes: usize,
    /// Sessions that have it in their queues.
    pub queued: usize,
    /// Sessions that refused it.
    pub refused: usize,
    /// Every node that was expected has answered.
    pub complete: bool,
}

/// What the bus holds now; all of it goes back to zero when nobody is connected and nobody waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Clients registered in this process.
    pub sessions: usize,
    /// Requests of this process that wait for an answer from another node.
    pub waiting: usize,
    /// Subscriptions to all clients of a service or to a label.
    pub groups: usize,
    /// Answers that were given up because the connection to the broker had no room. Only grows.
    pub dropped: u64,
}

impl Bus {
    /// A bus of this process alone.
    pub fn local() -> Self {
        Self::Local(Local::default())
    }

    /// The bus that `config` describes. `node` names this process to those who look at the broker. Waits for the broker at
    /// most `connect_timeout`, then goes on without, unless it is `required`.
    ///
    /// # Errors
    /// The broker refuses the credentials or the rights it gives are too few; it is away and `required`; the configuration
    /// does not hold together.
    pub async fn open(config: &Config, node: &str) -> Result<Self, String> {
        match &config.url {
            None => Ok(Self::local()),
            Some(url) => Ok(Self::Nats(Nats::open(config, url, node).await?)),
        }
    }

    /// Whether other nodes can be reached.
    pub fn state(&self) -> State {
        match self {
            Self::Local(_) => State::Local,
            Self::Nats(nats) => nats.state(),
        }
    }

    /// Registers the client `id` of `service`, which [`publish_label`](Self::publish_label) reaches by any of `labels` too.
    /// From now on `handler` gets what is sent to it: it must not wait, but [accept](Delivery::accept) each delivery into
    /// the session's queue or [refuse](Delivery::refuse) it. Dropping the registration ends it.
    ///
    /// A session that had this name before is told that it is superseded. While the broker is away the client can be
    /// reached within this process, and from elsewhere as soon as it is back.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a name that cannot be one; ABORTED with [`reason::SUPERSEDED`] when another session took the
    /// name at the same moment.
    pub async fn serve(
        &self,
        service: &str,
        id: &str,
        labels: &[&str],
        handler: impl Fn(Delivery) + Send + Sync + 'static,
    ) -> Result<Registration> {
        names::check(service, id, labels)?;
        match self {
            Self::Local(local) => Ok(local.serve(service, id, labels, Box::new(handler))),
            Self::Nats(nats) => nats.serve(service, id, labels, Box::new(handler)).await,
        }
    }

    /// Puts `bytes` into the queue of one client's session. Returns when they are in it; they are not run after `within`.
    ///
    /// # Errors
    /// The causes of [`reason`], and whatever the session refuses it with, such as RESOURCE_EXHAUSTED for a full queue.
    pub async fn send(&self, service: &str, id: &str, bytes: Bytes, within: Duration) -> Result<()> {
        self.ask(Wants::Place, service, id, bytes, within).await.map(|_| ())
    }

    /// As [`send`](Self::send), and returns the client's answer. When the future is dropped, nobody waits any more; what
    /// was sent stays sent.
    ///
    /// # Errors
    /// As [`send`](Self::send), and whatever the session answers with.
    pub async fn request(&self, service: &str, id: &str, bytes: Bytes, within: Duration) -> Result<Bytes> {
        self.ask(Wants::Answer, service, id, bytes, within).await
    }

    /// Puts `bytes` into the queue of every session of `service`, on every node, and counts. Returns when `nodes` nodes have
    /// answered, this one included, or after 200 ms: a broker does not know how many there are.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a name that cannot be one. A broker that is away is no error: the spread is not complete.
    pub async fn publish_all(
        &self,
        service: &str,
        bytes: Bytes,
        within: Duration,
        nodes: Option<usize>,
    ) -> Result<Spread> {
        self.publish(service, Audience::All, bytes, within, nodes).await
    }

    /// As [`publish_all`](Self::publish_all), to the sessions that have `label`.
    ///
    /// # Errors
    /// As [`publish_all`](Self::publish_all).
    pub async fn publish_label(
        &self,
        service: &str,
        label: &str,
        bytes: Bytes,
        within: Duration,
        nodes: Option<usize>,
    ) -> Result<Spread> {
        names::check_name("label", label)?;
        self.publish(service, Audience::Label(label), bytes, within, nodes).await
    }

    /// Whether some session has this name, on any node that can be reached now: those that cannot, or that are slow to
    /// answer, count as having none.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a name that cannot be one.
    pub async fn is_taken(&self, service: &str, id: &str) -> Result<bool> {
        names::check(service, id, &[])?;
        Ok(match self {
            Self::Local(local) => local.sessions.get(service, id).is_some(),
            Self::Nats(nats) => nats.is_taken(service, id).await,
        })
    }

    /// Whether a session of this name is registered in this process.
    pub fn is_here(&self, service: &str, id: &str) -> bool {
        match self {
            Self::Local(local) => local.sessions.get(service, id).is_some(),
            Self::Nats(nats) => nats.is_here(service, id),
        }
    }

    /// Hands in who knows, without the broker, whether a client is connected to another node. It is asked about clients for
    /// whom nobody listens: one that is known may be reconnecting, and is not said to be absent.
    pub(crate) fn consult(
        &self,
        known: impl Fn(&str, &str) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync + 'static,
    ) {
        if let Self::Nats(nats) = self {
            nats.consult(Box::new(known));
        }
    }

    /// What the bus holds now.
    pub fn counts(&self) -> Counts {
        match self {
            Self::Local(local) => Counts { sessions: local.sessions.len(), ..Counts::default() },
            Self::Nats(nats) => nats.counts(),
        }
    }

    /// Leaves the broker: what was published goes out, then nothing comes in any more. Call it when the sessions have ended.
    pub async fn close(&self) {
        if let Self::Nats(nats) = self {
            nats.close().await;
        }
    }

    async fn ask(&self, wants: Wants, service: &str, id: &str, bytes: Bytes, within: Duration) -> Result<Bytes> {
        names::check(service, id, &[])?;
        match self {
            Self::Local(local) => local.ask(wants, service, id, bytes, within).await,
            Self::Nats(nats) => nats.ask(wants, service, id, bytes, within).await,
        }
    }

    async fn publish(
        &self,
        service: &str,
        audience: Audience<'_>,
        bytes: Bytes,
        within: Duration,
        nodes: Option<usize>,
    ) -> Result<Spread> {
        check_service(service)?;
        match self {
            Self::Local(local) => Ok(local.publish(service, audience, &bytes, Expiry::after(within))),
            Self::Nats(nats) => Ok(nats.publish(service, audience, bytes, within, nodes).await),
        }
    }
}
