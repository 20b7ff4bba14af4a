//! The five commands, sent by `SendCommandToClient` and `ExecuteCommandSync`.

use std::time::Duration;

use super::{
    agent::{Agent, registration},
    registration::row,
    results::Results,
};
use crate::{
    databases::Database,
    process::until,
    site::{Identified, Site},
};
use demo::{
    apps::crypto_streaming::commands,
    pb::crypto::{
        ClientStatus, CommandAck, DjangoCommand, SendCommandRequest, client_message::Payload,
        crypto_streaming_service_client::CryptoStreamingServiceClient, django_command::Command,
    },
};
use steeple::Code;

struct Caller(CryptoStreamingServiceClient<Identified>);

impl Caller {
    async fn execute(&self, client_id: &str, command: DjangoCommand) -> CommandAck {
        let request = SendCommandRequest { client_id: client_id.into(), command: Some(command) };
        self.0.clone().execute_command_sync(request).await.unwrap().into_inner()
    }

    async fn send(&self, client_id: &str, command: DjangoCommand) -> (bool, String) {
        let request = SendCommandRequest { client_id: client_id.into(), command: Some(command) };
        let answer = self.0.clone().send_command_to_client(request).await.unwrap().into_inner();
        (answer.success, answer.error)
    }
}

async fn open() -> (Site, Caller) {
    let site = Site::start(Database::sqlite().await.unwrap()).await;
    let caller = Caller(CryptoStreamingServiceClient::new(site.operator().await));
    (site, caller)
}

async fn connected(site: &Site, clients: usize) {
    until("they are connected", async || site.running().sessions() == clients).await;
}

fn name(command: &DjangoCommand) -> &'static str {
    match command.command {
        Some(Command::Ping(_)) => "ping",
        Some(Command::Pause(_)) => "pause",
        Some(Command::Resume(_)) => "resume",
        Some(Command::SyncWallets(_)) => "sync_wallets",
        Some(Command::RequestStatus(_)) => "request_status",
        None => "none",
    }
}

#[tokio::test]
async fn every_command_reaches_the_agent_and_its_ack_the_caller() {
    let mut results = Results::of("commands");
    let (site, caller) = open().await;
    let mut agent = Agent::connect(site.tester.clone(), "agent", registration("1")).await;
    connected(&site, 1).await;
    let all = [
        commands::ping(7),
        commands::pause("maintenance"),
        commands::resume("done"),
        commands::sync_wallets(["BTC", "ETH"]),
        commands::request_status(true),
    ];
    for command in all {
        results.note("sent", &command);
        let (answered, ()) = tokio::join!(caller.execute("agent", command.clone()), async {
            let told = agent.command().await;
            assert_eq!((told.command, told.timestamp), (command.command.clone(), command.timestamp));
            agent.ack(&told.command_id, ClientStatus::Paused).await;
        });
        results.note("received", &answered);
        assert!(answered.success && answered.command_id.len() == 36, "{answered:?}");
        assert_eq!((answered.message.as_str(), answered.current_status()), ("done", ClientStatus::Paused));

        let (sent, told) = tokio::join!(caller.send("agent", command.clone()), agent.command());
        assert_eq!((sent, name(&told)), ((true, String::new()), name(&command)));
        agent.ack(&told.command_id, ClientStatus::Active).await;
    }
    // What the agent said of itself in acks that nobody waited for is known.
    row(site.db(), "agent", |row| row.status == i32::from(ClientStatus::Active) && row.status_details == "done").await;
    drop(agent);
    site.stop().await;
    results.leave();
}

#[tokio::test]
async fn what_keeps_a_command_from_its_agent_is_told_in_the_answer() {
    let mut results = Results::of("commands-refused");
    let (site, caller) = open().await;
    let missing = caller.execute("nobody", DjangoCommand { command_id: "c-1".into(), ..commands::ping(1) }).await;
    results.note("received", &missing);
    assert_eq!((missing.success, missing.command_id.as_str()), (false, "c-1"));
    assert_eq!(
        (missing.error.as_str(), missing.message.as_str()),
        ("CLIENT_NOT_CONNECTED", "client nobody is not connected")
    );
    assert_eq!(caller.send("nobody", commands::ping(1)).await, (false, "client nobody is not connected".into()));
    assert!(!caller.send("*", commands::ping(1)).await.0);
    let unfit = caller.execute(&"x".repeat(65), commands::ping(1)).await;
    assert_eq!(unfit.error, "INVALID_ARGUMENT");

    let mut agent = Agent::connect(site.tester.clone(), "agent", registration("1")).await;
    connected(&site, 1).await;
    // Nobody acks: the caller's deadline is what counts, and it learns why.
    let mut request =
        tonic::Request::new(SendCommandRequest { client_id: "agent".into(), command: Some(commands::ping(1)) });
    request.set_timeout(Duration::from_millis(500));
    let silent = caller.0.clone().execute_command_sync(request).await.unwrap().into_inner();
    results.note("received", &silent);
    assert_eq!(silent.error, "CLIENT_SILENT");
    let late = agent.command().await;
    agent.ack(&late.command_id, ClientStatus::Active).await;
    // A failure at the agent is its own answer.
    let (failed, ()) = tokio::join!(caller.execute("agent", commands::resume("")), async {
        let told = agent.command().await;
        let ack = CommandAck { command_id: told.command_id, error: "NOT_PAUSED".into(), ..CommandAck::default() };
        agent.say(Payload::CommandAck(ack)).await;
    });
    assert_eq!((failed.success, failed.error.as_str()), (false, "NOT_PAUSED"));
    // It leaves in the middle.
    let (left, ()) = tokio::join!(caller.execute("agent", commands::ping(2)), async {
        agent.command().await;
        drop(agent);
    });
    assert_eq!(left.error, "CLIENT_LEFT");
    site.stop().await;
    results.leave();
}

#[tokio::test]
async fn a_broadcast_reaches_every_agent() {
    let (site, caller) = open().await;
    let mut agents = vec![];
    for number in 0..10 {
        agents.push(Agent::connect(site.tester.clone(), &format!("agent-{number}"), registration("1")).await);
    }
    connected(&site, 10).await;
    assert_eq!(caller.send("*", commands::pause("everybody")).await, (true, String::new()));
    for agent in &mut agents {
        assert_eq!(name(&agent.command().await), "pause");
    }
    drop(agents);
    site.stop().await;
}

#[tokio::test]
async fn a_request_that_says_nothing_is_refused() {
    let (site, mut caller) = open().await;
    let request =
        |client_id: &str, command: Option<DjangoCommand>| SendCommandRequest { client_id: client_id.into(), command };
    let wrong = [
        request("", Some(commands::ping(1))),
        request("agent", None),
        request("agent", Some(DjangoCommand::default())),
        request("agent", Some(DjangoCommand { command_id: "x".repeat(65), ..commands::ping(1) })),
    ];
    for request in wrong {
        for status in [
            caller.0.send_command_to_client(request.clone()).await.unwrap_err(),
            caller.0.execute_command_sync(request.clone()).await.unwrap_err(),
        ] {
            assert_eq!(status.code(), Code::InvalidArgument, "{request:?}");
        }
    }
    let everybody = caller.0.execute_command_sync(request("*", Some(commands::ping(1)))).await.unwrap_err();
    assert_eq!(everybody.code(), Code::InvalidArgument);
    site.stop().await;
}
