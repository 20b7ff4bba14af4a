//! `log.enabled`, `log.skip`: which calls get rows. What a row says and when it is written is in `calls` and `request_log`.

use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::trial::{House, pb::trial::v1::Order};

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
