//! `max_receive_message_bytes`, `max_send_message_bytes`, `compression`.

use bytes::Bytes;
use prost::Message as _;
use steeple::{Code, server::Compression};
use tokio_stream::{self as stream, StreamExt as _};
use tonic::codec::CompressionEncoding;

use crate::{
    trial::{House, pb::trial::v1::Order},
    wire::{Raw, UNARY, call, framed},
};

/// An order whose message is `size` bytes long.
fn sized(size: usize) -> Order {
    let order = Order { text: "x".repeat(size - 3), ..Order::default() };
    assert_eq!(order.encoded_len(), size);
    order
}

#[tokio::test]
async fn a_message_at_the_limit_comes_in_and_one_byte_more_is_refused() {
    let house = House::configured(|config| config.server.max_receive_message_bytes = 1000).await;
    let mut client = house.client().await;
    let exhausted = |status: tonic::Status| {
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.message(), "a message of 1001 bytes is larger than the 1000 bytes this server receives");
    };
    let mixed = || stream::iter([sized(1000), sized(1001), sized(1000)]);

    client.unary(sized(1000)).await.unwrap();
    exhausted(client.unary(sized(1001)).await.unwrap_err());
    assert_eq!(client.collect(stream::iter([sized(1000), sized(1000)])).await.unwrap().into_inner().count, 2);
    exhausted(client.collect(mixed()).await.unwrap_err());
    exhausted(client.spread(sized(1001)).await.unwrap_err());
    let mut reports = client.exchange(mixed()).await.unwrap().into_inner();
    reports.message().await.unwrap().unwrap();
    exhausted(reports.message().await.unwrap_err());
    client.unary(sized(1000)).await.expect("the connection lives on");

    let rows = house.close().await;
    let refused = rows.iter().filter(|row| row.grpc_status_code.as_deref() == Some("RESOURCE_EXHAUSTED"));
    assert_eq!((rows.len(), refused.count()), (7, 4));
}

#[tokio::test]
async fn an_answer_at_the_limit_goes_out_and_one_byte_more_is_refused() {
    let house = House::configured(|config| config.server.max_send_message_bytes = 1000).await;
    let mut client = house.client().await;
    // A report is two bytes of count, and three before its filling.
    let filled = |bytes: u32| Order { bytes: bytes - 5, count: 3, ..Order::default() };
    let exhausted = |status: tonic::Status| {
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.message(), "the answer of 1001 bytes is larger than the 1000 bytes this server sends");
    };
    assert_eq!(client.unary(filled(1000)).await.unwrap().into_inner().encoded_len(), 1000);
    exhausted(client.unary(filled(1001)).await.unwrap_err());
    // The first report of a spread counts 0, which takes no bytes.
    let mut reports = client.spread(filled(1001)).await.unwrap().into_inner();
    assert_eq!(reports.message().await.unwrap().unwrap().encoded_len(), 999);
    exhausted(reports.message().await.unwrap_err());
    let mut reports = client.exchange(stream::iter([filled(1000), filled(1001)])).await.unwrap().into_inner();
    reports.message().await.unwrap().unwrap();
    exhausted(reports.message().await.unwrap_err());
    client.unary(filled(1000)).await.expect("the connection lives on");
    assert_eq!(house.close().await.iter().filter(|row| row.status == "error").count(), 3);
}

#[tokio::test]
async fn messages_are_compressed_both_ways_when_the_site_and_the_caller_want_it() {
    for (ours, theirs, name) in [
        (Compression::Gzip, CompressionEncoding::Gzip, "gzip"),
        (Compression::Deflate, CompressionEncoding::Deflate, "deflate"),
    ] {
        let house = House::configured(|config| config.server.compression = vec![ours]).await;
        let mut client = house.client().await.send_compressed(theirs).accept_compressed(theirs);
        let order = || Order { text: "x".repeat(10_000), bytes: 10_000, count: 2, ..Order::default() };
        let answer = client.unary(order()).await.unwrap();
        assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), name);
        assert_eq!(answer.into_inner().filling.len(), 10_000);
        let reports = client.exchange(stream::iter([order(), order()])).await.unwrap();
        assert_eq!(reports.metadata().get("grpc-encoding").unwrap(), name);
        let reports: Vec<_> = reports.into_inner().map(Result::unwrap).collect().await;
        assert!(reports.len() == 2 && reports.iter().all(|report| report.text.len() == 10_000));

        let plain = house.client().await.unary(order()).await.unwrap();
        assert!(plain.metadata().get("grpc-encoding").is_none(), "nobody asked for it");
        let rows = house.close().await;
        assert!(
            rows[1..].iter().all(|row| row.request_size < 1000 && row.response_size < 1000),
            "compressed on the wire"
        );
        assert!(rows[0].request_size > 10_000 && rows[0].response_size > 10_000);
    }
}

#[tokio::test]
async fn what_is_not_configured_is_not_understood_and_the_caller_learns_what_is() {
    for (configured, understood) in [(vec![], "identity"), (vec![Compression::Deflate], "deflate,identity")] {
        let house = House::configured(|config| config.server.compression = configured).await;
        let mut gzip = house.client().await.send_compressed(CompressionEncoding::Gzip);
        let refused = gzip.unary(Order::default()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{refused}");
        assert_eq!(refused.metadata().get("grpc-accept-encoding").unwrap(), understood);
        let mut accepts = house.client().await.accept_compressed(CompressionEncoding::Gzip);
        let answer = accepts.unary(Order::default()).await.unwrap();
        assert!(answer.metadata().get("grpc-encoding").is_none());
        assert_eq!(house.close().await.len(), 2);
    }
}

#[tokio::test]
async fn a_message_that_is_small_only_while_compressed_is_refused() {
    let house = House::configured(|config| {
        config.server.compression = vec![Compression::Gzip];
        config.server.max_receive_message_bytes = 100_000;
    })
    .await;
    let mut client = house.client().await.send_compressed(CompressionEncoding::Gzip);
    let bomb = || Order { text: "x".repeat(10_000_000), ..Order::default() };
    assert_eq!(client.unary(bomb()).await.unwrap_err().code(), Code::ResourceExhausted);
    assert_eq!(client.collect(stream::iter([bomb()])).await.unwrap_err().code(), Code::ResourceExhausted);
    client.unary(Order::default()).await.expect("the connection lives on");
    assert_eq!(house.close().await.iter().filter(|row| row.status == "error").count(), 2);
}

#[tokio::test]
async fn what_claims_to_be_compressed_and_is_not_is_refused() {
    let house = House::configured(|config| config.server.compression = vec![Compression::Gzip]).await;
    let mut raw = Raw::open(&house).await;
    let request = || call(UNARY).header("grpc-encoding", "gzip").body(()).unwrap();
    let answer = raw.send(request(), framed(1, b"no gzip at all")).await;
    assert_eq!(answer.code(), Some(Code::Internal));
    // The flag says so of each message, whatever the header says.
    assert_eq!(raw.send(request(), framed(0, b"")).await.code(), Some(Code::Ok));
    assert_eq!(raw.send(call(UNARY).body(()).unwrap(), Bytes::from_static(&[0; 5])).await.code(), Some(Code::Ok));
}
