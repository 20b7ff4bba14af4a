//! The service of the tests: methods of every shape that do what the request says, and a server that serves it.

use std::{future::pending, time::Duration};

use steeple::{
    Code, Config, Context, Error, Replies, Result, Server, Site, Streaming,
    config::Environment,
    db::Db,
    record::{RequestLog, RequestLogRow},
    server::Running,
};
use tempfile::TempDir;
use tonic::transport::Channel;

#[path = "generated/pb.rs"]
#[rustfmt::skip]
#[allow(dead_code, missing_docs, unused_qualifications, clippy::all, clippy::pedantic, clippy::allow_attributes, reason = "generated")]
pub mod pb;

use pb::trial::v1::{self as v1, Order, Report, trial_client::TrialClient};

/// Every test's descriptors.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/descriptors.bin");

/// Does what the request says.
pub struct Trial;

async fn obey(order: &Order) -> Result<()> {
    if order.wait > 0 {
        tokio::time::sleep(Duration::from_millis(order.wait.into())).await;
    }
    if order.hang {
        pending::<()>().await;
    }
    assert!(!order.panic, "told to panic: secret-4711");
    if order.code != 0 {
        let code = Code::from_i32(order.code);
        return Err(Error::new(code, "told to fail").because("secret-4711"));
    }
    Ok(())
}

fn answer(cx: &Context, order: Order) -> Report {
    let text = match order.text.as_str() {
        "id" => cx.request_id().to_string(),
        "who" => cx.user().map_or("nobody", |user| user.username.as_str()).to_owned(),
        _ => order.text,
    };
    Report { text, count: 1, filling: vec![7; order.bytes as usize] }
}

impl v1::Trial for Trial {
    async fn unary(&self, cx: Context, request: Order) -> Result<Report> {
        if let Some(value) = cx.metadata("x-echo") {
            cx.set_metadata("x-head", value)?;
            cx.set_trailer("x-tail", value)?;
            cx.set_trailer("x-tail-bin", value)?;
        }
        if request.text == "left" {
            let left = cx.remaining().map_or(-1, |left| left.as_millis() as i64);
            return Ok(Report { text: left.to_string(), ..Report::default() });
        }
        obey(&request).await?;
        Ok(answer(&cx, request))
    }

    async fn collect(&self, _: Context, mut request: Streaming<Order>) -> Result<Report> {
        let mut count = 0;
        while let Some(order) = request.next().await? {
            obey(&order).await?;
            count += 1;
        }
        Ok(Report { count, ..Report::default() })
    }

    async fn spread(&self, cx: Context, request: Order) -> Result<Replies<Report>> {
        Ok(Replies::produce(move |out| async move {
            for count in 0..request.count {
                if request.wait > 0 {
                    tokio::time::sleep(Duration::from_millis(request.wait.into())).await;
                }
                out.send(Report { count: count.into(), ..answer(&cx, request.clone()) }).await?;
            }
            cx.set_trailer("x-tail", "end")?;
            obey(&Order { wait: 0, ..request }).await
        }))
    }

    async fn exchange(&self, cx: Context, mut request: Streaming<Order>) -> Result<Replies<Report>> {
        Ok(Replies::produce(move |out| async move {
            while let Some(order) = request.next().await? {
                obey(&order).await?;
                out.send(answer(&cx, order)).await?;
            }
            Ok(())
        }))
    }

    async fn nothing(&self, _: Context, (): ()) -> Result<()> {
        Ok(())
    }

    async fn old(&self, _: Context, _: Order) -> Result<Report> {
        Err(Error::unimplemented("nobody calls this"))
    }
}

/// The site of the tests.
pub fn site() -> Site {
    let mut site = Site::new("trial", "0.0.0", DESCRIPTORS);
    site.service("trial.v1.Trial", |_| Ok(v1::trial(Trial)));
    site.proto("trial.proto", include_str!("proto/trial.proto"));
    site
}

/// A running server with a SQLite file of its own.
pub struct House {
    pub running: Running,
    pub config: Config,
    folder: TempDir,
}

impl House {
    pub async fn open() -> Self {
        Self::with(|server| server, |_| ()).await
    }

    pub async fn configured(configure: impl FnOnce(&mut Config)) -> Self {
        Self::with(|server| server, configure).await
    }

    pub async fn with(furnish: impl FnOnce(Server) -> Server, configure: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = config(&folder, configure);
        let running = furnish(Server::new(site())).start(config.clone()).await.expect("the server starts");
        Self { running, config, folder }
    }

    /// The same with another site.
    pub async fn of(site: Site, configure: impl FnOnce(&mut Config)) -> Self {
        Self::with(|_| Server::new(site), configure).await
    }

    pub async fn channel(&self) -> Channel {
        let address = format!("http://{}", self.running.grpc);
        Channel::from_shared(address).expect("an address").connect().await.expect("the server answers")
    }

    pub async fn client(&self) -> TrialClient<Channel> {
        TrialClient::new(self.channel().await)
    }

    /// The rows of the log, newest first, once there are `count` that satisfy `done`.
    pub async fn rows(&self, count: usize, done: impl Fn(&RequestLogRow) -> bool) -> Vec<RequestLogRow> {
        rows(self.running.db(), count, done).await
    }

    /// The server, and the folder of its database.
    pub fn into_parts(self) -> (Running, TempDir) {
        (self.running, self.folder)
    }

    /// Drains, and gives the rows that are in the database then.
    pub async fn close(self) -> Vec<RequestLogRow> {
        let url = self.config.database.clone();
        self.running.stop().await;
        let db = Db::connect(&url, 1).await.expect("the database is still there");
        let rows = RequestLog::all_time().limit(100_000).all(&db).await.expect("the log can be read");
        db.close().await;
        drop(self.folder);
        rows
    }
}

/// A configuration for tests: free loopback ports, a SQLite file in `folder`, quiet.
pub fn config(folder: &TempDir, configure: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config { env: Environment::Test, ..Config::default() };
    "127.0.0.1:0".clone_into(&mut config.server.grpc);
    "127.0.0.1:0".clone_into(&mut config.server.http);
    config.database.url = format!("sqlite://{}", folder.path().join("trial.sqlite3").display());
    // The service of the tests says nothing of access; tests about it say otherwise.
    config.auth.public_methods = vec!["*".to_owned()];
    config.log.console = steeple::record::ConsoleLines::Off;
    config.log.flush_interval = Duration::from_millis(20);
    configure(&mut config);
    config
}

/// Waits until the log has `count` rows that satisfy `done`.
pub async fn rows(db: &Db, count: usize, done: impl Fn(&RequestLogRow) -> bool) -> Vec<RequestLogRow> {
    for _ in 0..500 {
        let rows = RequestLog::all_time().limit(10_000).all(db).await.expect("the log can be read");
        let rows: Vec<_> = rows.into_iter().filter(|row| done(row)).collect();
        if rows.len() >= count {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the log never had {count} such rows");
}
