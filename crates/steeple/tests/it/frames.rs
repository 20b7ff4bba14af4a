//! A TCP connection that speaks HTTP/2 frame by frame, or fails to.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// RFC 9113 section 3.4.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const DATA: u8 = 0x0;
pub const HEADERS: u8 = 0x1;
pub const RST_STREAM: u8 = 0x3;
pub const SETTINGS: u8 = 0x4;
pub const PING: u8 = 0x6;
pub const GOAWAY: u8 = 0x7;
/// Of SETTINGS and PING.
pub const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;

#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub struct Tcp(TcpStream);

impl Tcp {
    /// Connects and says nothing.
    pub async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.expect("the server listens"))
    }

    /// Connects and says what every client says first.
    pub async fn handshake(address: SocketAddr) -> Self {
        let mut tcp = Self::connect(address).await;
        tcp.write(PREFACE).await;
        tcp.send(SETTINGS, 0, 0, &[]).await;
        tcp
    }

    /// Says what every client says first, if the server still listens; tells whether it answered.
    pub async fn try_handshake(&mut self) -> bool {
        let hello = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        self.0.write_all(&hello).await.is_ok() && self.next().await.is_some()
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the server reads");
    }

    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.write(&frame(kind, flags, stream, payload)).await;
    }

    /// Opens a call to `path` and sends its one message.
    pub async fn call(&mut self, stream: u32, path: &str, message: &[u8]) {
        self.send(HEADERS, END_HEADERS, stream, &headers(path)).await;
        self.send(DATA, END_STREAM, stream, message).await;
    }

    /// The next frame; `None` when the server has closed the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// The next frame of this kind that is no acknowledgement.
    pub async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.expect("the server still has something to say");
            if frame.kind == kind && (frame.flags & ACK == 0 || !matches!(kind, SETTINGS | PING)) {
                return frame;
            }
        }
    }

    /// Waits until the server has closed the connection, over whatever it still says.
    pub async fn closed(mut self) {
        while self.next().await.is_some() {}
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of a gRPC call, as HPACK literals without an index (RFC 7541 section 6.2.2).
pub fn headers(path: &str) -> Vec<u8> {
    let literal = |index: &[u8], value: &str| [index, &[value.len() as u8], value.as_bytes()].concat();
    [
        // :method POST, :scheme http, from the static table
        vec![0x83, 0x86],
        literal(&[0x04], path),
        literal(&[0x01], "localhost"),
        // content-type is entry 31
        literal(&[0x0f, 0x10], "application/grpc"),
        literal(b"\x00\x02te", "trailers"),
    ]
    .concat()
}
