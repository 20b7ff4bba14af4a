//! One stream of a simulated agent, from its registration to the status it ends with.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, metadata::MetadataMap, transport::Channel};
use uuid::Uuid;

use super::{Settings, Tally, wallets::Wallets};
use crate::{
    convert::timestamp,
    pb::crypto::{
        ClientMessage, ClientRegistration, ClientStatus, CommandAck, DjangoCommand, HeartbeatUpdate, LogEntry,
        StatusUpdate, TransactionReport, WalletUpdate, client_message::Payload,
        crypto_streaming_service_client::CryptoStreamingServiceClient, django_command::Command,
    },
};

/// Asked for nothing else, as often as the original contract says.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Opens the stream and talks until it ends; tells whether it was open.
pub(super) async fn once(channel: Channel, settings: &Settings, tally: &Tally) -> (Status, bool) {
    let (say, says) = mpsc::channel(32);
    let mut talk =
        Talk { settings, tally, say, wallets: Wallets::of(&settings.name), status: ClientStatus::Active, reports: 0 };
    talk.register().await;
    let mut request = Request::new(ReceiverStream::new(says));
    if let Some(key) = &settings.api_key {
        request.metadata_mut().insert("x-api-key", key.clone());
    }
    let answer = match CryptoStreamingServiceClient::new(channel).connect_client(request).await {
        Ok(answer) => answer,
        Err(status) => return (status, false),
    };
    let heartbeat = settings.heartbeat_every.unwrap_or_else(|| heartbeat(answer.metadata()));
    let _open = Open::now(&tally.connected);
    let mut commands = answer.into_inner();
    let (mut obeyed, mut heartbeats, mut reports) = (false, every(heartbeat), every(settings.report_every));
    let status = loop {
        tokio::select! {
            command = commands.message() => match command {
                Ok(Some(command)) => {
                    obeyed = true;
                    talk.obey(command).await;
                }
                Ok(None) => break Status::ok("the server has ended the stream"),
                Err(status) => break status,
            },
            _ = heartbeats.tick() => talk.tell(Payload::Heartbeat(HeartbeatUpdate {})).await,
            _ = reports.tick(), if talk.status == ClientStatus::Active => talk.report().await,
        }
    };
    (status, obeyed || talk.reports > 0)
}

/// How often the server wants to hear something.
fn heartbeat(metadata: &MetadataMap) -> Duration {
    let asked = metadata.get("x-heartbeat-interval-ms").and_then(|value| value.to_str().ok()?.parse().ok());
    asked.map_or(HEARTBEAT, |milliseconds| Duration::from_millis(milliseconds).max(Duration::from_millis(10)))
}

/// Not at once, not with all other agents, and not twice for a tick that was missed.
fn every(interval: Duration) -> tokio::time::Interval {
    let share = u32::from(Uuid::new_v4().as_bytes()[0]) + 1;
    let mut every = tokio::time::interval_at(Instant::now() + interval * share / 256, interval);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    every
}

/// Counted while it lives.
struct Open<'t>(&'t AtomicU64);

impl<'t> Open<'t> {
    fn now(count: &'t AtomicU64) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

struct Talk<'a> {
    settings: &'a Settings,
    tally: &'a Tally,
    say: mpsc::Sender<ClientMessage>,
    wallets: Wallets,
    status: ClientStatus,
    reports: u64,
}

impl Talk<'_> {
    async fn tell(&self, payload: Payload) {
        let message = ClientMessage {
            client_id: self.settings.name.clone(),
            message_id: Uuid::new_v4().to_string(),
            timestamp: Some(timestamp(steeple::clock::now())),
            payload: Some(payload),
        };
        // A stream that is over takes nothing more; whoever reads it learns why.
        if self.say.send(message).await.is_ok() {
            self.tally.messages.fetch_add(1, Relaxed);
        }
    }

    async fn register(&self) {
        self.tell(Payload::Register(ClientRegistration {
            client_name: format!("Wallet agent {}", self.settings.name),
            client_type: "simulated".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api_url: String::new(),
        }))
        .await;
        self.tell_holdings(&[]).await;
    }

    async fn tell_holdings(&self, symbols: &[String]) {
        for (symbol, balance) in self.wallets.holding(symbols) {
            self.tell(Payload::WalletUpdate(WalletUpdate {
                wallet_id: format!("{}/{symbol}", self.settings.name),
                symbol: symbol.to_owned(),
                balance_available: balance.to_string(),
                balance_locked: "0".to_owned(),
                last_sync: Some(timestamp(steeple::clock::now())),
            }))
            .await;
        }
    }

    async fn tell_status(&self, details: String) {
        self.tell(Payload::Status(StatusUpdate { status: self.status.into(), details })).await;
    }

    /// Something happens to a wallet; now and then there is more to tell.
    async fn report(&mut self) {
        let happening = self.wallets.next();
        let report = |status: &str| {
            Payload::Transaction(TransactionReport {
                transaction_id: happening.id.clone(),
                r#type: happening.kind.to_owned(),
                symbol: happening.symbol.to_owned(),
                amount: happening.amount.to_string(),
                status: status.to_owned(),
                details: "simulated".to_owned(),
            })
        };
        self.reports += 1;
        if self.reports.is_multiple_of(4) {
            self.tell(report("pending")).await;
        }
        self.tell(report("completed")).await;
        if self.reports.is_multiple_of(10) {
            self.tell(Payload::Log(LogEntry {
                level: "info".to_owned(),
                message: format!("{} transactions so far", self.reports),
                extra_data: format!(r#"{{"last":"{}"}}"#, happening.id),
            }))
            .await;
        }
    }

    async fn obey(&mut self, command: DjangoCommand) {
        let done = match command.command {
            Some(Command::Ping(ping)) => Ok(format!("pong {}", ping.sequence)),
            Some(Command::Pause(pause)) => {
                self.status = ClientStatus::Paused;
                Ok(format!("paused: {}", pause.reason))
            }
            Some(Command::Resume(_)) => {
                self.status = ClientStatus::Active;
                Ok("resumed".to_owned())
            }
            Some(Command::SyncWallets(sync)) => {
                self.tell_holdings(&sync.symbols).await;
                Ok("wallets sent".to_owned())
            }
            Some(Command::RequestStatus(request)) => {
                let stats =
                    if request.include_stats { format!("{} transactions", self.reports) } else { String::new() };
                self.tell_status(stats).await;
                Ok("status sent".to_owned())
            }
            None => Err("UNKNOWN_COMMAND"),
        };
        self.tally.commands.fetch_add(1, Relaxed);
        self.tell(Payload::CommandAck(CommandAck {
            command_id: command.command_id,
            success: done.is_ok(),
            error: done.as_ref().err().map(ToString::to_string).unwrap_or_default(),
            message: done.unwrap_or_else(|_| "this agent does not know the command".to_owned()),
            current_status: self.status.into(),
            timestamp: Some(timestamp(steeple::clock::now())),
        }))
        .await;
    }
}
