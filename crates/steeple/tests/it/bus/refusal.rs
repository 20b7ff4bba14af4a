//! Credentials, rights and certificates.

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use steeple::{
    auth::Secret,
    bus::{Bus, Config, State},
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

/// Writes a certificate for this machine, and its key, signed by `issuer`.
fn certificate(folder: &Path, name: &str, issuer: &Issuer<'_, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    fs::write(folder.join(format!("{name}.pem")), params.signed_by(&key, issuer).unwrap().pem()).unwrap();
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_shown_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    fs::write(at("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    let authority = Issuer::new(params, key);
    certificate(folder.path(), "broker", &authority);
    certificate(folder.path(), "node", &authority);
    let path = folder.path().display();
    let tls = format!(
        "tls {{ cert_file: \"{path}/broker.pem\", key_file: \"{path}/broker.key\", ca_file: \"{path}/ca.pem\", verify: true }}"
    );
    let Some(broker) = Broker::with(&tls).await else { return };
    let without =
        Config { connect_timeout: Duration::from_millis(500), ..config(&format!("tls://127.0.0.1:{}", broker.port)) };
    let with = Config {
        connect_timeout: LONG,
        tls_ca: Some(at("ca.pem")),
        tls_certificate: Some(at("node.pem")),
        tls_key: Some(at("node.key")),
        ..without.clone()
    };
    let (one, two) = (Bus::open(&with, "one").await.unwrap(), Bus::open(&with, "two").await.unwrap());
    let mut peer = Peer::at(&two, "a").await;
    one.send(SERVICE, "a", Bytes::new(), LONG).await.unwrap();
    peer.next().await;
    // A broker that cannot be trusted, and one that does not trust this node.
    let stranger = Config { tls_certificate: None, tls_key: None, tls_ca: with.tls_ca.clone(), ..without.clone() };
    for config in [without, stranger] {
        let bus = Bus::open(&config, "three").await.unwrap();
        assert!(matches!(bus.state(), State::Away(_)), "{}", bus.state());
    }
}
