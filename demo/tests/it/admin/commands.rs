//! Commands to agents from a client's page and over REST: the rule of the site's own method decides who may.

use demo::pb::crypto::django_command::Command;
use serde_json::{Value, json};
use steeple::audit;

use super::*;
use crate::{
    process::until,
    streaming::agent::{Agent, registration},
};

const AGENT: &str = "/connections/crypto/tester%3Aone";
const PING: &str = r#"{"ping":{}}"#;

impl Browser {
    /// What REST says to a command.
    async fn command(&self, command: &Value) -> (u16, Value) {
        let body = json!({ "command": command, "wait": false }).to_string();
        let lines = format!("content-type: application/json\r\nx-csrf-token: {}\r\n", self.csrf);
        let page = self.send("POST", &format!("/cfg/grpc{AGENT}/commands/"), &lines, &body).await;
        (page.status, serde_json::from_str(&page.body).unwrap_or_default())
    }
}

#[tokio::test]
async fn staff_without_the_permission_send_no_command() {
    let site = site().await;
    let mut agent = Agent::connect(site.tester.clone(), "tester:one", registration("1")).await;
    let reader = staff(&site, "reader", &[]).await;
    let operator = staff(&site, "operator", &["crypto_streaming.change_agent"]).await;
    until("the agent is on record", async || operator.get(AGENT).await.status == 200).await;

    let refused = reader.get(AGENT).await;
    assert!(
        refused.body.contains("Not yours to send") && !refused.body.contains("name=\"command\""),
        "{}",
        refused.body
    );
    let answer = reader.post(AGENT, &[("command", PING)]).await;
    assert!(answer.body.contains("Not yours to send") && !answer.body.contains("Queued"), "{}", answer.body);
    let (status, said) = reader.command(&json!({ "ping": {} })).await;
    assert_eq!((status, &said["success"]), (200, &false.into()), "{said}");
    assert_eq!(said["grpc_status_code"], "PERMISSION_DENIED");

    // Nothing came before this.
    let sent = operator.post(AGENT, &[("command", PING)]).await;
    assert!(sent.body.contains("Queued"), "{}", sent.body);
    assert!(matches!(agent.command().await.command, Some(Command::Ping(_))));
    let (status, said) = operator.command(&json!({ "ping": {} })).await;
    assert_eq!((status, &said["success"]), (200, &true.into()), "{said}");
    agent.command().await;
    let tried = audit::list(site.db(), &audit::Filter::default(), 10).await.unwrap();
    assert_eq!(
        tried.iter().map(|entry| &*entry.username).collect::<Vec<_>>(),
        ["operator", "operator", "reader", "reader"]
    );
    agent.leave().await;
    site.stop().await;
}
