//! `max_concurrent_streams`, `max_connections`, `max_header_list_bytes`, the timeouts, keepalive and age.

use std::time::Duration;

use steeple::Code;
use tonic::Request;

use crate::{
    frames::{ACK, END_HEADERS, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, Tcp, headers},
    trial::{House, pb::trial::v1::Order},
    wire::{UNARY, order},
};

const SHORT: Duration = Duration::from_millis(100);
/// RFC 9113 section 7.
const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];

/// The value of one setting (RFC 9113 section 6.5.1) that the server announces.
fn setting(payload: &[u8], id: u16) -> Option<u32> {
    let of = |entry: &[u8]| (u16::from_be_bytes([entry[0], entry[1]]), entry[2..6].try_into().unwrap());
    let mut entries = payload.chunks_exact(6).map(of);
    entries.find(|(name, _)| *name == id).map(|(_, value)| u32::from_be_bytes(value))
}

#[tokio::test]
async fn the_limits_of_a_connection_are_announced() {
    let house = House::configured(|config| {
        config.server.max_concurrent_streams = 7;
        config.server.max_header_list_bytes = 9999;
    })
    .await;
    let settings = Tcp::handshake(house.running.grpc).await.until(SETTINGS).await.payload;
    assert_eq!(setting(&settings, 3), Some(7), "SETTINGS_MAX_CONCURRENT_STREAMS");
    assert_eq!(setting(&settings, 6), Some(9999), "SETTINGS_MAX_HEADER_LIST_SIZE");
}

#[tokio::test]
async fn calls_over_max_concurrent_streams_wait_in_the_client_or_are_refused() {
    let house = House::configured(|config| config.server.max_concurrent_streams = 2).await;
    // A client that knows of the limit keeps to it.
    let mut client = house.client().await;
    client.nothing(()).await.unwrap();
    let calls = (0..6).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { client.unary(Order { wait: 20, ..Order::default() }).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    // One that does not care is refused, and may send that call again.
    let mut tcp = Tcp::handshake(house.running.grpc).await;
    let hang = order(&Order { hang: true, ..Order::default() });
    tcp.until(SETTINGS).await;
    tcp.send(SETTINGS, ACK, 0, &[]).await;
    for stream in [1, 3, 5] {
        tcp.call(stream, UNARY, &hang).await;
    }
    let refused = tcp.until(RST_STREAM).await;
    assert_eq!((refused.stream, &refused.payload[..]), (5, &REFUSED_STREAM[..]));
}

#[tokio::test]
async fn connections_over_max_connections_are_closed_until_another_one_ends() {
    let house = House::configured(|config| config.server.max_connections = 1).await;
    let mut first = Tcp::handshake(house.running.grpc).await;
    first.until(SETTINGS).await;
    Tcp::connect(house.running.grpc).await.closed().await;
    drop(first);
    loop {
        let mut next = Tcp::connect(house.running.grpc).await;
        // Closed at once as long as the first is not gone.
        if next.try_handshake().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn metadata_over_max_header_list_bytes_are_refused_and_the_connection_lives_on() {
    let house = House::configured(|config| config.server.max_header_list_bytes = 2000).await;
    let mut client = house.client().await;
    let request = |size: usize| {
        let mut request = Request::new(Order::default());
        request.metadata_mut().insert("x-echo", "x".repeat(size).parse().unwrap());
        request
    };
    client.unary(request(1000)).await.unwrap();
    let status = client.unary(request(3000)).await.unwrap_err();
    assert_ne!(status.code(), Code::Ok);
    client.unary(request(1000)).await.expect("the connection lives on");
    assert_eq!(house.close().await.len(), 2, "no method, no interceptor and no row ever saw it");
}

#[tokio::test]
async fn a_connection_that_stalls_in_its_handshake_or_in_headers_is_closed() {
    let house = House::configured(|config| {
        config.server.handshake_timeout = SHORT;
        config.server.header_timeout = SHORT;
    })
    .await;
    let mut client = house.client().await;
    client.nothing(()).await.unwrap();

    Tcp::connect(house.running.grpc).await.closed().await;
    let mut tcp = Tcp::connect(house.running.grpc).await;
    tcp.write(&PREFACE[..10]).await;
    tcp.closed().await;

    let mut tcp = Tcp::handshake(house.running.grpc).await;
    let list = headers(UNARY);
    tcp.send(HEADERS, 0, 1, &list[..20]).await;
    tcp.closed().await;
    let mut tcp = Tcp::handshake(house.running.grpc).await;
    tcp.write(&[0, 0, list.len() as u8, HEADERS, END_HEADERS, 0, 0, 0, 1]).await;
    tcp.write(&list[..20]).await;
    tcp.closed().await;
    client.nothing(()).await.expect("one that only waits for its next call is no such connection");
}

#[tokio::test]
async fn a_peer_that_does_not_answer_pings_is_dropped_and_its_calls_end() {
    let house = House::configured(|config| {
        config.server.keepalive_interval = SHORT;
        // Enough for who answers, on a busy machine too.
        config.server.keepalive_timeout = Duration::from_secs(2);
    })
    .await;
    let mut answering = Tcp::handshake(house.running.grpc).await;
    let answering = tokio::spawn(async move {
        for _ in 0..6 {
            let ping = answering.until(PING).await;
            answering.send(PING, ACK, 0, &ping.payload).await;
        }
        answering.call(1, UNARY, &order(&Order::default())).await;
        answering.until(HEADERS).await.stream
    });
    let mut silent = Tcp::handshake(house.running.grpc).await;
    silent.call(1, UNARY, &order(&Order { hang: true, ..Order::default() })).await;
    silent.until(PING).await;
    silent.closed().await;
    house.rows(1, |row| row.status == "cancelled").await;
    assert_eq!(answering.await.unwrap(), 1, "who answers stays");
}

#[tokio::test]
async fn an_old_connection_is_asked_to_leave_and_its_calls_may_finish() {
    let house = House::configured(|config| config.server.max_connection_age = Some(SHORT)).await;
    let mut tcp = Tcp::handshake(house.running.grpc).await;
    tcp.call(1, UNARY, &order(&Order { wait: 400, ..Order::default() })).await;
    tcp.until(GOAWAY).await;
    let ping = tcp.until(PING).await;
    tcp.send(PING, ACK, 0, &ping.payload).await;
    assert_eq!(tcp.until(HEADERS).await.stream, 1, "the call is answered after the GOAWAY");
    tcp.closed().await;
    let mut client = house.client().await;
    for _ in 0..8 {
        client.unary(Order { wait: 50, ..Order::default() }).await.expect("a client moves on without noticing");
    }
    assert!(house.close().await.iter().all(|row| row.status == "success"));
}

#[tokio::test]
async fn an_old_connection_that_stays_is_closed_when_the_grace_is_over() {
    let house = House::configured(|config| {
        config.server.max_connection_age = Some(SHORT);
        config.server.max_connection_age_grace = SHORT;
    })
    .await;
    let mut tcp = Tcp::handshake(house.running.grpc).await;
    tcp.call(1, UNARY, &order(&Order { hang: true, ..Order::default() })).await;
    tcp.until(GOAWAY).await;
    tcp.closed().await;
    house.rows(1, |row| row.status == "cancelled").await;
}
