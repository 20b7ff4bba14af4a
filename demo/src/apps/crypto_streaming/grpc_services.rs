//! `crypto.CryptoStreamingService`: wallet agents. What each method promises is said in `proto/crypto_streaming.proto`.

use std::time::Duration;

use steeple::{
    Code, Context, Error, Replies, Result, Setup, Streaming,
    bus::{Bus, State},
    stream::{Broadcast, Hub, StreamingConfig, To},
};
use uuid::Uuid;

use super::{agents::Agents, protocol::now};
use crate::pb::crypto::{
    self as pb, ClientMessage, ClientStatus, CommandAck, DjangoCommand, SendCommandRequest, SendCommandResponse,
};

/// Whom a command with this name is for: every agent.
const EVERYBODY: &str = "*";
/// Longest time that an ack is waited for, whatever the caller's deadline.
const LONGEST: Duration = Duration::from_mins(1);
/// So long before its deadline a caller is told why there is no ack.
const BEFORE: Duration = Duration::from_millis(50);

/// Keeps wallet agents connected.
#[derive(Debug)]
pub struct CryptoStreamingService {
    hub: Hub<Agents>,
    bus: Bus,
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
        Ok(Self { hub: setup.hub(config, agents)?, bus: setup.bus().clone() })
    }
}

impl pb::CryptoStreamingService for CryptoStreamingService {
    async fn connect_client(&self, cx: Context, request: Streaming<ClientMessage>) -> Result<Replies<DjangoCommand>> {
        self.hub.connect(cx, request)
    }

    async fn send_command_to_client(&self, cx: Context, request: SendCommandRequest) -> Result<SendCommandResponse> {
        let (client_id, command) = wanted(request)?;
        if client_id == EVERYBODY {
            // Who may command one agent need not be who may stop them all.
            cx.require_staff()?;
            let spread = self.hub.broadcast(&To::All, command).await?;
            return Ok(told(spread, &self.bus.state()));
        }
        // The contract tells a failure in the answer, and not as a status.
        let error = self.hub.send(&client_id, command).await.err().map(|error| error.message().to_owned());
        Ok(SendCommandResponse { success: error.is_none(), error: error.unwrap_or_default() })
    }

    async fn execute_command_sync(&self, cx: Context, request: SendCommandRequest) -> Result<CommandAck> {
        let (client_id, command) = wanted(request)?;
        if client_id == EVERYBODY {
            return Err(Error::invalid("client_id", "must be one agent: a broadcast has no ack"));
        }
        let command_id = command.command_id.clone();
        let patience = cx.remaining().map(patience);
        Ok(self.hub.execute(&client_id, command, patience).await.unwrap_or_else(|error| failure(command_id, &error)))
    }
}

/// How long an ack is waited for when the caller waits so long: a little less, so that it hears why there is none.
fn patience(left: Duration) -> Duration {
    left.saturating_sub(BEFORE.min(left / 10)).min(LONGEST)
}

/// What became of a broadcast: a success when one agent has it, and whom it missed as far as is known. Over a broker nobody
/// knows how many nodes there are; that none could be reached is known.
fn told(spread: Broadcast, bus: &State) -> SendCommandResponse {
    let mut missed = vec![];
    if spread.queued == 0 {
        missed.push("no agent took it".to_owned());
    }
    if spread.refused > 0 {
        missed.push(format!("{} refused", spread.refused));
    }
    if !spread.complete && matches!(bus, State::Away(_) | State::Settling) {
        missed.push("other nodes not reached".to_owned());
    }
    SendCommandResponse { success: spread.queued > 0, error: missed.join("; ") }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_deadline_leaves_time_and_a_long_one_is_kept() {
        for (left, waits) in [(0, 0), (20, 18), (50, 45), (500, 450), (10_000, 9_950), (40_000, 39_950)] {
            assert_eq!(patience(Duration::from_millis(left)), Duration::from_millis(waits));
        }
        assert_eq!(patience(Duration::from_hours(1)), LONGEST);
    }

    #[test]
    fn a_broadcast_says_whom_it_missed() {
        let whole = Broadcast { queued: 3, refused: 0, nodes: 2, complete: true };
        let away = State::Away("no route".to_owned());
        let said = |spread, bus: &State| {
            let SendCommandResponse { success, error } = told(spread, bus);
            (success, error)
        };
        assert_eq!(said(whole, &State::Local), (true, String::new()));
        assert_eq!(said(Broadcast { complete: false, ..whole }, &State::Connected), (true, String::new()));
        let some = Broadcast { refused: 2, complete: false, ..whole };
        assert_eq!(said(some, &away), (true, "2 refused; other nodes not reached".to_owned()));
        assert_eq!(said(Broadcast { queued: 0, ..whole }, &State::Local), (false, "no agent took it".to_owned()));
    }
}
