//! An agent that does nothing by itself.

use std::time::Duration;

use demo::pb::crypto::{
    ClientMessage, ClientRegistration, ClientStatus, CommandAck, DjangoCommand, client_message::Payload,
    crypto_streaming_service_client::CryptoStreamingServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::site::Identified;

/// How long a condition may take to come true on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Agent {
    name: String,
    say: Option<mpsc::Sender<ClientMessage>>,
    commands: tonic::Streaming<DjangoCommand>,
}

pub fn registration(version: &str) -> Payload {
    Payload::Register(ClientRegistration {
        client_name: "Agent of a test".into(),
        client_type: "test".into(),
        version: version.into(),
        api_url: "http://127.0.0.1:1/api".into(),
    })
}

impl Agent {
    /// Connected, with this as its first word.
    pub async fn connect(channel: Identified, name: &str, first: Payload) -> Self {
        let (say, says) = mpsc::channel(64);
        let first = ClientMessage { client_id: name.to_owned(), payload: Some(first), ..ClientMessage::default() };
        say.send(first).await.unwrap();
        let answer =
            CryptoStreamingServiceClient::new(channel).connect_client(ReceiverStream::new(says)).await.unwrap();
        assert_eq!(answer.metadata().get("x-heartbeat-interval-ms").unwrap(), "30000");
        Self { name: name.to_owned(), say: Some(say), commands: answer.into_inner() }
    }

    pub async fn say(&self, payload: Payload) {
        let message =
            ClientMessage { client_id: self.name.clone(), payload: Some(payload), ..ClientMessage::default() };
        let _ = self.say.as_ref().unwrap().send(message).await;
    }

    pub async fn command(&mut self) -> DjangoCommand {
        let command = tokio::time::timeout(PATIENCE, self.commands.message()).await.expect("a command comes");
        command.unwrap().expect("the stream goes on")
    }

    pub async fn ack(&self, command_id: &str, status: ClientStatus) {
        let ack = CommandAck {
            command_id: command_id.to_owned(),
            success: true,
            message: "done".into(),
            current_status: status.into(),
            ..CommandAck::default()
        };
        self.say(Payload::CommandAck(ack)).await;
    }

    /// Says no more, and reads to the end.
    pub async fn leave(mut self) -> Status {
        self.say = None;
        self.end().await
    }

    pub async fn end(&mut self) -> Status {
        loop {
            match tokio::time::timeout(PATIENCE, self.commands.message()).await.expect("the stream ends") {
                Ok(Some(_)) => {}
                Ok(None) => return Status::ok(""),
                Err(status) => return status,
            }
        }
    }
}
