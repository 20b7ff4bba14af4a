//! One connection to Redis for all calls, and what happens while there is none.
//!
//! An outage begins with the first question that is not answered in time. From then on questions fail at once, so that
//! nobody waits for what is not there, and one task tries to connect until it can write again. An outage is logged at
//! its begin and its end.
//!
//! (The driver's own `ConnectionManager` lets callers wait for its attempts, gives up for good when a server that is
//! starting refuses one, and stays on a connection whose other end went silent.)

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ::metrics::Counter;
use ::redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, ServerErrorKind, TlsCertificates,
    aio::MultiplexedConnection, cmd,
};
use tokio::time::{sleep, timeout};

use crate::{
    cache::{Config, metrics::CacheMetrics},
    db,
};

/// Between the attempts to connect: the first wait, doubled up to the last.
const WAITS: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];
/// A connection is several questions, and maybe a TLS handshake: it may take longer than one answer.
const CONNECT: Duration = Duration::from_secs(2);
/// Questions that wait to be sent before callers do.
const PIPELINE: usize = 1024;

/// Where Redis is. Must never show its password.
pub(super) struct Address {
    client: Client,
    shown: String,
}

impl Address {
    pub fn of(config: &Config) -> Result<Self, String> {
        let shown = db::redacted(&config.url);
        if config.url.starts_with("rediss://") {
            // The driver takes rustls' default for the process. One that is there already is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = match &config.ca {
            Some(ca) => {
                let trusted = TlsCertificates { client_tls: None, root_cert: Some(ca.clone().into_bytes()) };
                Client::build_with_tls(config.url.as_str(), trusted)
                    .map_err(|error| format!("cache.ca cannot be used: {error}"))
            }
            None => Client::open(config.url.as_str()).map_err(|error| format!("cache.url cannot be used: {error}")),
        };
        Ok(Self { client: client?, shown })
    }
}

pub(super) struct Link {
    address: Address,
    /// A key that may be written to see whether writing works.
    probe: String,
    patience: Duration,
    state: Mutex<State>,
    unanswered: Counter,
}

enum State {
    Up { connection: MultiplexedConnection, number: u64 },
    Away { why: Arc<str> },
}

/// Why there is no answer.
#[derive(Debug)]
pub(in crate::cache) enum Unanswered {
    /// Redis cannot be reached, or does not answer in time.
    Away(Arc<str>),
    /// It answers, and refuses.
    Refused(RedisError),
}

impl Link {
    pub async fn open(address: Address, probe: String, patience: Duration, metrics: &CacheMetrics) -> Arc<Self> {
        let state = Mutex::new(State::Away { why: "not connected yet".into() });
        let link = Arc::new(Self { address, probe, patience, state, unanswered: metrics.unanswered.clone() });
        match link.connect().await {
            Ok(connection) => *link.state() = State::Up { connection, number: 0 },
            Err(why) => {
                link.outage(&why, 0);
                *link.state() = State::Away { why: why.into() };
            }
        }
        link
    }

    /// Asks, if Redis is there, and waits for the answer for as long as the configuration says.
    pub async fn ask<T, W>(self: &Arc<Self>, question: impl FnOnce(MultiplexedConnection) -> W) -> Result<T, Unanswered>
    where
        W: Future<Output = RedisResult<T>>,
    {
        let up = match &*self.state() {
            State::Up { connection, number } => Ok((connection.clone(), *number)),
            State::Away { why } => Err(Arc::clone(why)),
        };
        let (connection, number) = up.map_err(|why| self.count(Unanswered::Away(why)))?;
        let lost = match timeout(self.patience, question(connection)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if !is_outage(&error) => return Err(self.count(Unanswered::Refused(error))),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {:?}", self.patience),
        };
        let why = Arc::<str>::from(lost);
        self.lost(Arc::clone(&why), number);
        Err(self.count(Unanswered::Away(why)))
    }

    fn count(&self, unanswered: Unanswered) -> Unanswered {
        self.unanswered.increment(1);
        unanswered
    }

    /// This connection is of no use any more. Only the first who says so of it begins the outage.
    fn lost(self: &Arc<Self>, why: Arc<str>, lost: u64) {
        let mut state = self.state();
        if matches!(&*state, State::Up { number, .. } if *number == lost) {
            *state = State::Away { why: Arc::clone(&why) };
            drop(state);
            self.outage(&why, lost);
        }
    }

    /// Says so, and tries to connect for as long as somebody has this cache.
    fn outage(self: &Arc<Self>, why: &str, number: u64) {
        tracing::warn!(address = self.address.shown, why, "the cache does not answer; going on without it");
        let link = Arc::downgrade(self);
        tokio::spawn(async move {
            let (since, mut wait) = (Instant::now(), WAITS[0]);
            loop {
                sleep(wait).await;
                let Some(link) = link.upgrade() else { return };
                match link.connect().await {
                    Ok(connection) => {
                        *link.state() = State::Up { connection, number: number + 1 };
                        tracing::info!(address = link.address.shown, after = ?since.elapsed(), "the cache answers again");
                        return;
                    }
                    Err(why) => *link.state() = State::Away { why: why.into() },
                }
                wait = (wait * 2).min(WAITS[1]);
            }
        });
    }

    /// A connection over which a value could be written.
    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let limit = self.patience.max(CONNECT);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE);
        let connecting = async {
            let mut connection = self.address.client.get_multiplexed_async_connection_with_config(&config).await?;
            let mut write = cmd("SET");
            write.arg(&self.probe).arg(1).arg("PX").arg(1);
            match write.query_async::<()>(&mut connection).await {
                Err(error) if is_outage(&error) => Err(error),
                _ => Ok(connection),
            }
        };
        match timeout(limit, connecting).await {
            Ok(connected) => connected.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no connection within {limit:?}")),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the connection or the server is of no use, and not just this one question.
fn is_outage(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
        ),
        // Refusals that have no kind, but for those of whoever is not logged in.
        ErrorKind::Extension => matches!(error.code(), Some("NOAUTH" | "WRONGPASS")),
        ErrorKind::UnexpectedReturnType => false,
        _ => true,
    }
}
