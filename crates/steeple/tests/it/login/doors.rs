//! A client of the HTTP doors, over a plain socket.

use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::{Value, json};
use steeple::server::Running;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Tokens, as the door gives them.
#[derive(Debug, Clone, Deserialize)]
pub struct Pair {
    pub access_token: String,
    pub refresh_token: String,
    pub token_type: String,
    pub expires_in: u64,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// The doors of one server.
#[derive(Debug, Clone, Copy)]
pub struct Doors(pub SocketAddr);

impl Doors {
    pub fn of(running: &Running) -> Self {
        Self(running.http.expect("the http listener is on"))
    }

    /// Sends these bytes, and reads until the server has answered and closed.
    pub async fn send(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = vec![];
        stream.read_to_end(&mut answer).await.ok();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("an answer: {answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() };
        Answer { status, head: head.to_lowercase(), body }
    }

    /// Asks a door with these headers and this body.
    pub async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        self.send(request.as_bytes()).await
    }

    /// Posts JSON to `/api/auth/<door>`.
    pub async fn answer(&self, door: &str, body: &Value) -> Answer {
        let path = format!("/api/auth/{door}");
        self.ask("POST", &path, "content-type: application/json\r\n", &body.to_string()).await
    }

    /// Likewise: the status and the body.
    pub async fn post(&self, door: &str, body: &Value) -> (u16, Value) {
        let answer = self.answer(door, body).await;
        (answer.status, answer.body)
    }

    pub async fn log_in(&self, username: &str, password: &str) -> Pair {
        let (status, body) = self.post("login", &json!({ "username": username, "password": password })).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_value(body).unwrap()
    }

    pub async fn refresh(&self, token: &str) -> Result<Pair, (u16, Value)> {
        let (status, body) = self.post("refresh", &json!({ "refresh_token": token })).await;
        if status == 200 { Ok(serde_json::from_value(body).unwrap()) } else { Err((status, body)) }
    }

    /// What a token says, which must be good.
    pub async fn verify(&self, token: &str) -> Value {
        let (status, body) = self.post("verify", &json!({ "token": token })).await;
        assert_eq!(status, 200, "{body}");
        body
    }
}
