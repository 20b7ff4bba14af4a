//! The clients of one service: who is connected, and how commands reach them, here or on another node.
//!
//! Must never: wait for a client other than in [`Hub::execute`], or use the bus for a client of this node.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use super::{
    Cause, Handlers, Protocol, Remote, Replies, Session, Streaming, StreamingConfig,
    counts::Counts,
    hubs::{Erased, Hubs, Who},
    line::{Line, Outbound},
    published::Publisher,
    recheck::{Now, Rules},
    refused,
    registry::Registry,
    state::{Connection, Status},
    task,
};
use crate::{
    Context, Principal,
    error::{Error, Result},
};

/// The clients of one streaming service. Cheap to clone; made by [`Setup::hub`](crate::Setup::hub) when the service is made.
///
/// ```ignore
/// pub struct AgentService { hub: Hub<Agents> }
///
/// impl AgentService {
///     pub fn new(setup: &Setup) -> Result<Self> {
///         Ok(Self { hub: setup.hub(StreamingConfig::of("agents"), Agents)? })
///     }
/// }
///
/// impl pb::AgentService for AgentService {
///     async fn connect(&self, cx: Context, messages: Streaming<Up>) -> Result<Replies<Command>> {
///         self.hub.connect(cx, messages)
///     }
/// }
/// ```
pub struct Hub<H: Handlers>(Arc<Core<H>>);

pub(super) struct Core<H: Handlers> {
    pub config: StreamingConfig,
    pub handlers: H,
    pub hubs: Arc<Hubs>,
    pub counts: Counts,
    pub registry: Registry<H>,
    /// The way to clients that are not here.
    pub remote: Remote<H>,
    pub publisher: Option<Publisher>,
}

/// Whom a broadcast is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// Every client of the service, on every node.
    All,
    /// Every client whose session has this label, see [`Session::join`].
    Label(String),
}

/// What became of a broadcast.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Broadcast {
    /// Clients whose queues took the command.
    pub queued: usize,
    /// Clients that do not get it: they do not read as fast as they are sent to, or left in this moment.
    pub refused: usize,
    /// Nodes that have answered, this one included.
    pub nodes: usize,
    /// Whether all nodes are known to have answered: over a broker nobody knows how many there are.
    pub complete: bool,
}

impl<H: Handlers> Hub<H> {
    pub(crate) fn open(hubs: &Arc<Hubs>, config: StreamingConfig, handlers: H) -> Result<Self> {
        config.check()?;
        let counts = hubs.counts(&config.service_name);
        let remote = Remote::new(&hubs.bus, &config.service_name);
        let publisher = Publisher::of(&config, hubs)?;
        let registry = Registry::default();
        let core = Arc::new(Core { config, handlers, hubs: hubs.clone(), counts, registry, remote, publisher });
        let erased: Weak<Core<H>> = Arc::downgrade(&core);
        hubs.add(erased)?;
        Ok(Self(core))
    }

    /// Takes a client's stream: the answer of the bidirectional method. Returns at once; what the client is refused
    /// with, or why its session ended, is the status that it reads in the end.
    ///
    /// # Errors
    /// UNAVAILABLE when the node is about to stop.
    pub fn connect(&self, cx: Context, messages: Streaming<H::Message>) -> Result<Replies<H::Command>> {
        let core = &self.0;
        if core.hubs.is_draining() {
            return Err(Cause::Drained.status(core.hubs.spread()).unwrap_or_else(|| Error::unavailable("draining")));
        }
        if let Some(publisher) = &core.publisher {
            publisher.learn(cx.method());
        }
        cx.set_metadata("x-heartbeat-interval-ms", core.config.heartbeat_interval.as_millis().to_string())?;
        let line = Line::new(core.config.queue_size);
        let outbound = Outbound(line.clone());
        core.hubs.tasks.spawn(task::run(core.clone(), cx, messages, line));
        Ok(Replies::new(outbound))
    }

    // === commands ===

    /// Queues a command for a client, on this node or another, without waiting for it. A command without an id gets one.
    ///
    /// # Errors
    /// FAILED_PRECONDITION (CLIENT_NOT_CONNECTED), RESOURCE_EXHAUSTED (QUEUE_FULL), INVALID_ARGUMENT for what is no name; for
    /// a client of another node the other reasons of the bus, see [`reason`](crate::bus::reason).
    pub async fn send(&self, client_id: &str, command: H::Command) -> Result<()> {
        match self.local(client_id)? {
            Some(session) => session.send(command),
            None => self.0.remote.send(client_id, command, self.0.config.command_timeout).await,
        }
    }

    /// Queues a command for a client and waits for its ack. `deadline` `None`: `command_timeout` of the configuration.
    ///
    /// # Errors
    /// As [`Hub::send`] and [`Session::execute`].
    pub async fn execute(&self, client_id: &str, command: H::Command, deadline: Option<Duration>) -> Result<H::Ack> {
        let deadline = deadline.unwrap_or(self.0.config.command_timeout);
        match self.local(client_id)? {
            Some(session) => session.execute(command, deadline).await,
            None => self.0.remote.execute(client_id, command, deadline).await,
        }
    }

    /// Queues a command for many clients, on every node. Each gets the same command, with the same id. Returns when the
    /// nodes have answered; with many nodes that may take 200 ms, and no client waits for it.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for what cannot be a label.
    pub async fn broadcast(&self, to: &To, command: H::Command) -> Result<Broadcast> {
        self.0.remote.broadcast(to, command, self.0.config.command_timeout).await
    }

    /// Takes back a command that the client has not read yet; tells whether it did. Whoever waits for its ack reads
    /// CANCELLED.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for what is no name; what keeps the client's node from being asked.
    pub async fn cancel(&self, client_id: &str, command_id: &str) -> Result<bool> {
        match self.local(client_id)? {
            Some(session) => Ok(session.cancel(command_id)),
            None => self.0.remote.cancel(client_id, command_id, self.0.config.command_timeout).await,
        }
    }

    /// The one place where a client of this node is found; who is not here is looked for elsewhere.
    fn local(&self, client_id: &str) -> Result<Option<Session<H>>> {
        refused::unfit(client_id)?;
        // One that has ended may be connected to another node already.
        Ok(self.0.registry.get(client_id).filter(|session| session.ended().is_none()))
    }

    // === who is here ===

    /// The session of a client that is connected to this node.
    pub fn session(&self, client_id: &str) -> Option<Session<H>> {
        self.0.registry.get(client_id)
    }

    /// The sessions of this node.
    pub fn sessions(&self) -> Vec<Session<H>> {
        self.0.registry.all()
    }

    /// Whether a client is connected to this node.
    pub fn is_connected(&self, client_id: &str) -> bool {
        self.0.registry.get(client_id).is_some()
    }

    /// How many clients are connected to this node.
    pub fn len(&self) -> usize {
        self.0.registry.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many clients left a moment ago and may be back.
    pub fn away(&self) -> usize {
        self.0.registry.away()
    }

    /// What the service does with its clients.
    pub fn handlers(&self) -> &H {
        &self.0.handlers
    }

    /// What it promises them.
    pub fn config(&self) -> &StreamingConfig {
        &self.0.config
    }
}

impl<H: Handlers> Erased for Core<H> {
    fn service(&self) -> &str {
        &self.config.service_name
    }

    fn close_all(&self, cause: Cause) {
        for session in self.registry.all() {
            session.close(cause);
        }
    }

    fn len(&self) -> usize {
        self.registry.len()
    }

    fn rows(&self) -> Vec<Connection> {
        self.registry.all().iter().map(|session| session.row(Status::Connected)).collect()
    }

    fn callers(&self, callers: &mut HashMap<Who, Principal>) {
        for session in self.registry.all() {
            let principal = session.principal();
            if let Some(who) = Who::known(principal) {
                callers.entry(who).or_insert_with(|| principal.clone());
            }
        }
    }

    fn recheck(&self, known: &HashMap<Who, Now>, rules: &Rules) {
        for session in self.registry.all() {
            let now = Who::known(session.principal()).and_then(|who| known.get(&who));
            let refused = now.and_then(|now| now.refuses(session.principal(), session.context().method(), rules));
            if let Some(error) = refused {
                session.close_with(Cause::Revoked, error);
            }
        }
    }
}

/// The id of a command; it gets one if it has none.
pub(super) fn stamped<P: Protocol>(command: &mut P::Command) -> Arc<str> {
    let id = P::command_id(command);
    if id.is_empty() {
        *id = uuid::Uuid::new_v4().to_string();
    }
    id.as_str().into()
}

impl<H: Handlers> Clone for Hub<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Handlers> fmt::Debug for Hub<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("service", &self.0.config.service_name)
            .field("clients", &self.len())
            .finish_non_exhaustive()
    }
}
