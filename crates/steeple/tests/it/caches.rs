//! Caches for the tests: one in memory, one in the Redis that `STEEPLE_TEST_REDIS_URL` names, under a prefix of its own;
//! and a [`Gate`] before that Redis that opens, closes and goes silent.
//!
//! ```ignore
//! on_every_cache! {
//!     async fn keeps_what_was_set(nodes: Nodes) {
//!         let cache = nodes.open().await;
//!     }
//! }
//! ```
//! makes two tests, `keeps_what_was_set::{memory, redis}`; the last says `skipped: …` without a URL.

use std::{env, net::SocketAddr, sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use redis::Commands as _;
use steeple::{
    cache::{Cache, Config},
    record::metrics::Metrics,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use crate::databases::skipped;

/// One test's values; on Redis as many nodes as it opens share them.
pub struct Nodes {
    pub config: Config,
    memory: Option<Cache>,
}

impl Nodes {
    pub async fn memory() -> Option<Self> {
        let config = Config::default();
        let memory = Cache::open(&config, "test", &Metrics::new()).await.expect("opens");
        Some(Self { config, memory: Some(memory) })
    }

    #[expect(clippy::unused_async, reason = "the makers look alike")]
    pub async fn redis() -> Option<Self> {
        let url = redis_url()?;
        let prefix = Some(format!("test.{}", uuid::Uuid::new_v4().simple()));
        // The tests share two cores.
        let timeout = Duration::from_secs(10);
        Some(Self { config: Config { url, prefix, timeout, ..Config::default() }, memory: None })
    }

    /// A node: of a cache in memory there is one.
    pub async fn open(&self) -> Cache {
        self.counted(&Metrics::new()).await
    }

    /// The same, with its counters.
    pub async fn counted(&self, metrics: &Metrics) -> Cache {
        match &self.memory {
            Some(memory) => memory.clone(),
            None => Cache::open(&self.config, "test", metrics).await.expect("opens"),
        }
    }

    /// The name in Redis of a value, or with `!` of its lease.
    pub fn name(&self, kind: char, key: &str) -> String {
        format!("{}{kind}{key}", self.config.prefix.as_deref().expect("a test on Redis"))
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        if self.memory.is_none() {
            let mut redis = raw();
            let pattern = format!("{}*", self.config.prefix.as_deref().expect("a test on Redis"));
            let left: Vec<String> = redis.scan_match(pattern).expect("scans").filter_map(Result::ok).collect();
            if !left.is_empty() {
                redis.del::<_, ()>(left).expect("deletes");
            }
        }
    }
}

/// The Redis of the tests, behind the cache's back.
pub fn raw() -> redis::Connection {
    let url = redis_url().expect("a test on Redis");
    redis::Client::open(url).expect("a url").get_connection().expect("Redis answers")
}

/// The Redis of the tests; says so when there is none.
pub fn redis_url() -> Option<String> {
    let url = env::var("STEEPLE_TEST_REDIS_URL").ok();
    if url.is_none() {
        skipped("STEEPLE_TEST_REDIS_URL");
    }
    url
}

/// Two tests from one: see the module.
macro_rules! on_every_cache {
    ($($(#[$attribute:meta])* async fn $name:ident($nodes:ident: Nodes) $body:block)*) => {$(
        $(#[$attribute])*
        async fn $name($nodes: $crate::caches::Nodes) $body

        mod $name {
            use crate::caches::Nodes;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn memory() {
                if let Some(nodes) = Nodes::memory().await {
                    super::$name(nodes).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn redis() {
                if let Some(nodes) = Nodes::redis().await {
                    super::$name(nodes).await;
                }
            }
        }
    )*};
}
pub(crate) use on_every_cache;

/// What a [`Gate`] does with its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Lets them through.
    Open,
    /// Closes them.
    Closed,
    /// Takes all they send, and says nothing.
    Silent,
    /// Answers everything as a Redis that reads its file after a start.
    Loading,
}

/// A way to the Redis of the tests that may be closed.
pub struct Gate {
    pub address: SocketAddr,
    /// The certificate that vouches for it, in PEM, when it speaks TLS.
    pub ca: Option<String>,
    mode: watch::Sender<Mode>,
}

impl Gate {
    /// `None` without a Redis.
    pub async fn new(mode: Mode) -> Option<Self> {
        Self::with(mode, None, None).await
    }

    /// The same, speaking TLS.
    pub async fn with_tls(mode: Mode) -> Option<Self> {
        let ca_params = {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
        };
        let ca = CertifiedIssuer::self_signed(ca_params, KeyPair::generate().expect("a key")).expect("a certificate");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &ca).expect("signs");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("fits");
        Self::with(mode, Some(TlsAcceptor::from(Arc::new(config))), Some(ca.pem())).await
    }

    async fn with(mode: Mode, tls: Option<TlsAcceptor>, ca: Option<String>) -> Option<Self> {
        let url = redis_url()?;
        let behind = url.trim_start_matches("redis://").split('/').next().expect("an address").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, watching) = watch::channel(mode);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (behind, watching, tls) = (behind.clone(), watching.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => pass(stream, behind, watching).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                pass(stream, behind, watching).await;
                            }
                        }
                    }
                });
            }
        });
        Some(Self { address, ca, mode: sender })
    }

    /// Changes what it does, for open connections too.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// A cache behind this gate.
    pub fn config(&self, nodes: &Nodes) -> Config {
        let scheme = if self.ca.is_some() { "rediss" } else { "redis" };
        Config { url: format!("{scheme}://{}", self.address), ca: self.ca.clone(), ..nodes.config.clone() }
    }
}

async fn pass(mut front: impl AsyncRead + AsyncWrite + Unpin, behind: String, mut mode: watch::Receiver<Mode>) {
    let now = *mode.borrow_and_update();
    let passing = async {
        match now {
            Mode::Closed => {}
            Mode::Open => {
                let mut back = TcpStream::connect(behind).await.expect("the Redis of the tests answers");
                copy_bidirectional(&mut front, &mut back).await.ok();
            }
            Mode::Silent => {
                tokio::io::copy(&mut front, &mut tokio::io::sink()).await.ok();
                std::future::pending::<()>().await;
            }
            Mode::Loading => {
                let mut question = [0; 4096];
                while let Ok(1..) = front.read(&mut question).await {
                    let answer = b"-LOADING Redis is loading the dataset in memory\r\n";
                    if front.write_all(answer).await.is_err() {
                        break;
                    }
                }
            }
        }
    };
    // Dropped, both ends close. A silent one is silent for good: its connections stay.
    let silenced = async { mode.wait_for(|mode| *mode != now).await.is_ok_and(|mode| *mode == Mode::Silent) };
    tokio::select! {
        () = passing => {}
        silenced = silenced => if silenced {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain for {what}");
}

/// One counter out of the metrics; 0 when it has never counted.
pub fn counter(metrics: &Metrics, name: &str) -> u64 {
    let text = metrics.render();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.map_or(0, |number| number.parse().expect("a number"))
}
