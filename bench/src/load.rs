//! The load client: a closed loop of unary calls over HTTP/2, one thread, every reply and status checked.
//!
//! It speaks `h2` itself instead of going through a tonic channel, because it shares the machine's cores with the
//! server it measures: what it saves is the server's. Calls are cut from one template, replies are compared with the
//! expected bytes as they arrive, and nothing is decoded.
//!
//! Must never: count a call that was not answered with grpc-status 0 and the expected message as a good one.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use hdrhistogram::Histogram;
use http::{HeaderMap, Request};
use prost::Message;
use serde::Serialize;
use tokio::{
    net::TcpStream,
    task::{self, JoinSet},
};

use crate::Outcome;

/// Failures whose text is kept; the rest is only counted.
const KEPT_FAILURES: usize = 5;
/// Longest latency the histogram tells apart: a minute, in microseconds.
const LONGEST_MICROS: u64 = 60_000_000;
/// Flow control is not what is measured: windows are large enough never to stop a small reply.
const WINDOW: u32 = 1 << 20;

/// What is called: requests of one method, framed once, sent again and again in turn.
#[derive(Debug, Clone)]
pub struct Target {
    request: Request<()>,
    messages: Rc<[Bytes]>,
}

impl Target {
    /// Calls `path` (`/package.Service/Method`) with `message`.
    pub fn new(path: &str, message: &impl Message) -> Outcome<Self> {
        Self::each(path, std::slice::from_ref(message))
    }

    /// Calls `path` with one of these messages after the other.
    pub fn each(path: &str, messages: &[impl Message]) -> Outcome<Self> {
        let request = request(path)?;
        Ok(Self { request, messages: messages.iter().map(framed).collect() })
    }

    /// The same call by somebody who shows this credential.
    pub fn showing(&self, name: &'static str, value: &str) -> Outcome<Self> {
        let mut target = self.clone();
        target.request.headers_mut().insert(name, value.parse()?);
        Ok(target)
    }
}

/// The head of a call of `path`.
pub fn request(path: &str) -> Outcome<Request<()>> {
    Ok(Request::post(format!("http://bench{path}"))
        .version(http::Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "steeple-bench")
        .body(())?)
}

/// A message with the five bytes gRPC puts before it.
pub fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(5 + length);
    frame.put_u8(0);
    frame.put_u32(length as u32);
    message.encode(&mut frame).expect("the buffer grows");
    frame.freeze()
}

/// How hard to drive.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Load {
    /// Connections.
    pub connections: usize,
    /// Calls in flight on each.
    pub streams: usize,
    /// Calls before measuring begins.
    pub warm_up: u64,
    /// Calls that are measured.
    pub calls: u64,
}

impl Load {
    /// As hard, but this many times shorter.
    pub fn shortened(self, times: u64) -> Self {
        Self { warm_up: self.warm_up / times, calls: self.calls / times, ..self }
    }
}

/// What one drive gave.
#[derive(Debug)]
pub struct Driven {
    /// Calls sent, good and bad.
    pub calls: u64,
    /// Calls that did not end as expected.
    pub failed: u64,
    /// The first few of them, in words.
    pub failures: Vec<String>,
    /// From the first call to the last answer.
    pub elapsed: Duration,
    /// Microseconds from sending to the trailers, of the good calls.
    pub latency: Histogram<u64>,
}

/// Open connections to one server. Lives on one thread, inside a `LocalSet`.
#[derive(Debug)]
pub struct Client {
    senders: Vec<SendRequest<Bytes>>,
}

impl Client {
    /// Opens `connections` connections.
    pub async fn connect(address: SocketAddr, connections: usize) -> Outcome<Self> {
        let mut senders = Vec::with_capacity(connections);
        for _ in 0..connections {
            senders.push(connection(address, WINDOW).await?);
        }
        Ok(Self { senders })
    }

    /// One call; its reply, framed as on the wire.
    pub async fn ask(&self, target: &Target) -> Outcome<Bytes> {
        let mut reply = BytesMut::new();
        call(&self.senders[0], target, 0, |chunk| {
            reply.extend_from_slice(chunk);
            true
        })
        .await?;
        Ok(reply.freeze())
    }

    /// Makes `calls` calls, `streams` at a time on each connection, and compares every reply with `expected`.
    pub async fn drive(&self, target: &Target, expected: &Bytes, streams: usize, calls: u64) -> Outcome<Driven> {
        let tally = Rc::new(Tally::new(calls)?);
        let began = Instant::now();
        let mut loops = Vec::with_capacity(self.senders.len() * streams);
        for sender in &self.senders {
            for _ in 0..streams {
                let (sender, target) = (sender.clone(), target.clone());
                let (expected, tally) = (expected.clone(), tally.clone());
                loops.push(task::spawn_local(async move { repeat(&sender, &target, &expected, &tally).await }));
            }
        }
        for done in loops {
            done.await?;
        }
        tally.driven(began, calls)
    }

    /// Makes `calls` calls at this rate, whatever becomes of those before, and compares every reply with `expected`. The
    /// latency of a call begins when it is due.
    pub async fn pace(&self, target: &Target, expected: &Bytes, per_second: f64, calls: u64) -> Outcome<Driven> {
        let tally = Rc::new(Tally::new(calls)?);
        let began = Instant::now();
        let mut under_way = JoinSet::new();
        for number in 0..calls {
            let due = began + Duration::from_secs_f64(number as f64 / per_second);
            // A timer tells milliseconds apart; calls that are due meanwhile go together.
            if due > Instant::now() {
                tokio::time::sleep_until(due.into()).await;
            }
            let sender = self.senders[number as usize % self.senders.len()].clone();
            let (target, expected, tally) = (target.clone(), expected.clone(), tally.clone());
            under_way.spawn_local(async move {
                let turn = tally.take();
                once(&sender, &target, turn.unwrap_or_default(), due, &expected, &tally).await;
            });
            while under_way.try_join_next().is_some() {}
        }
        while let Some(done) = under_way.join_next().await {
            done?;
        }
        tally.driven(began, calls)
    }
}

/// A connection whose streams may each be sent so much before they read.
pub async fn connection(address: SocketAddr, window: u32) -> Outcome<SendRequest<Bytes>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(window)
        .initial_connection_window_size(WINDOW)
        .enable_push(false)
        .handshake(socket)
        .await?;
    // How a connection ends is told to its calls; the task has nobody else to tell.
    task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

/// What the loops of one drive share.
struct Tally {
    left: Cell<u64>,
    failed: Cell<u64>,
    failures: RefCell<Vec<String>>,
    latency: RefCell<Histogram<u64>>,
}

impl Tally {
    fn new(calls: u64) -> Outcome<Self> {
        Ok(Self {
            left: Cell::new(calls),
            failed: Cell::new(0),
            failures: RefCell::default(),
            latency: RefCell::new(Histogram::new_with_bounds(1, LONGEST_MICROS, 3)?),
        })
    }

    /// The number of the next call; `None` when there is none to make.
    fn take(&self) -> Option<usize> {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        (left > 0).then_some(left as usize)
    }

    /// What the drive gave, when its last call has ended.
    fn driven(self: Rc<Self>, began: Instant, calls: u64) -> Outcome<Driven> {
        let elapsed = began.elapsed();
        let tally = Rc::into_inner(self).ok_or("a loop outlived its drive")?;
        Ok(Driven {
            calls: calls - tally.left.get(),
            failed: tally.failed.get(),
            failures: tally.failures.into_inner(),
            elapsed,
            latency: tally.latency.into_inner(),
        })
    }

    fn fail(&self, failure: String) {
        self.failed.set(self.failed.get() + 1);
        let mut failures = self.failures.borrow_mut();
        if failures.len() < KEPT_FAILURES {
            failures.push(failure);
        }
    }
}

/// One loop: the next call begins when the last one has ended.
async fn repeat(sender: &SendRequest<Bytes>, target: &Target, expected: &Bytes, tally: &Tally) {
    while let Some(turn) = tally.take() {
        once(sender, target, turn, Instant::now(), expected, tally).await;
    }
}

/// One call, judged and counted.
async fn once(
    sender: &SendRequest<Bytes>,
    target: &Target,
    turn: usize,
    began: Instant,
    expected: &Bytes,
    tally: &Tally,
) {
    let mut at = 0;
    let ended = call(sender, target, turn, |chunk| {
        let same = expected[at..].starts_with(chunk);
        at += chunk.len();
        same
    })
    .await;
    match ended {
        Ok(()) if at == expected.len() => {
            tally.latency.borrow_mut().saturating_record(began.elapsed().as_micros() as u64);
        }
        Ok(()) => tally.fail(format!("a reply of {at} bytes instead of {}", expected.len())),
        Err(failure) => tally.fail(failure.to_string()),
    }
}

/// One unary call, with the message whose turn it is. `take` sees the bytes of the reply and says whether they are right.
async fn call(
    sender: &SendRequest<Bytes>,
    target: &Target,
    turn: usize,
    mut take: impl FnMut(&[u8]) -> bool,
) -> Outcome<()> {
    let mut sender = sender.clone().ready().await?;
    let (response, mut body) = sender.send_request(target.request.clone(), false)?;
    body.send_data(target.messages[turn % target.messages.len()].clone(), true)?;
    let (head, mut reply) = response.await?.into_parts();
    if head.status != http::StatusCode::OK {
        return Err(format!("HTTP {}", head.status).into());
    }
    while let Some(chunk) = reply.data().await {
        let chunk = chunk?;
        reply.flow_control().release_capacity(chunk.len())?;
        if !take(&chunk) {
            return Err("a reply with other bytes than expected".into());
        }
    }
    match reply.trailers().await? {
        Some(trailers) => judged(&trailers),
        None => judged(&head.headers),
    }
}

/// Ok for grpc-status 0.
fn judged(headers: &HeaderMap) -> Outcome<()> {
    match headers.get("grpc-status").map(http::HeaderValue::as_bytes) {
        Some(b"0") => Ok(()),
        Some(code) => {
            let message = headers.get("grpc-message").map(|text| String::from_utf8_lossy(text.as_bytes()));
            Err(format!("grpc-status {}: {}", String::from_utf8_lossy(code), message.unwrap_or_default()).into())
        }
        None => Err("an answer without grpc-status".into()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;

    use super::*;
    use crate::{process::free_address, serve::bare, stock::echo::EchoRequest};

    const ECHO: &str = "/echo.EchoService/Echo";

    /// Runs `work` with a client of a bare server.
    async fn with_echo<T>(work: impl AsyncFnOnce(Client) -> T) -> T {
        let address = free_address().unwrap();
        let server = tokio::spawn(async move { bare::serve(address).await });
        let done = LocalSet::new()
            .run_until(async {
                let client = loop {
                    match Client::connect(address, 2).await {
                        Ok(client) => break client,
                        Err(_) => task::yield_now().await,
                    }
                };
                work(client).await
            })
            .await;
        server.abort();
        done
    }

    fn hello() -> EchoRequest {
        EchoRequest { text: "hello".into() }
    }

    #[tokio::test]
    async fn every_call_is_made_and_compared() {
        let driven = with_echo(async |client| {
            let target = Target::new(ECHO, &hello()).unwrap();
            let expected = client.ask(&target).await.unwrap();
            // The echo's reply has the same field as its request.
            assert_eq!(expected, framed(&hello()));
            client.drive(&target, &expected, 3, 100).await.unwrap()
        })
        .await;
        assert_eq!((driven.calls, driven.failed, driven.latency.len()), (100, 0, 100));
    }

    #[tokio::test]
    async fn a_wrong_reply_is_a_failure() {
        let driven = with_echo(async |client| {
            let other = framed(&EchoRequest { text: "hallo".into() });
            client.drive(&Target::new(ECHO, &hello()).unwrap(), &other, 1, 10).await.unwrap()
        })
        .await;
        assert_eq!((driven.calls, driven.failed, driven.latency.len()), (10, 10, 0));
        assert_eq!(driven.failures.len(), KEPT_FAILURES);
    }

    #[tokio::test]
    async fn a_status_that_is_not_ok_is_a_failure() {
        let failure = with_echo(async |client| {
            client.ask(&Target::new("/echo.EchoService/Nothing", &hello()).unwrap()).await.unwrap_err().to_string()
        })
        .await;
        assert!(failure.starts_with("grpc-status 12"), "{failure}");
    }
}
