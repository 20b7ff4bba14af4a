//! The relay as a user of Steeple would write it.

use std::time::Duration;

use steeple::{
    Context, Replies, Result, Setup, Streaming,
    stream::{Handlers, Hub, Incoming, Protocol, Session, StreamingConfig, To},
};

use crate::pb::relay::{self as pb, Ack, Down, Order, Reached, Reply, Up, up::Payload};

/// Lets every name in, and has nothing to do with what clients say.
#[derive(Debug)]
pub struct Clients;

impl Protocol for Clients {
    type Message = Up;
    type Content = ();
    type Ack = Ack;
    type Command = Down;

    fn client_id(message: &Up) -> &str {
        &message.client_id
    }

    fn read(message: Up) -> Incoming<Self> {
        match message.payload {
            Some(Payload::Ack(ack)) => Incoming::Ack(ack),
            None => Incoming::Heartbeat,
        }
    }

    fn kind((): &()) -> &'static str {
        "nothing"
    }

    fn ack_id(ack: &Ack) -> &str {
        &ack.command_id
    }

    fn ack_error(_: &Ack) -> Option<&str> {
        None
    }

    fn command_id(command: &mut Down) -> &mut String {
        &mut command.command_id
    }

    fn ping(_: i32) -> Down {
        Down::default()
    }
}

impl Handlers for Clients {
    type State = ();

    async fn admit(&self, _: &Context, _: &str) -> Result<()> {
        Ok(())
    }

    async fn handle(&self, _: &Session<Self>, (): ()) -> Result<()> {
        Ok(())
    }
}

/// Passes commands on.
#[derive(Debug)]
pub struct RelayService {
    hub: Hub<Clients>,
}

impl RelayService {
    /// With the defaults of every streaming service, but for pings, which a crowd is to have seen when it is measured.
    ///
    /// # Errors
    /// None that a default causes.
    pub fn new(setup: &Setup) -> Result<Self> {
        let config = StreamingConfig { ping_interval: Duration::from_secs(10), ..StreamingConfig::of("relay") };
        Ok(Self { hub: setup.hub(config, Clients)? })
    }

    fn command(order: &mut Order) -> Down {
        Down { command_id: String::new(), text: std::mem::take(&mut order.text) }
    }
}

impl pb::RelayService for RelayService {
    async fn connect(&self, cx: Context, messages: Streaming<Up>) -> Result<Replies<Down>> {
        self.hub.connect(cx, messages)
    }

    async fn execute(&self, _cx: Context, mut order: Order) -> Result<Reply> {
        let command = Self::command(&mut order);
        let patience = (order.timeout_ms > 0).then(|| Duration::from_millis(order.timeout_ms.into()));
        let ack = self.hub.execute(&order.client_id, command, patience).await?;
        Ok(Reply { text: ack.text })
    }

    async fn broadcast(&self, _cx: Context, mut order: Order) -> Result<Reached> {
        let spread = self.hub.broadcast(&To::All, Self::command(&mut order)).await?;
        Ok(Reached { clients: spread.queued as u32 })
    }

    async fn connected(&self, _cx: Context, _order: Order) -> Result<Reached> {
        Ok(Reached { clients: self.hub.len() as u32 })
    }
}
