//! The demo as its users run it: a process with a command line, addresses, signals and an exit code.

mod bad_input;
mod commands;
mod connected;
mod ending;
mod nodes;
mod servers;
mod token;
mod trouble;
mod users;

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use demo::pb::crypto::{GetCoinRequest, crypto_service_client::CryptoServiceClient};
use serde_json::Value;
use steeple::record::{RequestLog, RequestLogRow};
use tonic::{Status, transport::Channel};

use crate::{
    databases::Database,
    site::{Credential, Identified},
};

/// How long a condition may take to come true on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The demo's command line over one database, with none of this process's configuration.
pub fn command(folder: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    let steeple = |name: &str| name.starts_with("STEEPLE_") || ["RUST_LOG", "COLUMNS", "NO_COLOR"].contains(&name);
    for (name, _) in env::vars().filter(|(name, _)| steeple(name)) {
        command.env_remove(name);
    }
    command.current_dir(folder).env("STEEPLE_DATABASE__URL", url).args(arguments).stdin(Stdio::null());
    command
}

/// What a command printed, as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the demo prints UTF-8")
}

/// The one JSON value that a command printed.
pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error} in {:?}", text(&output.stdout)))
}

/// A running demo on free ports of the loopback. Killed when dropped.
pub struct Process {
    child: Child,
    /// What it said of itself at the start.
    pub report: Value,
    said: Arc<Mutex<String>>,
    url: String,
}

impl Process {
    /// Started with these `STEEPLE_` variables, and serving.
    pub fn start(database: &Database, variables: &[(&str, &str)]) -> Self {
        let folder = env::temp_dir();
        let ports = ["run", "--json", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        let mut command = command(&folder, database.url(), &ports);
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the demo's binary");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let said = Arc::new(Mutex::new(String::new()));
        let hears = said.clone();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                *hears.lock().unwrap() += &(line + "\n");
            }
        });
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the report");
        let report = serde_json::from_str(&line).unwrap_or_else(|error| {
            child.wait().ok();
            panic!("{error} in {line:?}; {}", said.lock().unwrap())
        });
        // Nobody reads the lines of the calls, and a full pipe would hold the log's thread.
        thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Self { child, report, said, url: database.url().to_owned() }
    }

    fn address(&self, of: &str) -> String {
        self.report[of].as_str().unwrap_or_else(|| panic!("an address in {}", self.report)).to_owned()
    }

    pub async fn channel(&self) -> Channel {
        let address = format!("http://{}", self.address("grpc"));
        Channel::from_shared(address).expect("an address").connect().await.expect("it serves")
    }

    /// Somebody who is not logged in.
    pub async fn client(&self) -> CryptoServiceClient<Channel> {
        CryptoServiceClient::new(self.channel().await)
    }

    /// The superuser it made at its first start, by their key.
    pub async fn superuser(&self) -> CryptoServiceClient<Identified> {
        CryptoServiceClient::new(Credential::key(self.superuser_key()).on(self.channel().await))
    }

    /// The API key of that superuser.
    pub fn superuser_key(&self) -> &str {
        self.report["superuser"]["api_key"].as_str().expect("the database is new")
    }

    /// Asks its HTTP listener: the status and the text.
    pub fn http(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: demo\r\nconnection: close\r\n\r\n"))
    }

    /// Sends JSON to its HTTP listener.
    pub fn post(&self, path: &str, body: &Value) -> (u16, String) {
        let body = body.to_string();
        let (host, length) = ("host: demo\r\nconnection: close", body.len());
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\n{host}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
    }

    fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address("http")).expect("the http listener");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        (status, answer.split_once("\r\n\r\n").expect("a body").1.to_owned())
    }

    /// The sum of a metric over all its labels.
    pub fn metric(&self, name: &str) -> u64 {
        let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let value =
            |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).unwrap_or_default();
        self.http("/metrics").1.lines().filter(of_name).map(value).sum::<f64>() as u64
    }

    /// What it has said on standard error.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("the command kill").success());
    }

    /// Its exit status, once it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("it ends", async || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        })
        .await;
        status.expect("it has ended")
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// The rows of its log, oldest first.
    pub async fn rows(&self) -> Vec<RequestLogRow> {
        let config = steeple::db::Config { url: self.url.clone(), ..Default::default() };
        let db = steeple::Db::connect(&config, 1).await.expect("the database is there");
        let mut rows = RequestLog::all_time().limit(100_000).all(&db).await.expect("the log can be read");
        db.close().await;
        rows.reverse();
        rows
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One call, under a request id.
pub async fn get_coin(client: &mut CryptoServiceClient<Channel>, id: &str) -> Result<String, Status> {
    let mut request = tonic::Request::new(GetCoinRequest { symbol: "BTC".into() });
    request.metadata_mut().insert("x-request-id", id.parse().expect("an id"));
    let answer = client.get_coin(request).await?.into_inner();
    Ok(answer.coin.expect("an answer holds its coin").name)
}
