//! A broker of a test's own, and a line to it that can be stalled and cut.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};

use super::LONG;
use crate::databases::skipped;

/// nats-server on a free port of its own. Killed when dropped.
pub struct Broker {
    program: PathBuf,
    pub port: u16,
    more: String,
    folder: TempDir,
    child: Option<Child>,
}

impl Broker {
    /// Where nats-server is, if tests with a broker are wanted.
    fn program() -> Option<PathBuf> {
        if env::var("STEEPLE_TEST_NATS_URL").is_err() {
            skipped("STEEPLE_TEST_NATS_URL");
            return None;
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let program = folders.map(|folder| folder.join("nats-server")).find(|program| program.is_file());
        Some(program.expect("nats-server is not installed: apt-get install nats-server"))
    }

    /// A running broker; `None` when none is wanted.
    pub async fn start() -> Option<Self> {
        Self::with("").await
    }

    /// A running broker with `more` in its configuration.
    pub async fn with(more: &str) -> Option<Self> {
        let mut broker = Self::stopped(more)?;
        broker.run().await;
        Some(broker)
    }

    /// A broker that does not run yet.
    pub fn stopped(more: &str) -> Option<Self> {
        let program = Self::program()?;
        let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        Some(Self { program, port, more: more.to_owned(), folder, child: None })
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Starts it, and waits until it listens.
    pub async fn run(&mut self) {
        let file = self.folder.path().join("nats.conf");
        fs::write(&file, format!("listen: 127.0.0.1:{}\n{}\n", self.port, self.more)).unwrap();
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let listens = async {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LONG, listens).await.expect("nats-server does not listen");
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a line does with what goes over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Open,
    /// Keeps it, as a process that is stopped does.
    Stalled,
    /// Closes connections, and takes no new ones.
    Cut,
}

/// A line to a broker.
pub struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
}

impl Proxy {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (line, state) = watch::channel(Line::Open);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *state.borrow() == Line::Cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::spawn(carry(near_in, far_out, state.clone()));
                tokio::spawn(carry(far_in, near_out, state.clone()));
            }
        });
        Self { address, line }
    }

    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    pub fn stall(&self) {
        self.line.send_replace(Line::Stalled);
    }

    pub fn cut(&self) {
        self.line.send_replace(Line::Cut);
    }

    pub fn mend(&self) {
        self.line.send_replace(Line::Open);
    }
}

async fn carry(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, mut line: watch::Receiver<Line>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if line.wait_for(|line| *line != Line::Stalled).await.is_err() {
            return;
        }
        tokio::select! {
            biased;
            changed = async { line.wait_for(|line| *line != Line::Open).await.map(|line| *line) } => {
                if !matches!(changed, Ok(Line::Stalled)) {
                    return;
                }
            }
            read = from.read(&mut buffer) => {
                let Some(count) = read.ok().filter(|count| *count > 0) else { return };
                if to.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
