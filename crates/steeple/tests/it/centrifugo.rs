//! Publications to browsers, against a stand-in for Centrifugo that keeps what it was asked and answers as it is told.

mod calls;
mod delivery;
mod trouble;

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use serde_json::{Value, json};
use steeple::{
    auth::Secret,
    centrifugo::{Centrifugo, Config, Counts},
    record::Metrics,
};
use tokio::task::JoinHandle;

const KEY: &str = "key-4711";
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// A request as it came.
#[derive(Debug, Clone)]
struct Asked {
    path: String,
    headers: HeaderMap,
    body: Value,
}

/// How the stand-in answers one request.
#[derive(Debug, Clone)]
enum Mood {
    Well,
    Status(u16),
    Body(String),
    /// Longer than anybody waits.
    Never,
    /// Says no to bodies of more than so many bytes, and to what says "poison".
    Narrow(usize),
}

#[derive(Clone, Default)]
struct Stand {
    asked: Arc<Mutex<Vec<Asked>>>,
    /// One answer each; then the last word.
    moods: Arc<Mutex<VecDeque<Mood>>>,
    last: Arc<Mutex<Option<Mood>>>,
}

/// Stands in for Centrifugo.
pub struct StandIn {
    address: SocketAddr,
    stand: Stand,
    server: JoinHandle<()>,
}

impl StandIn {
    pub async fn start() -> Self {
        Self::at(0).await
    }

    async fn at(port: u16) -> Self {
        let stand = Stand::default();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(stand.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, stand, server }
    }

    pub fn config(&self) -> Config {
        config(self.address)
    }

    /// The next answers.
    fn next(&self, moods: impl IntoIterator<Item = Mood>) {
        self.stand.moods.lock().unwrap().extend(moods);
    }

    /// All answers after these.
    fn then(&self, mood: Mood) {
        *self.stand.last.lock().unwrap() = Some(mood);
    }

    fn asked(&self) -> Vec<Asked> {
        self.stand.asked.lock().unwrap().clone()
    }

    /// Every publication it was asked for, in order, as (channel, data).
    pub fn published(&self) -> Vec<(String, Value)> {
        self.asked().iter().flat_map(|asked| publications(&asked.body)).collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn config(address: SocketAddr) -> Config {
    Config { url: Some(format!("http://{address}/")), api_key: Some(Secret::new(KEY)), ..Config::default() }
}

fn open(config: &Config) -> Centrifugo {
    Centrifugo::start(config, &Metrics::new()).unwrap().unwrap()
}

fn publications(body: &Value) -> Vec<(String, Value)> {
    if let Some(commands) = body["commands"].as_array() {
        return commands.iter().flat_map(publications).collect();
    }
    let body = body.get("publish").or(body.get("broadcast")).unwrap_or(body);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    match body["channels"].as_array() {
        Some(channels) => channels.iter().map(|channel| (text(channel), body["data"].clone())).collect(),
        None => vec![(text(&body["channel"]), body["data"].clone())],
    }
}

async fn answer(State(stand): State<Stand>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let mood = stand.moods.lock().unwrap().pop_front();
    let mood = mood.or_else(|| stand.last.lock().unwrap().clone()).unwrap_or(Mood::Well);
    let text = String::from_utf8(body.to_vec()).unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    stand.asked.lock().unwrap().push(Asked { path: uri.path().to_owned(), headers, body: body.clone() });
    match mood {
        Mood::Status(status) => (StatusCode::from_u16(status).unwrap(), "no".to_owned()),
        Mood::Body(body) => (StatusCode::OK, body),
        Mood::Never => std::future::pending().await,
        Mood::Narrow(most) if text.len() > most || text.contains("poison") => {
            (StatusCode::PAYLOAD_TOO_LARGE, String::new())
        }
        Mood::Well | Mood::Narrow(_) => (StatusCode::OK, well(&body).to_string()),
    }
}

/// What Centrifugo answers when all is well.
fn well(body: &Value) -> Value {
    let Some(commands) = body["commands"].as_array() else { return json!({ "result": {} }) };
    let replies = commands.iter().map(|command| match command.get("publish") {
        Some(_) => json!({ "publish": { "offset": 1, "epoch": "abcd" } }),
        None => json!({ "broadcast": { "responses": [{ "result": {} }] } }),
    });
    json!({ "replies": replies.collect::<Vec<_>>() })
}

/// Waits until the counts are as they should be.
async fn until(centrifugo: &Centrifugo, holds: impl Fn(&Counts) -> bool) -> Counts {
    let waiting = async {
        loop {
            let counts = centrifugo.counts();
            if holds(&counts) {
                return counts;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("never: {:?}", centrifugo.counts()))
}
