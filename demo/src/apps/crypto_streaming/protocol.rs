//! How a hub reads this contract.

use prost_types::Timestamp;
use steeple::{
    clock,
    stream::{Incoming, Protocol},
};

use super::{agents::Agents, commands};
use crate::{
    convert::timestamp,
    pb::crypto::{ClientMessage, CommandAck, DjangoCommand, client_message::Payload},
};

impl Protocol for Agents {
    type Message = ClientMessage;
    type Content = Payload;
    type Ack = CommandAck;
    type Command = DjangoCommand;

    fn client_id(message: &ClientMessage) -> &str {
        &message.client_id
    }

    fn read(message: ClientMessage) -> Incoming<Self> {
        match message.payload {
            None => Incoming::Nothing,
            Some(Payload::Heartbeat(_)) => Incoming::Heartbeat,
            Some(Payload::CommandAck(ack)) => Incoming::Ack(ack),
            Some(content) => Incoming::Content(content),
        }
    }

    fn kind(content: &Payload) -> &'static str {
        match content {
            Payload::Register(_) => "register",
            Payload::WalletUpdate(_) => "wallet_update",
            Payload::Transaction(_) => "transaction",
            Payload::Status(_) => "status",
            Payload::Heartbeat(_) => "heartbeat",
            Payload::Error(_) => "error",
            Payload::Log(_) => "log",
            Payload::CommandAck(_) => "command_ack",
        }
    }

    fn ack_id(ack: &CommandAck) -> &str {
        &ack.command_id
    }

    fn ack_error(ack: &CommandAck) -> Option<&str> {
        (!ack.success).then_some(ack.error.as_str())
    }

    fn command_id(command: &mut DjangoCommand) -> &mut String {
        &mut command.command_id
    }

    fn ping(sequence: i32) -> DjangoCommand {
        commands::ping(sequence)
    }
}

/// The present, as messages have it.
pub fn now() -> Timestamp {
    timestamp(clock::now())
}
