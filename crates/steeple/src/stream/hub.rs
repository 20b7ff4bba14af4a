//! The clients of one service: who is connected, and how commands reach them.
//!
//! Must never: wait for a client other than in [`Hub::execute`].

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use super::{
    Cause, Handlers, Replies, Session, Streaming, StreamingConfig,
    counts::Counts,
    hubs::{Erased, Hubs},
    line::{Line, Outbound},
    refused,
    registry::Registry,
    state::{Connection, Status},
    task,
};
use crate::{
    Context,
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
}

/// Whom a broadcast is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// Every client of the service.
    All,
    /// Every client whose session has this label, see [`Session::join`].
    Label(String),
}

/// What became of a broadcast.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Broadcast {
    /// Clients whose queues took the command.
    pub queued: usize,
    /// Clients that do not read as fast as they are sent to, and do not get it.
    pub full: usize,
}

impl<H: Handlers> Hub<H> {
    pub(crate) fn open(hubs: &Arc<Hubs>, config: StreamingConfig, handlers: H) -> Result<Self> {
        config.check()?;
        let counts = hubs.counts(&config.service_name);
        let core = Arc::new(Core { config, handlers, hubs: hubs.clone(), counts, registry: Registry::default() });
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
        cx.set_metadata("x-heartbeat-interval-ms", core.config.heartbeat_interval.as_millis().to_string())?;
        let line = Line::new(core.config.queue_size);
        let outbound = Outbound(line.clone());
        core.hubs.tasks.spawn(task::run(core.clone(), cx, messages, line));
        Ok(Replies::new(outbound))
    }

    // === commands ===

    /// Queues a command for a client, without waiting for it. A command without an id gets one.
    ///
    /// # Errors
    /// FAILED_PRECONDITION (CLIENT_NOT_CONNECTED), RESOURCE_EXHAUSTED (QUEUE_FULL), INVALID_ARGUMENT for what is no name.
    #[expect(clippy::unused_async, reason = "a client of another node is reached over the bus")]
    pub async fn send(&self, client_id: &str, command: H::Command) -> Result<()> {
        match self.local(client_id)? {
            Some(session) => session.send(command),
            None => Err(refused::not_connected(client_id)),
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
            None => Err(refused::not_connected(client_id)),
        }
    }

    /// Queues a command for many clients. Each gets the same command, with the same id.
    #[expect(clippy::unused_async, reason = "clients of other nodes are reached over the bus")]
    pub async fn broadcast(&self, to: &To, mut command: H::Command) -> Broadcast {
        let id = H::command_id(&mut command);
        if id.is_empty() {
            *id = uuid::Uuid::new_v4().to_string();
        }
        self.broadcast_here(to, &command)
    }

    /// Takes back a command that the client has not read yet; tells whether it did. Whoever waits for its ack reads
    /// CANCELLED.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for what is no name.
    #[expect(clippy::unused_async, reason = "a client of another node is reached over the bus")]
    pub async fn cancel(&self, client_id: &str, command_id: &str) -> Result<bool> {
        Ok(self.local(client_id)?.is_some_and(|session| session.cancel(command_id)))
    }

    /// The one place where a client of this node is found; who is not here is the bus's business.
    fn local(&self, client_id: &str) -> Result<Option<Session<H>>> {
        refused::unfit(client_id)?;
        Ok(self.0.registry.get(client_id))
    }

    fn broadcast_here(&self, to: &To, command: &H::Command) -> Broadcast {
        let mut done = Broadcast::default();
        // The sessions first, the commands after: nobody who comes or leaves waits for this.
        for session in self.0.registry.all() {
            if let To::Label(label) = to
                && !session.has_label(label)
            {
                continue;
            }
            match session.send(command.clone()) {
                Ok(()) => done.queued += 1,
                Err(error) if error.code() == crate::Code::ResourceExhausted => done.full += 1,
                // Left in this moment.
                Err(_) => {}
            }
        }
        done
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
