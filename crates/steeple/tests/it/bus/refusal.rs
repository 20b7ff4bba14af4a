//! Credentials and rights.

use std::time::Duration;

use bytes::Bytes;
use steeple::{
    auth::Secret,
    bus::{Bus, Config},
};

use super::{LONG, SERVICE, broker::Broker, config, peer::Peer};

const LOGIN: &str = "authorization { user: ada, password: \"p@ss,word\" }";

#[tokio::test]
async fn the_login_in_the_url_is_used() {
    let Some(broker) = Broker::with(LOGIN).await else { return };
    let at = |login: &str| config(&format!("nats://{login}127.0.0.1:{}", broker.port));
    let bus = Bus::open(&at("ada:p%40ss%2Cword@"), "one").await.unwrap();
    let mut peer = Peer::at(&bus, "a").await;
    bus.send(SERVICE, "a", Bytes::new(), LONG).await.unwrap();
    peer.next().await;
    for wrong in ["ada:s3cret@", ""] {
        let refused = Bus::open(&at(wrong), "one").await.unwrap_err();
        assert!(refused.contains("refuses") && !refused.contains("s3cret"), "{refused}");
    }
}

#[tokio::test]
async fn a_token_is_used() {
    let Some(broker) = Broker::with("authorization { token: \"s3cret\" }").await else { return };
    let token = |token: &str| Config { token: Some(Secret::new(token)), ..config(&broker.url()) };
    Bus::open(&token("s3cret"), "one").await.unwrap();
    assert!(Bus::open(&token("other"), "one").await.unwrap_err().contains("refuses"));
}

#[tokio::test]
async fn too_few_rights_stop_the_start_with_a_sentence_that_helps() {
    for rights in [
        "publish: \"steeple.*.>\", subscribe: [\"steeple.>\", \"_INBOX.>\"]",
        "publish: [\"steeple.>\", \"_INBOX.>\"], subscribe: \"steeple.>\"",
        "publish: \"_INBOX.>\", subscribe: [\"steeple.>\", \"_INBOX.>\"]",
    ] {
        let more = format!("authorization {{ users: [{{ user: a, password: b, permissions: {{ {rights} }} }}] }}");
        let Some(broker) = Broker::with(&more).await else { return };
        let url = format!("nats://a:b@127.0.0.1:{}", broker.port);
        let config = Config { register_timeout: Duration::from_millis(300), ..config(&url) };
        let refused = Bus::open(&config, "one").await.unwrap_err();
        assert!(refused.contains("publish and to subscribe steeple.test-"), "{refused}");
    }
    let rights = "publish: [\"steeple.>\", \"_INBOX.steeple.>\"], subscribe: [\"steeple.>\", \"_INBOX.steeple.>\"]";
    let more = format!("authorization {{ users: [{{ user: a, password: b, permissions: {{ {rights} }} }}] }}");
    let Some(broker) = Broker::with(&more).await else { return };
    let config = config(&format!("nats://a:b@127.0.0.1:{}", broker.port));
    let (one, two) = (Bus::open(&config, "one").await.unwrap(), Bus::open(&config, "two").await.unwrap());
    let mut peer = Peer::at(&two, "a").await;
    one.send(SERVICE, "a", Bytes::new(), LONG).await.unwrap();
    peer.next().await;
}
