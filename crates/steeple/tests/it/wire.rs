//! What a client may put on the wire that no gRPC library would: requests written frame by frame.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, StatusCode};
use prost::Message as _;
use steeple::Code;

use crate::trial::{House, pb::trial::v1::Order};

/// An HTTP/2 connection without any gRPC in it.
pub struct Raw(SendRequest<Bytes>);

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub trailers: HeaderMap,
}

impl Answer {
    pub fn code(&self) -> Option<Code> {
        let code = self.trailers.get("grpc-status").or_else(|| self.headers.get("grpc-status"))?;
        Some(Code::from_bytes(code.as_bytes()))
    }

    pub fn message(&self) -> String {
        let message = self.trailers.get("grpc-message").or_else(|| self.headers.get("grpc-message"));
        message.map(|message| message.to_str().unwrap().replace("%20", " ")).unwrap_or_default()
    }
}

impl Raw {
    pub async fn open(house: &House) -> Self {
        let stream = tokio::net::TcpStream::connect(house.running.grpc).await.unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self(send)
    }

    pub async fn send(&mut self, request: Request<()>, body: Bytes) -> Answer {
        let mut ready = self.0.clone().ready().await.unwrap();
        let (response, mut out) = ready.send_request(request, false).unwrap();
        out.send_data(body, true).unwrap();
        let (head, mut body) = response.await.unwrap().into_parts();
        while let Some(data) = body.data().await {
            let size = data.unwrap().len();
            body.flow_control().release_capacity(size).unwrap();
        }
        let trailers = body.trailers().await.unwrap().unwrap_or_default();
        Answer { status: head.status, headers: head.headers, trailers }
    }
}

pub fn call(path: &str) -> http::request::Builder {
    Request::builder()
        .method(Method::POST)
        .uri(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

pub fn framed(flag: u8, message: &[u8]) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u8(flag);
    body.put_u32(message.len() as u32);
    body.put_slice(message);
    body.freeze()
}

pub fn order(order: &Order) -> Bytes {
    framed(0, &order.encode_to_vec())
}

pub const UNARY: &str = "/trial.v1.Trial/Unary";

#[tokio::test]
async fn only_a_post_of_grpc_content_reaches_a_method() {
    let house = House::open().await;
    let mut raw = Raw::open(&house).await;
    let body = || order(&Order::default());
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
        let mut request = call(UNARY).body(()).unwrap();
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        assert_eq!(raw.send(request, body()).await.code(), Some(Code::Ok), "{content_type}");
    }
    for content_type in
        ["text/html", "application/json", "application/grpc-web", "application/grpc+json", "application/grpcx", ""]
    {
        let mut request = call(UNARY).body(()).unwrap();
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        let answer = raw.send(request, body()).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, None), "{content_type}");
    }
    for method in [Method::GET, Method::PUT, Method::OPTIONS] {
        let request = call(UNARY).method(method.clone()).body(()).unwrap();
        let answer = raw.send(request, body()).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.headers.get("allow").unwrap(), "POST");
    }
    assert_eq!(house.close().await.len(), 3, "what is no call is no row");
}

#[tokio::test]
async fn a_grpc_timeout_is_honoured_and_clamped() {
    let house = House::configured(|config| config.calls.max_deadline = Some(Duration::from_millis(300))).await;
    let mut raw = Raw::open(&house).await;
    for timeout in ["100m", "1H"] {
        let request = call(UNARY).header("grpc-timeout", timeout).body(()).unwrap();
        let answer = raw.send(request, order(&Order { hang: true, ..Order::default() })).await;
        assert_eq!(answer.code(), Some(Code::DeadlineExceeded), "{timeout}");
    }
    let request = call(UNARY).header("grpc-timeout", "10m").body(()).unwrap();
    let stream = Request::builder().method(Method::POST).uri("http://localhost/trial.v1.Trial/Spread");
    let stream = stream.header("content-type", "application/grpc").header("grpc-timeout", "200m").body(()).unwrap();
    assert_eq!(
        raw.send(request, order(&Order { wait: 10_000, ..Order::default() })).await.code(),
        Some(Code::DeadlineExceeded)
    );
    let endless = Order { count: 2, hang: true, ..Order::default() };
    assert_eq!(raw.send(stream, order(&endless)).await.code(), Some(Code::DeadlineExceeded));
    let rows = house.close().await;
    assert_eq!(rows.iter().filter(|row| row.status == "timeout").count(), 4);
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_refused_and_on_record() {
    let house = House::configured(|config| config.server.max_receive_message_bytes = 1000).await;
    let mut raw = Raw::open(&house).await;
    let large = Order { text: "x".repeat(2000), ..Order::default() };
    let cases = [
        ("too large", order(&large), Code::ResourceExhausted),
        ("no message", Bytes::new(), Code::Internal),
        ("not protobuf", framed(0, b"\xff\xff\xff"), Code::Internal),
        ("cut short", order(&Order { text: "hello".into(), ..Order::default() }).slice(..8), Code::Internal),
        ("compressed without saying how", framed(1, b"abc"), Code::Internal),
        ("a flag that does not exist", framed(7, b""), Code::Internal),
    ];
    for (name, body, want) in cases {
        let answer = raw.send(call(UNARY).body(()).unwrap(), body).await;
        assert_eq!(answer.code(), Some(want), "{name}: {}", answer.message());
        assert!(!answer.message().is_empty(), "{name}");
    }
    let answer = raw.send(call(UNARY).body(()).unwrap(), order(&large)).await;
    assert_eq!(answer.message(), "a message of 2003 bytes is larger than the 1000 bytes this server receives");
    let answer = raw.send(call(UNARY).header("grpc-encoding", "snappy").body(()).unwrap(), framed(1, b"abc")).await;
    assert_eq!(answer.code(), Some(Code::Unimplemented));
    // The connection lives on.
    assert_eq!(raw.send(call(UNARY).body(()).unwrap(), order(&Order::default())).await.code(), Some(Code::Ok));
    let rows = house.close().await;
    assert_eq!(rows.iter().filter(|row| row.status == "error").count(), 8);
}
