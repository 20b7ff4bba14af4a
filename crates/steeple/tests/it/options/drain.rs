//! `drain`: what `stop` does to calls, watchers, connections and rows.

use std::time::Duration;

use steeple::Code;
use tokio::net::TcpStream;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    frames::{GOAWAY, HEADERS, Tcp},
    trial::{self, House, pb::trial::v1::Order},
    wire::{UNARY, order},
};

const LONG: Duration = Duration::from_mins(1);

/// Waits until so many calls are under way.
async fn under_way(house: &House, calls: usize) {
    while house.running.in_flight() < calls {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn calls_under_way_finish_and_have_their_rows() {
    let house = House::configured(|config| config.server.drain = LONG).await;
    let client = house.client().await;
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.unary(Order { wait: 300, ..Order::default() }).await })
        })
        .collect();
    let mut streaming = client.clone();
    let mut reports = streaming.spread(Order { count: 30, wait: 10, ..Order::default() }).await.unwrap().into_inner();
    under_way(&house, 11).await;
    let closing = tokio::spawn(house.close());
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let mut count = 0;
    while reports.message().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 30);
    let rows = closing.await.unwrap();
    assert_eq!(rows.iter().filter(|row| row.status == "success").count(), 11);
}

#[tokio::test]
async fn what_does_not_finish_is_cut_with_unavailable_when_the_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let config = trial::config(&folder, |config| config.server.drain = Duration::from_millis(200));
    let running = steeple::Server::new(trial::site()).start(config.clone()).await.unwrap();
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", running.grpc)).unwrap();
    let client = trial::pb::trial::v1::trial_client::TrialClient::new(channel.connect().await.unwrap());
    let mut unary = client.clone();
    let hanging = tokio::spawn(async move { unary.unary(Order { hang: true, ..Order::default() }).await });
    let mut endless =
        client.clone().spread(Order { count: 1, hang: true, ..Order::default() }).await.unwrap().into_inner();
    endless.message().await.unwrap().unwrap();
    while running.in_flight() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let stopped = running.stop().await;
    assert_eq!((stopped.cut, stopped.lost), (2, 0));
    for status in [hanging.await.unwrap().unwrap_err(), endless.message().await.unwrap_err()] {
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "the server is shutting down"));
    }
    let db = steeple::Db::connect(&config.database, 1).await.unwrap();
    let rows = trial::rows(&db, 2, |row| row.grpc_status_code.as_deref() == Some("UNAVAILABLE")).await;
    assert!(rows.iter().all(|row| row.status == "error" && row.completed_at.is_some()));
}

#[tokio::test]
async fn health_watchers_hear_of_the_drain_and_then_end() {
    let house = House::configured(|config| config.server.drain = LONG).await;
    let mut health = HealthClient::new(house.channel().await);
    let of = |service: &str| HealthCheckRequest { service: service.to_owned() };
    let mut all = health.watch(of("")).await.unwrap().into_inner();
    let mut one = health.watch(of("trial.v1.Trial")).await.unwrap().into_inner();
    for watch in [&mut all, &mut one] {
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    }
    let closing = tokio::spawn(house.close());
    for watch in [&mut all, &mut one] {
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
        assert_eq!(watch.message().await.unwrap_err().code(), Code::Unavailable);
    }
    closing.await.unwrap();
}

#[tokio::test]
async fn new_connections_are_refused_and_open_ones_told_while_calls_finish() {
    let house = House::configured(|config| config.server.drain = LONG).await;
    let (address, mut client) = (house.running.grpc, house.client().await);
    let mut idle = Tcp::handshake(address).await;
    let (orders, receiver) = tokio::sync::mpsc::channel::<Order>(1);
    let mut reports =
        client.exchange(tokio_stream::wrappers::ReceiverStream::new(receiver)).await.unwrap().into_inner();
    let closing = tokio::spawn(house.close());
    idle.until(GOAWAY).await;
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The call of before goes on as long as it needs.
    orders.send(Order { text: "still here".into(), ..Order::default() }).await.unwrap();
    assert_eq!(reports.message().await.unwrap().unwrap().text, "still here");
    drop(orders);
    assert!(reports.message().await.unwrap().is_none());
    drop(idle);
    assert_eq!(closing.await.unwrap()[0].status, "success");
}

#[tokio::test]
async fn a_server_that_is_dropped_lets_go_of_its_port_and_its_calls() {
    let house = House::open().await;
    let (address, mut client) = (house.running.grpc, house.client().await);
    let hanging = tokio::spawn(async move { client.unary(Order { hang: true, ..Order::default() }).await });
    under_way(&house, 1).await;
    drop(house);
    assert_eq!(hanging.await.unwrap().unwrap_err().code(), Code::Unavailable);
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_peer_that_is_gone_without_a_word_does_not_hold_up_the_end() {
    let house = House::configured(|config| config.server.drain = LONG).await;
    let mut gone = Tcp::handshake(house.running.grpc).await;
    gone.call(1, UNARY, &order(&Order::default())).await;
    gone.until(HEADERS).await;
    // It neither answers the PING that follows GOAWAY nor closes.
    let closing = tokio::time::timeout(LONG / 2, house.close());
    assert_eq!(closing.await.expect("long before the time to drain is over").len(), 1);
    drop(gone);
}
