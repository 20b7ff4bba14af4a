//! `crypto.CryptoStreamingService`: wallet agents. What each method promises is said in `proto/crypto_streaming.proto`.

use std::time::Duration;

use steeple::{
    Code, Context, Error, Replies, Result, Setup, Streaming,
    stream::{Hub, StreamingConfig, To},
};
use uuid::Uuid;

use super::{agents::Agents, protocol::now};
use crate::pb::crypto::{
    self as pb, ClientMessage, ClientStatus, CommandAck, DjangoCommand, SendCommandRequest, SendCommandResponse,
};

/// Whom a command with this name is for: every agent.
const EVERYBODY: &str = "*";

/// Keeps wallet agents connected.
#[derive(Debug)]
pub struct CryptoStreamingService {
    hub: Hub<Agents>,
}

impl CryptoStreamingService {
    /// With the promises of the original contract: a heartbeat every 30 s, lost after 90 s, a ping every 60 s, 5 s of
    /// grace; and where the site has a Centrifugo, publications to `crypto:{client_id}:updates` and `crypto:all`. A site may
    /// make others in `[settings.crypto_streaming]`.
    ///
    /// # Errors
    /// A setting that cannot work.
    pub fn new(setup: &Setup) -> Result<Self> {
        let config: StreamingConfig = setup.settings()?;
        let config = if config.service_name.is_empty() {
            StreamingConfig { service_name: "crypto".to_owned(), ..config }
        } else {
            config
        };
        let agents = Agents { users: setup.identity().users.clone() };
        Ok(Self { hub: setup.hub(config, agents)? })
    }
}

impl pb::CryptoStreamingService for CryptoStreamingService {
    async fn connect_client(&self, cx: Context, request: Streaming<ClientMessage>) -> Result<Replies<DjangoCommand>> {
        self.hub.connect(cx, request)
    }

    async fn send_command_to_client(&self, cx: Context, request: SendCommandRequest) -> Result<SendCommandResponse> {
        let (client_id, command) = wanted(request)?;
        let sent = if client_id == EVERYBODY {
            // Who may command one agent need not be who may stop them all.
            cx.require_staff()?;
            let spread = self.hub.broadcast(&To::All, command).await?;
            if spread.queued > 0 { Ok(()) } else { Err(Error::failed_precondition("no agent took it")) }
        } else {
            self.hub.send(&client_id, command).await
        };
        // The contract tells a failure in the answer, and not as a status.
        let error = sent.err().map(|error| error.message().to_owned());
        Ok(SendCommandResponse { success: error.is_none(), error: error.unwrap_or_default() })
    }

    async fn execute_command_sync(&self, cx: Context, request: SendCommandRequest) -> Result<CommandAck> {
        let (client_id, command) = wanted(request)?;
        if client_id == EVERYBODY {
            return Err(Error::invalid("client_id", "must be one agent: a broadcast has no ack"));
        }
        let command_id = command.command_id.clone();
        // A little before the caller gives up, so that it hears why.
        let patience = cx.remaining().map(|left| left.saturating_sub(Duration::from_millis(50)));
        let patience = patience.map(|left| left.min(self.hub.config().command_timeout));
        Ok(self.hub.execute(&client_id, command, patience).await.unwrap_or_else(|error| failure(command_id, &error)))
    }
}

/// The request, with an id and a moment in its command.
fn wanted(request: SendCommandRequest) -> Result<(String, DjangoCommand)> {
    if request.client_id.is_empty() {
        return Err(Error::invalid("client_id", "may not be empty"));
    }
    let mut command = request.command.ok_or_else(|| Error::invalid("command", "is required"))?;
    if command.command.is_none() {
        return Err(Error::invalid("command", "says nothing to do"));
    }
    if command.command_id.len() > 64 {
        return Err(Error::invalid("command.command_id", "may have 64 bytes at most"));
    }
    if command.command_id.is_empty() {
        command.command_id = Uuid::new_v4().to_string();
    }
    command.timestamp.get_or_insert_with(now);
    Ok((request.client_id, command))
}

/// What kept a command from being acknowledged, as an ack.
fn failure(command_id: String, error: &Error) -> CommandAck {
    let reason = error.details().error_info().map(|info| info.reason.clone());
    CommandAck {
        command_id,
        success: false,
        message: error.message().to_owned(),
        error: reason.unwrap_or_else(|| name(error.code()).to_owned()),
        current_status: ClientStatus::Unknown.into(),
        timestamp: Some(now()),
    }
}

/// The codes that a command can fail with besides those that come with a reason.
fn name(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::Unavailable => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}
