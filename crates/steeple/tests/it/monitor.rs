//! The REST API under `/cfg/grpc/`, through real sockets, asked by a browser session of staff.

mod access;
mod answers;
mod bad_input;
mod calls;
mod clients;
mod explorer;
mod keys;
mod schema;

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use steeple::{Config, Server, auth::NewUser};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::trial::{House, pb::trial::v1::Order};

/// A server whose API can be asked by staff.
struct Watched {
    house: House,
    /// The cookie of somebody of staff, as a line of a request's head.
    staff: String,
}

impl std::ops::Deref for Watched {
    type Target = House;

    fn deref(&self) -> &House {
        &self.house
    }
}

/// Makes a user without a password.
async fn user(house: &House, username: &str, is_staff: bool, is_superuser: bool) -> i64 {
    let new = NewUser { username: username.to_owned(), is_staff, is_superuser, ..NewUser::default() };
    house.running.identity().users.create(new).await.unwrap().id.into()
}

/// A browser session of this user: the cookie as a line of a request's head, and the token.
async fn session(house: &House, user: i64) -> (String, String) {
    let new = house.running.identity().sessions.begin(user).await.unwrap();
    let cookie = new.cookie.to_str().unwrap().split(';').next().unwrap();
    (format!("cookie: {cookie}\r\n"), new.session.csrf_token.expose().to_owned())
}

/// An access token of this user, as a line of a request's head.
async fn token(house: &House, user: i64) -> String {
    let identity = house.running.identity();
    let user = identity.users.active(user).await.unwrap().unwrap();
    let pair = identity.tokens.issue(&user).await.unwrap();
    format!("authorization: Bearer {}\r\n", pair.access.expose())
}

async fn house() -> Watched {
    configured(|_| ()).await
}

async fn configured(configure: impl FnOnce(&mut Config)) -> Watched {
    let house = House::configured(configure).await;
    let staff = user(&house, "staff", true, false).await;
    let (staff, _) = session(&house, staff).await;
    Watched { house, staff }
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header's value.
    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| *key == name)
            .map(|pair| pair.1)
    }

    /// A problem document with this status; gives its sentence.
    fn problem(&self, status: u16) -> String {
        assert_eq!((self.status, self.header("content-type")), (status, Some("application/problem+json")), "{self:?}");
        let problem = self.json();
        assert_eq!((&problem["type"], &problem["status"]), (&"about:blank".into(), &status.into()));
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// Sends a request with these lines in its head.
async fn send(address: SocketAddr, method: &str, path: &str, lines: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n{lines}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let chunked = head.contains("transfer-encoding: chunked");
    let body = if chunked { unchunked(body) } else { body.to_owned() };
    Answer { status, head: head.to_owned(), body }
}

/// The body of chunks (RFC 9112 section 7.1), which must have come to its end.
fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    loop {
        let (size, more) = rest.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.push_str(&more[..size]);
        rest = &more[size + 2..];
    }
}

/// Asks as staff.
async fn get(house: &Watched, path: &str) -> Answer {
    let path = format!("/cfg/grpc/{path}");
    send(house.running.http.unwrap(), "GET", &path, &house.staff, "").await
}

async fn json(house: &Watched, path: &str) -> Value {
    let answer = get(house, path).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// Some calls that succeed and some that fail, all on record.
async fn make_calls(house: &House, good: usize, bad: usize) {
    let mut client = house.client().await;
    for _ in 0..good {
        client.unary(Order::default()).await.unwrap();
    }
    for _ in 0..bad {
        client.unary(Order { code: 5, ..Order::default() }).await.unwrap_err();
    }
    house.rows(good + bad, |row| row.status != "pending").await;
}

/// The events of a stream, as (name, data).
struct Events(BufReader<TcpStream>);

impl Events {
    async fn open(house: &Watched, path: &str) -> Self {
        Self::of(house, &house.staff, path).await
    }

    /// As whoever sends these lines.
    async fn of(house: &House, lines: &str, path: &str) -> Self {
        let address = house.running.http.unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /cfg/grpc/{path} HTTP/1.1\r\nhost: {address}\r\n{lines}connection: close\r\naccept: text/event-stream\r\n\r\n",
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut events = Self(BufReader::new(stream));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(events.0.read_line(&mut head).await.unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        events
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<(String, Value)> {
        let mut name = None;
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(Duration::from_secs(30), self.0.read_line(&mut line));
            if read.await.expect("an event in time").unwrap_or(0) == 0 {
                return None;
            }
            if let Some(event) = line.trim_end().strip_prefix("event: ") {
                name = Some(event.to_owned());
            } else if let (Some(data), Some(name)) = (line.trim_end().strip_prefix("data: "), &name) {
                return Some((name.clone(), serde_json::from_str(data).unwrap()));
            }
        }
    }
}
