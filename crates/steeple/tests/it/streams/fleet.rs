//! The streaming service of the tests, a server that serves it, and its clients.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use steeple::{
    Config, Context, Error, Replies, Result, Site, Streaming,
    stream::{Cause, Handlers, Hub, Incoming, Protocol, Session, StreamingConfig},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, transport::Channel};

use crate::trial::{
    DESCRIPTORS, House,
    pb::fleet::v1::{self as v1, Answer, Beat, Do, Say, Sent, Tell, Wanted, fleet_client::FleetClient, say::Payload},
};

/// How long a condition may take to come true on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Does what its clients say, and notes what happens.
#[derive(Default)]
pub struct Boats {
    notes: Mutex<Vec<String>>,
}

impl Protocol for Boats {
    type Message = Say;
    type Content = Do;
    type Ack = Answer;
    type Command = Tell;

    fn client_id(message: &Say) -> &str {
        &message.client_id
    }

    fn read(message: Say) -> Incoming<Self> {
        match message.payload {
            None => Incoming::Nothing,
            Some(Payload::Beat(_)) => Incoming::Heartbeat,
            Some(Payload::Answer(answer)) => Incoming::Ack(answer),
            Some(Payload::Do(order)) => Incoming::Content(order),
        }
    }

    fn kind(_: &Do) -> &'static str {
        "do"
    }

    fn ack_id(ack: &Answer) -> &str {
        &ack.command_id
    }

    fn ack_error(ack: &Answer) -> Option<&str> {
        Some(ack.error.as_str()).filter(|error| !error.is_empty())
    }

    fn command_id(command: &mut Tell) -> &mut String {
        &mut command.command_id
    }

    fn ping(sequence: i32) -> Tell {
        Tell { ping: sequence, ..Tell::default() }
    }
}

impl Boats {
    fn note(&self, note: String) {
        self.notes.lock().unwrap().push(note);
    }

    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap().clone()
    }
}

impl Handlers for Boats {
    type State = Mutex<Vec<String>>;

    async fn admit(&self, cx: &Context, client_id: &str) -> Result<()> {
        assert!(client_id != "admit panics", "told to panic");
        if client_id == "admit hangs" {
            std::future::pending::<()>().await;
        }
        match cx.metadata("x-may-be") {
            Some(name) if name != client_id => Err(Error::permission_denied(format!("you are {name}"))),
            _ => Ok(()),
        }
    }

    async fn connected(&self, session: &Session<Self>) -> Result<()> {
        let client = session.client_id();
        let word = if session.is_resumed() { "back" } else { "connected" };
        self.note(format!("{word} {client}"));
        if client == "connected hangs" {
            std::future::pending::<()>().await;
        }
        if client == "refused later" {
            return Err(Error::failed_precondition("not today"));
        }
        Ok(())
    }

    async fn handle(&self, session: &Session<Self>, order: Do) -> Result<()> {
        let client = session.client_id().to_owned();
        session.set_version(&order.text);
        session.state().lock().unwrap().push(order.text.clone());
        tokio::time::sleep(Duration::from_millis(order.wait.into())).await;
        if !order.label.is_empty() {
            session.join(order.label)?;
        }
        for _ in 0..order.send {
            session.send(Tell { text: order.text.clone(), ..Tell::default() })?;
        }
        if order.ask {
            let tell = Tell { text: order.text.clone(), ..Tell::default() };
            let answer = session.execute(tell, PATIENCE).await?;
            self.note(format!("answered {client} {}", answer.error));
        }
        if order.hang {
            std::future::pending::<()>().await;
        }
        assert!(!order.panic, "told to panic");
        if order.fail {
            return Err(Error::failed_precondition("told to fail").because("secret-4711"));
        }
        self.note(format!("did {client} {}", order.text));
        Ok(())
    }

    async fn unawaited(&self, session: &Session<Self>, ack: Answer, late: bool) -> Result<()> {
        self.note(format!("{} {} {}", if late { "late" } else { "unawaited" }, session.client_id(), ack.error));
        Ok(())
    }

    async fn disconnected(&self, session: &Session<Self>, cause: Cause) -> Result<()> {
        self.note(format!("disconnected {} {cause}", session.client_id()));
        if session.client_id() == "hook hangs" {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn offline(&self, session: &Session<Self>, cause: Cause) -> Result<()> {
        self.note(format!("offline {} {cause}", session.client_id()));
        Ok(())
    }
}

struct Service(Hub<Boats>);

impl v1::Fleet for Service {
    async fn connect(&self, cx: Context, request: Streaming<Say>) -> Result<Replies<Tell>> {
        self.0.connect(cx, request)
    }

    async fn send_command_to_client(&self, _: Context, Wanted { client_id, command }: Wanted) -> Result<Sent> {
        let sent = self.0.send(&client_id, command.unwrap_or_default()).await;
        let error = sent.err().map(|error| error.message().to_owned());
        Ok(Sent { success: error.is_none(), error: error.unwrap_or_default() })
    }

    async fn execute_command_sync(&self, cx: Context, Wanted { client_id, command }: Wanted) -> Result<Answer> {
        self.0.execute(&client_id, command.unwrap_or_default(), cx.remaining()).await
    }
}

/// A running server with this service.
pub struct Fleet {
    pub house: House,
    pub hub: Hub<Boats>,
}

/// No pings, no grace, unless a test wants them.
pub fn streaming() -> StreamingConfig {
    StreamingConfig { enable_ping: false, client_disconnect_grace: Duration::ZERO, ..StreamingConfig::of("fleet") }
}

/// The site, and where its hub is put when it starts.
pub fn site(streaming: StreamingConfig) -> (Site, Arc<OnceLock<Hub<Boats>>>) {
    let (mut site, hub) = (Site::new("fleet", "0.0.0", DESCRIPTORS), Arc::<OnceLock<Hub<Boats>>>::default());
    let put = hub.clone();
    site.service("fleet.v1.Fleet", move |setup| {
        let hub = setup.hub(streaming.clone(), Boats::default())?;
        put.set(hub.clone()).ok();
        Ok(v1::fleet(Service(hub)))
    });
    (site, hub)
}

impl Fleet {
    pub async fn open() -> Self {
        Self::with(streaming(), |_| ()).await
    }

    pub async fn with(streaming: StreamingConfig, configure: impl FnOnce(&mut Config)) -> Self {
        let (site, hub) = site(streaming);
        let house = House::of(site, |config| {
            config.streams.flush_interval = Duration::from_millis(20);
            configure(config);
        })
        .await;
        let hub = hub.get().expect("the service was made").clone();
        Self { house, hub }
    }

    pub async fn channel(&self) -> Channel {
        self.house.channel().await
    }

    /// A client that has said its name and is connected.
    pub async fn boat(&self, name: &str) -> Boat {
        let boat = Boat::open(self.channel().await, Say::default()).await.unwrap();
        boat.beat(name).await;
        self.connected(name).await;
        boat
    }

    pub async fn connected(&self, name: &str) {
        until(&format!("{name} is connected"), async || self.hub.is_connected(name)).await;
    }

    pub async fn noted(&self, note: &str) {
        until(&format!("{note:?} is among {:?}", self.notes()), async || self.notes().iter().any(|had| had == note))
            .await;
    }

    pub fn notes(&self) -> Vec<String> {
        self.hub.handlers().notes()
    }

    /// Whether anything of any client is left.
    pub async fn nothing_left(&self) {
        let running = &self.house.running;
        until("nothing is left", async || {
            let bus = running.bus().counts();
            let streams = [running.sessions(), running.session_tasks(), self.hub.away(), running.in_flight()];
            (streams, [bus.sessions, bus.waiting, bus.groups]) == ([0; 4], [0; 3])
        })
        .await;
    }
}

/// A client.
pub struct Boat {
    /// Dropped first: a client that is dropped has broken off, and not finished what it says.
    pub tell: tonic::Streaming<Tell>,
    say: Option<mpsc::Sender<Say>>,
    pub heartbeat: String,
}

impl Boat {
    /// Opens the stream; says this first, unless it is empty.
    pub async fn open(channel: Channel, first: Say) -> Result<Self, Status> {
        Self::opened(channel, first, |_| ()).await
    }

    pub async fn opened(
        channel: Channel,
        first: Say,
        dress: impl FnOnce(&mut Request<ReceiverStream<Say>>),
    ) -> Result<Self, Status> {
        let (say, says) = mpsc::channel(64);
        if first != Say::default() {
            say.send(first).await.unwrap();
        }
        let mut request = Request::new(ReceiverStream::new(says));
        dress(&mut request);
        let answer = FleetClient::new(channel).connect(request).await?;
        let heartbeat = answer.metadata().get("x-heartbeat-interval-ms").unwrap().to_str().unwrap().to_owned();
        Ok(Self { say: Some(say), tell: answer.into_inner(), heartbeat })
    }

    pub async fn say(&self, message: Say) {
        // A server that has ended the stream hears nothing more.
        let _ = self.say.as_ref().unwrap().send(message).await;
    }

    pub async fn beat(&self, name: &str) {
        self.say(Say { client_id: name.to_owned(), payload: Some(Payload::Beat(Beat {})) }).await;
    }

    pub async fn ask(&self, order: Do) {
        self.say(Say { client_id: String::new(), payload: Some(Payload::Do(order)) }).await;
    }

    pub async fn answer(&self, command_id: &str, error: &str) {
        let answer = Answer { command_id: command_id.to_owned(), error: error.to_owned() };
        self.say(Say { client_id: String::new(), payload: Some(Payload::Answer(answer)) }).await;
    }

    /// The next command.
    pub async fn next(&mut self) -> Tell {
        let told = tokio::time::timeout(PATIENCE, self.tell.message()).await.expect("a command comes");
        told.unwrap().expect("the stream goes on")
    }

    /// The status that the stream ends with, whatever commands come before.
    pub async fn end(&mut self) -> Status {
        let read = async {
            loop {
                match self.tell.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return Status::ok(""),
                    Err(status) => return status,
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the stream ends")
    }

    /// Has no more to say.
    pub fn half_close(&mut self) {
        self.say = None;
    }

    /// Answers every command, in a task of its own, until the stream ends; gives how many that were.
    pub fn obeying(mut self) -> tokio::task::JoinHandle<usize> {
        tokio::spawn(async move {
            let mut count = 0;
            while let Ok(Some(told)) = self.tell.message().await {
                count += 1;
                self.answer(&told.command_id, "").await;
            }
            count
        })
    }
}

/// The reason in the `google.rpc.ErrorInfo` of a refusal.
pub fn reason(error: &Error) -> String {
    error.details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = tokio::time::Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Stands between client and server, and can stop to forward without a word: a cable that was pulled.
pub struct Cable {
    pub address: SocketAddr,
    cut: watch::Sender<bool>,
}

impl Cable {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, seen) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(carry(from_client, to_server, seen.clone()));
                tokio::spawn(carry(from_server, to_client, seen.clone()));
            }
        });
        Self { address, cut }
    }

    /// From now on nothing passes; both ends stay open.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    pub async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut cut: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            biased;
            _ = cut.wait_for(|cut| *cut) => break,
            read = from.read(&mut buffer) => read,
        };
        match read {
            Ok(count) if count > 0 => {
                if to.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
    // Holds both ends until the test is over.
    std::future::pending::<()>().await;
}
