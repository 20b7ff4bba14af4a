//! A call of each shape, through a real socket: what the client sees, and what the row says.

use std::time::Duration;

use steeple::Code;
use tokio_stream::{self as stream, StreamExt as _};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

use crate::trial::{House, pb::trial::v1::Order};

const MANY: u32 = 5000;

fn orders(count: u32) -> impl stream::Stream<Item = Order> {
    stream::iter((0..count).map(|count| Order { count, ..Order::default() }))
}

#[tokio::test]
async fn the_client_behind_a_trusted_proxy_is_on_record_and_a_claim_is_not() {
    for (trusted, client) in [(vec![], "127.0.0.1"), (vec!["127.0.0.0/8".to_owned()], "203.0.113.7")] {
        let house = House::configured(|config| config.server.trusted_proxies = trusted).await;
        let mut request = Request::new(Order::default());
        request.metadata_mut().insert("x-forwarded-for", "8.8.8.8, 203.0.113.7".parse().unwrap());
        house.client().await.unary(request).await.unwrap();
        assert_eq!(house.close().await[0].client_ip.as_deref(), Some(client));
    }
}

#[tokio::test]
async fn a_unary_call_is_answered_and_on_record() {
    let house = House::open().await;
    let mut client = house.client().await;
    let answer = client.unary(Order { text: "hello".into(), ..Order::default() }).await.unwrap().into_inner();
    assert_eq!(answer.text, "hello");

    let rows = house.close().await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((row.service_name.as_str(), row.method_name.as_str()), ("trial.v1.Trial", "Unary"));
    assert_eq!((row.status.as_str(), row.grpc_status_code.as_deref()), ("success", Some("OK")));
    assert_eq!((row.request_messages, row.response_messages), (1, 1));
    assert_eq!(row.request_size, 5 + 7);
    assert_eq!(row.response_size, 5 + 9);
    assert!(row.user_agent.as_deref().unwrap().starts_with("tonic/"));
    assert_eq!(row.client_ip.as_deref(), Some("127.0.0.1"));
    assert!(row.completed_at.unwrap() >= row.created_at);
}

#[tokio::test]
async fn thousands_of_messages_pass_each_way_and_are_counted() {
    let house = House::open().await;
    let mut client = house.client().await;
    assert_eq!(client.collect(orders(MANY)).await.unwrap().into_inner().count, u64::from(MANY));
    let spread = client.spread(Order { count: MANY, ..Order::default() }).await.unwrap();
    let spread: Vec<_> = spread.into_inner().map(|report| report.unwrap().count).collect().await;
    assert_eq!(spread, (0..u64::from(MANY)).collect::<Vec<_>>());
    let exchanged = client.exchange(orders(MANY)).await.unwrap().into_inner();
    assert_eq!(exchanged.map(Result::unwrap).collect::<Vec<_>>().await.len(), MANY as usize);
    client.nothing(()).await.unwrap();

    let mut rows = house.close().await;
    rows.reverse();
    let counts: Vec<_> =
        rows.iter().map(|row| (row.method_name.as_str(), row.request_messages, row.response_messages)).collect();
    let many = i64::from(MANY);
    assert_eq!(counts, [("Collect", many, 1), ("Spread", 1, many), ("Exchange", many, many), ("Nothing", 1, 1)]);
    assert!(rows.iter().all(|row| row.status == "success"));
}

#[tokio::test]
async fn every_code_reaches_the_client_and_the_row_and_the_cause_only_the_row() {
    let house = House::open().await;
    let mut client = house.client().await;
    for code in 1..=16 {
        let refused = client.unary(Order { code, ..Order::default() }).await.unwrap_err();
        assert_eq!(refused.code(), Code::from_i32(code));
        assert_eq!(refused.message(), "told to fail");
        let id = refused.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
        assert_eq!(refused.get_details_request_info().unwrap().request_id, id);
        assert!(!format!("{refused:?}").contains("4711"));
        let row = house.rows(1, |row| row.request_id == id).await.remove(0);
        assert_eq!(row.error_message.as_deref(), Some("told to fail: secret-4711"));
        let status = match code {
            1 => "cancelled",
            4 => "timeout",
            _ => "error",
        };
        assert_eq!(row.status, status, "{code}");
    }
}

#[tokio::test]
async fn an_error_in_a_stream_comes_after_what_was_sent_before_it() {
    let house = House::open().await;
    let mut client = house.client().await;
    for (panic, code, want) in [(false, 9, Code::FailedPrecondition), (true, 0, Code::Internal)] {
        let order = Order { count: 20, code, panic, ..Order::default() };
        let mut reports = client.spread(order).await.unwrap().into_inner();
        for _ in 0..20 {
            reports.message().await.unwrap().unwrap();
        }
        let status = reports.message().await.unwrap_err();
        assert_eq!(status.code(), want);
        assert!(!status.message().contains("4711"));
        assert_eq!(status.metadata().get("x-tail").unwrap(), "end");
    }
    let rows = house.close().await;
    assert_eq!(rows[0].error_message.as_deref(), Some("internal error: panicked: told to panic: secret-4711"));
    assert_eq!((rows[0].response_messages, rows[1].response_messages), (20, 20));
    assert_eq!(rows[1].grpc_status_code.as_deref(), Some("FAILED_PRECONDITION"));
}

#[tokio::test]
async fn a_panic_ends_its_call_only() {
    let house = House::open().await;
    let mut client = house.client().await;
    let mut other = client.clone();
    let beside =
        tokio::spawn(async move { other.unary(Order { wait: 200, text: "beside".into(), ..Order::default() }).await });
    let status = client.unary(Order { panic: true, ..Order::default() }).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    assert_eq!(beside.await.unwrap().unwrap().into_inner().text, "beside");
}

#[tokio::test]
async fn the_deadline_ends_the_call_in_its_head_and_in_its_stream() {
    // The site's own: for a `grpc-timeout` tonic's client would have a timer too. See `wire` for the header.
    let house = House::configured(|config| config.calls.default_deadline = Some(Duration::from_millis(150))).await;
    let mut client = house.client().await;
    let status = client.unary(Order { hang: true, ..Order::default() }).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    let endless = Order { count: 3, hang: true, ..Order::default() };
    let mut reports = client.spread(endless).await.unwrap().into_inner();
    for _ in 0..3 {
        reports.message().await.unwrap().unwrap();
    }
    assert_eq!(reports.message().await.unwrap_err().code(), Code::DeadlineExceeded);
    let busy = Order { count: u32::MAX, ..Order::default() };
    let mut reports = client.spread(busy).await.unwrap().into_inner();
    let status = loop {
        match reports.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("ended without a status"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let rows = house.close().await;
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.status == "timeout"), "{rows:?}");
}

#[tokio::test]
async fn a_client_that_leaves_is_a_cancelled_call() {
    let house = House::open().await;
    let mut client = house.client().await;
    let waiting = client.unary(Order { hang: true, ..Order::default() });
    assert!(tokio::time::timeout(Duration::from_millis(100), waiting).await.is_err());
    let mut reports = client.spread(Order { count: 2, hang: true, ..Order::default() }).await.unwrap().into_inner();
    reports.message().await.unwrap();
    drop(reports);
    let rows = house.rows(2, |row| row.status == "cancelled").await;
    assert!(rows.iter().all(|row| row.grpc_status_code.as_deref() == Some("CANCELLED")));
    assert_eq!(house.running.in_flight(), 0);
}

#[tokio::test]
async fn a_call_that_hangs_is_visible_while_it_runs() {
    let house = House::open().await;
    let mut client = house.client().await;
    let hanging = tokio::spawn(async move { client.unary(Order { hang: true, ..Order::default() }).await });
    let pending = house.rows(1, |row| row.status == "pending").await.remove(0);
    assert_eq!((pending.method_name.as_str(), pending.completed_at), ("Unary", None));
    hanging.abort();
    let ended = house.rows(1, |row| row.status == "cancelled").await.remove(0);
    assert_eq!((ended.id, ended.request_id), (pending.id, pending.request_id), "the same row");
}

#[tokio::test]
async fn metadata_go_both_ways() {
    let house = House::open().await;
    let mut client = house.client().await;
    let request = |code: i32| {
        let mut request = Request::new(Order { text: "id".into(), code, ..Order::default() });
        request.metadata_mut().insert("x-echo", "hello".parse().unwrap());
        request.metadata_mut().insert("x-request-id", "mine-1".parse().unwrap());
        request
    };
    let answer = client.unary(request(0)).await.unwrap();
    let metadata = answer.metadata();
    for key in ["x-head", "x-tail"] {
        assert_eq!(metadata.get(key).unwrap(), "hello", "{key}");
    }
    assert_eq!(metadata.get_bin("x-tail-bin").unwrap().to_bytes().unwrap(), "hello");
    assert_eq!(metadata.get("x-request-id").unwrap(), "mine-1");
    assert_eq!(answer.into_inner().text, "mine-1");
    let refused = client.unary(request(5)).await.unwrap_err();
    assert_eq!(refused.metadata().get("x-head").unwrap(), "hello");
    assert_eq!(refused.metadata().get("x-tail").unwrap(), "hello");
    let rows = house.close().await;
    assert!(rows.iter().all(|row| row.request_id == "mine-1"));
}

#[tokio::test]
async fn an_unfit_request_id_is_replaced() {
    let house = House::open().await;
    let mut client = house.client().await;
    for unfit in ["", "with space", &"x".repeat(101)] {
        let mut request = Request::new(Order { text: "id".into(), ..Order::default() });
        request.metadata_mut().insert("x-request-id", unfit.parse().unwrap());
        let id = client.unary(request).await.unwrap().into_inner().text;
        assert_eq!(id.len(), 36, "{id}");
    }
}

#[tokio::test]
async fn a_method_that_nobody_serves_is_unimplemented_and_on_record() {
    let house = House::open().await;
    for path in ["/trial.v1.Trial/Missing", "/no.Such/Method", "/x"] {
        let mut grpc = tonic::client::Grpc::new(house.channel().await);
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<Order, Order>::default();
        let path = http::uri::PathAndQuery::from_static(path);
        let status: Status = grpc.unary(Request::new(Order::default()), path, codec).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }
    let rows = house.close().await;
    assert_eq!(rows.len(), 3);
    // What outsiders make up is one method to the statistics; the path is in the message.
    assert!(rows.iter().all(|row| row.service_name == rows[0].service_name && row.method_name == rows[0].method_name));
    assert!(rows.iter().any(|row| row.error_message.as_deref().unwrap().contains("/no.Such/Method")));
}

#[tokio::test]
async fn a_malformed_timeout_is_refused_before_the_method_runs() {
    let house = House::open().await;
    let mut client = house.client().await;
    for bad in ["soon", "10", "999999999S", "-1S"] {
        let mut request = Request::new(Order { panic: true, ..Order::default() });
        request.metadata_mut().insert("grpc-timeout", bad.parse().unwrap());
        let status = client.unary(request).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert!(status.message().starts_with("malformed grpc-timeout"), "{status}");
    }
}
