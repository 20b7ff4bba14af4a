//! The way to a service's clients from any process of the site.
//!
//! Must never: know of sessions; where a client is, is the bus's business.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use prost::Message as _;

use super::{
    Broadcast, Protocol, To,
    hub::stamped,
    refused,
    wire::{Order, was_cancelled},
};
use crate::{
    Code,
    bus::{Bus, reason},
    error::{Error, Result},
};

/// Commands for the clients of one streaming service, from any process that shares its bus: a worker, a command, another
/// service. A [`Hub`](super::Hub) does the same for its own clients without the bus.
///
/// ```no_run
/// # use std::time::Duration;
/// # use steeple::{Result, Setup, stream::{Protocol, Remote}};
/// async fn pause<P: Protocol>(setup: &Setup, command: P::Command) -> Result<P::Ack> {
///     Remote::<P>::new(setup.bus(), "crypto").execute("agent-7", command, Duration::from_secs(5)).await
/// }
/// ```
pub struct Remote<P> {
    bus: Bus,
    service: Arc<str>,
    protocol: PhantomData<fn() -> P>,
}

impl<P: Protocol> Remote<P> {
    /// The clients of the hub with this `service_name`.
    pub fn new(bus: &Bus, service_name: &str) -> Self {
        Self { bus: bus.clone(), service: service_name.into(), protocol: PhantomData }
    }

    /// Queues a command for a client, without waiting for it to be done. Not read by the client `within` this time, it is
    /// dropped and put on record.
    ///
    /// # Errors
    /// The reasons of the bus, see [`reason`]; RESOURCE_EXHAUSTED (QUEUE_FULL); INVALID_ARGUMENT for what is no name.
    pub async fn send(&self, client_id: &str, mut command: P::Command, within: Duration) -> Result<()> {
        refused::unfit(client_id)?;
        stamped::<P>(&mut command);
        self.bus.send(&self.service, client_id, Order::Command(command).encode(), within).await
    }

    /// Queues a command for a client and waits for its ack.
    ///
    /// # Errors
    /// As [`Remote::send`] and [`Session::execute`](super::Session::execute).
    pub async fn execute(&self, client_id: &str, mut command: P::Command, within: Duration) -> Result<P::Ack> {
        refused::unfit(client_id)?;
        stamped::<P>(&mut command);
        let answer = self.bus.request(&self.service, client_id, Order::Command(command).encode(), within).await?;
        P::Ack::decode(answer)
            .map_err(|error| Error::internal("internal error").because(format!("an ack cannot be read: {error}")))
    }

    /// Takes back a command that the client has not read yet; tells whether it did. Whoever waits for its ack reads
    /// CANCELLED.
    ///
    /// # Errors
    /// The reasons of the bus; a client that is not connected is none.
    pub async fn cancel(&self, client_id: &str, command_id: &str, within: Duration) -> Result<bool> {
        refused::unfit(client_id)?;
        let order = Order::<P::Command>::Cancel(command_id.to_owned());
        match self.bus.request(&self.service, client_id, order.encode(), within).await {
            Ok(answer) => Ok(was_cancelled(&answer)),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Queues a command for many clients, on every node. Each gets the same command, with the same id.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for what cannot be a label. A bus that is away is none: the broadcast is not complete.
    pub async fn broadcast(&self, to: &To, mut command: P::Command, within: Duration) -> Result<Broadcast> {
        stamped::<P>(&mut command);
        let order = Order::Command(command).encode();
        let spread = match to {
            To::All => self.bus.publish_all(&self.service, order, within, None).await?,
            To::Label(label) => self.bus.publish_label(&self.service, label, order, within, None).await?,
        };
        Ok(Broadcast { queued: spread.queued, refused: spread.refused, nodes: spread.nodes, complete: spread.complete })
    }

    /// Whether another node than this one has a session of this client.
    pub(super) async fn is_elsewhere(&self, client_id: &str) -> Result<bool> {
        Ok(!self.bus.is_here(&self.service, client_id) && self.bus.is_taken(&self.service, client_id).await?)
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }
}

fn is_absent(error: &Error) -> bool {
    error.code() == Code::FailedPrecondition
        && error.details().error_info().is_some_and(|info| info.reason == reason::CLIENT_NOT_CONNECTED)
}

impl<P> Clone for Remote<P> {
    fn clone(&self) -> Self {
        Self { bus: self.bus.clone(), service: self.service.clone(), protocol: PhantomData }
    }
}

impl<P> fmt::Debug for Remote<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("service", &self.service).finish_non_exhaustive()
    }
}
