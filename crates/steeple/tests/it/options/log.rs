//! `log.enabled`, `log.skip`, `log.on_full`: which calls get rows, and which wait for that. What a row says and when it is written is in `calls` and `request_log`.

use std::time::Duration;

use steeple::{Code, record::OnFull};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    trial::{House, pb::trial::v1::Order},
    wire::{Raw, UNARY, call, order},
};

#[tokio::test]
async fn a_log_that_is_off_writes_no_row_and_metrics_still_count() {
    let house = House::configured(|config| config.log.enabled = false).await;
    house.client().await.unary(Order::default()).await.unwrap();
    assert!(house.running.recorder().is_none());
    let metrics = house.running.metrics().render();
    let counted = metrics.lines().any(|line| line.contains("Unary") && line.ends_with(" 1"));
    assert!(counted, "{metrics}");
    assert_eq!(house.close().await.len(), 0);
}

#[tokio::test]
async fn services_and_methods_in_skip_get_no_row() {
    let skip = |skip: &[&str]| skip.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (skipped, want) in [
        (skip(&[]), vec!["Check", "Nothing", "Unary"]),
        (skip(&["trial.v1.Trial/Unary"]), vec!["Check", "Nothing"]),
        (skip(&["trial.v1.Trial"]), vec!["Check"]),
        (skip(&["grpc.health.v1.Health", "trial.v1.Trial/Nothing"]), vec!["Unary"]),
    ] {
        let house = House::configured(|config| config.log.skip = skipped).await;
        let mut client = house.client().await;
        client.unary(Order::default()).await.unwrap();
        client.nothing(()).await.unwrap();
        HealthClient::new(house.channel().await).check(HealthCheckRequest::default()).await.unwrap();
        let rows = house.close().await;
        let mut seen: Vec<_> = rows.iter().map(|row| row.method_name.as_str()).collect();
        seen.sort_unstable();
        assert_eq!(seen, want);
    }
}

#[tokio::test]
async fn health_checks_are_left_out_by_default() {
    let house = House::open().await;
    HealthClient::new(house.channel().await).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(house.close().await.len(), 0);
}

#[tokio::test]
async fn with_on_full_wait_calls_wait_at_the_door_within_their_deadline() {
    let house = House::configured(|config| {
        config.log.on_full = OnFull::Wait;
        config.log.queue = 1;
    })
    .await;
    let mut client = house.client().await;
    let (hang, mut other) = (Order { hang: true, ..Order::default() }, client.clone());
    let hanging = tokio::spawn(async move { other.unary(hang).await });
    house.rows(1, |row| row.status == "pending").await;

    // The one place is taken.
    let mut raw = Raw::open(&house).await;
    let request = call(UNARY).header("grpc-timeout", "100m").body(()).unwrap();
    assert_eq!(raw.send(request, order(&Order::default())).await.code(), Some(Code::DeadlineExceeded));
    HealthClient::new(house.channel().await)
        .check(HealthCheckRequest::default())
        .await
        .expect("what gets no row waits for none");
    let waiting = tokio::spawn(async move { client.unary(Order::default()).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    hanging.abort();
    waiting.await.unwrap().expect("there is room again");
    let rows = house.close().await;
    let mut seen: Vec<_> = rows.iter().map(|row| row.status.as_str()).collect();
    seen.sort_unstable();
    assert_eq!(seen, ["cancelled", "success", "timeout"]);
}

#[tokio::test]
async fn a_call_that_waits_at_the_door_ends_with_the_server() {
    let house = House::configured(|config| {
        config.log.on_full = OnFull::Wait;
        config.log.queue = 1;
        config.server.drain = Duration::from_millis(100);
    })
    .await;
    let client = house.client().await;
    let hang = || {
        let mut client = client.clone();
        tokio::spawn(async move { client.unary(Order { hang: true, ..Order::default() }).await })
    };
    let first = hang();
    house.rows(1, |row| row.status == "pending").await;
    let second = hang();
    tokio::time::sleep(Duration::from_millis(50)).await;
    house.close().await;
    for call in [first, second] {
        assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable);
    }
}
