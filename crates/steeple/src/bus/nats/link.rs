//! The connection to the broker: how it is made, kept, and judged.
//!
//! Takes the configuration, gives a client, and a watch of whether it is connected and for which time in a row
//! (its *generation*): subscriptions and claims are worth something only in the generation they were made in.
//!
//! Must never: wait in [`Link::answer`], or keep the site from starting because the broker is away.

use std::{
    future::Future as _,
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, Statistics, connection};
use bytes::Bytes;
use tokio::{
    sync::watch,
    task::coop::unconstrained,
    time::{Instant, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{Config, wire::Answer},
    address::Address,
};

/// Messages that one subscription may hold before they are dropped. Whoever reads one never waits.
const SUBSCRIPTION: usize = 1024;
/// Messages on their way to the broker.
const OUTGOING: usize = 8192;
/// How often the state is compared with the client's own, since its events can be lost.
const CHECK: Duration = Duration::from_secs(1);

/// The connection.
#[derive(Debug)]
pub(super) struct Link {
    pub client: Client,
    watched: Arc<Watched>,
    settle: Duration,
    dropped: AtomicU64,
}

/// What is known of the connection.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub connected: bool,
    /// How many connections there were; of this one while connected.
    pub generation: u64,
    pub since: Instant,
    /// What was said last about why not.
    pub why: Arc<str>,
    /// The broker does not want us.
    pub refused: bool,
}

#[derive(Debug)]
struct Watched {
    seen: watch::Sender<Seen>,
    statistics: OnceLock<Arc<Statistics>>,
}

impl Link {
    /// Begins to connect. Until `end`, the state is watched.
    ///
    /// # Errors
    /// The options do not fit together.
    pub async fn open(config: &Config, url: &str, name: String, end: &CancellationToken) -> Result<Arc<Self>, String> {
        let address = Address::of(url)?;
        let watched = Arc::new(Watched {
            seen: watch::Sender::new(Seen {
                connected: false,
                generation: 0,
                since: Instant::now(),
                why: "not connected yet".into(),
                refused: false,
            }),
            statistics: OnceLock::new(),
        });
        let heard = watched.clone();
        let mut options = ConnectOptions::new()
            .name(name)
            .retry_on_initial_connect()
            .ping_interval(config.ping_interval)
            .connection_timeout(config.connect_timeout)
            .subscription_capacity(SUBSCRIPTION)
            .client_capacity(OUTGOING)
            .reconnect_delay_callback(back_off)
            .event_callback(move |event| {
                heard.note(&event);
                std::future::ready(())
            });
        if let Some(login) = address.login {
            options = options.user_and_password(login.user, login.password);
        }
        if let Some(token) = &config.token {
            options = options.token(token.expose().to_owned());
        }
        if let Some(ca) = &config.tls_ca {
            options = options.add_root_certificates(ca.clone());
        }
        if let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        let client =
            options.connect(address.servers).await.map_err(|error| format!("the bus cannot be opened: {error}"))?;
        let _ = watched.statistics.set(client.statistics());
        let link = Arc::new(Self { client, watched, settle: config.settle, dropped: AtomicU64::new(0) });
        tokio::spawn(check(link.clone(), end.clone()));
        Ok(link)
    }

    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == connection::State::Connected
    }

    pub fn watch(&self) -> watch::Receiver<Seen> {
        self.watched.seen.subscribe()
    }

    pub fn seen(&self) -> Seen {
        self.watched.seen.borrow().clone()
    }

    /// The generation of whatever comes in now, before anybody was told of it.
    pub fn generation(&self) -> u64 {
        self.watched.generation()
    }

    /// How long nobody may be said to be absent; zero when all had time to come back.
    pub fn unsettled_for(&self) -> Duration {
        self.settle.saturating_sub(self.watched.seen.borrow().since.elapsed())
    }

    /// Largest message that the broker takes.
    pub fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Publishes an answer if there is room on the way out now; else it is dropped and counted, and who waits for it will
    /// run into its deadline.
    pub fn answer(&self, to: async_nats::Subject, answer: Answer) {
        self.publish_now(to, answer.encode());
    }

    /// As [`answer`](Self::answer), for any message.
    pub fn publish_now(&self, to: async_nats::Subject, payload: Bytes) {
        // What waits out an outage would only be late.
        if self.is_connected() {
            // The future waits for nothing but room; without a budget, so that a busy task is not taken for a full channel.
            let publish = pin!(unconstrained(self.client.publish(to, payload)));
            if let Poll::Ready(Ok(())) = publish.poll(&mut Context::from_waker(Waker::noop())) {
                return;
            }
        }
        self.dropped.fetch_add(1, Relaxed);
    }
}

/// 100 ms, then up to 400, and a part of 100 at random, so that nodes do not come back in step.
fn back_off(attempts: usize) -> Duration {
    let jitter = uuid::Uuid::new_v4().as_u64_pair().0 % 100;
    match attempts {
        // The first connection of a process.
        0 | 1 => Duration::from_millis(jitter / 4),
        attempts => Duration::from_millis((50 << attempts.min(3)).min(400) + jitter),
    }
}

/// Compares what was heard with what is, until the end.
async fn check(link: Arc<Link>, end: CancellationToken) {
    let mut tick = interval(CHECK);
    let mut away_before = false;
    while end.run_until_cancelled(tick.tick()).await.is_some() {
        let away = !link.is_connected();
        match (away, away_before) {
            (false, _) => link.watched.connected(),
            // Once may be a moment that the event is about to correct.
            (true, true) => link.watched.away(),
            (true, false) => {}
        }
        away_before = away;
    }
}

impl Watched {
    fn generation(&self) -> u64 {
        self.statistics.get().map_or(0, |statistics| statistics.connects.load(Relaxed))
    }

    fn note(&self, event: &Event) {
        match event {
            Event::Connected => self.connected(),
            Event::Disconnected | Event::Closed => self.away(),
            Event::ClientError(error) => self.refused(&error.to_string()),
            Event::ServerError(error) => {
                // Missing rights are told here only: the subscription was "ok", the publication was just lost.
                tracing::error!(%error, "the bus's broker complains");
                self.refused(&error.to_string());
            }
            Event::SlowConsumer(_) => tracing::warn!("the bus lost a message: a subscription was full"),
            Event::LameDuckMode => tracing::info!("the bus's broker is about to leave"),
            Event::Draining => {}
        }
    }

    fn connected(&self) {
        let generation = self.generation();
        let changed = self.seen.send_if_modified(|seen| {
            if generation == 0 || seen.connected && seen.generation == generation {
                return false;
            }
            *seen = Seen { connected: true, generation, since: Instant::now(), why: "".into(), refused: false };
            true
        });
        if changed {
            tracing::info!(generation, "the bus is connected");
        }
    }

    fn away(&self) {
        let changed = self.seen.send_if_modified(|seen| {
            let changed = seen.connected;
            if changed {
                seen.connected = false;
                seen.why = "the connection was lost".into();
            }
            changed
        });
        if changed {
            tracing::warn!("the bus is away: clients of other nodes cannot be reached");
        }
    }

    fn refused(&self, why: &str) {
        let refusal = ConnectErrorKind::AuthorizationViolation.to_string();
        self.seen.send_if_modified(|seen| {
            if seen.connected || *seen.why == *why {
                return false;
            }
            seen.why = why.into();
            seen.refused = why.contains(&refusal);
            true
        });
    }
}
