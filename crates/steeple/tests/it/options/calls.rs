//! `[calls]`: `max_in_flight`, `default_deadline`, `max_deadline`.

use std::time::Duration;

use steeple::Code;
use tonic::Request;
use tonic_types::StatusExt as _;

use crate::trial::{House, pb::trial::v1::Order};

/// The milliseconds that the method has left, -1 without a deadline.
async fn left(house: &House, timeout: Option<Duration>) -> i64 {
    let mut request = Request::new(Order { text: "left".into(), ..Order::default() });
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    house.client().await.unary(request).await.unwrap().into_inner().text.parse().unwrap()
}

const MINUTE: i64 = 60_000;

#[tokio::test]
async fn a_call_without_a_deadline_gets_the_default_one() {
    let house = House::open().await;
    assert_eq!(left(&house, None).await, -1);
    let house = House::configured(|config| config.calls.default_deadline = Some(Duration::from_mins(10))).await;
    assert!((9 * MINUTE..=10 * MINUTE).contains(&left(&house, None).await));
    let asked = left(&house, Some(Duration::from_mins(30))).await;
    assert!((29 * MINUTE..=30 * MINUTE).contains(&asked), "who asks for more gets it: {asked}");
}

#[tokio::test]
async fn no_call_gets_more_than_the_longest_deadline() {
    let house = House::configured(|config| config.calls.max_deadline = Some(Duration::from_mins(10))).await;
    for asked in [None, Some(Duration::from_mins(30))] {
        assert!((9 * MINUTE..=10 * MINUTE).contains(&left(&house, asked).await), "{asked:?}");
    }
    assert!((4 * MINUTE..=5 * MINUTE).contains(&left(&house, Some(Duration::from_mins(5))).await));
}

#[tokio::test]
async fn calls_over_max_in_flight_are_refused_over_all_connections_and_on_record() {
    let house = House::configured(|config| config.calls.max_in_flight = 1).await;
    let (mut first, mut second) = (house.client().await, house.client().await);
    let hanging = tokio::spawn(async move { first.unary(Order { hang: true, ..Order::default() }).await });
    while house.running.in_flight() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let status = second.unary(Order::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
    assert_eq!(second.spread(Order::default()).await.unwrap_err().code(), Code::ResourceExhausted);
    hanging.abort();
    while house.running.in_flight() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    second.unary(Order::default()).await.expect("there is room again");
    let rows = house.close().await;
    assert_eq!(rows.iter().filter(|row| row.grpc_status_code.as_deref() == Some("RESOURCE_EXHAUSTED")).count(), 2);
}

#[tokio::test]
async fn zero_is_no_limit() {
    let house = House::configured(|config| config.calls.max_in_flight = 0).await;
    house.client().await.unary(Order::default()).await.unwrap();
}
