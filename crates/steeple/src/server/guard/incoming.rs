//! The listener of gRPC connections: counts them, refuses those over the limit, survives what `accept` may say.

use std::{
    future::Future as _,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, Sleep},
};

use super::{Guarded, ListenError, Patience, listen::listen};
use crate::server::Config;

/// How often a warning may be repeated.
const WARN_EVERY: Duration = Duration::from_secs(5);
/// How long to leave `accept` alone when the machine has no file descriptor or memory for it.
const REST: Duration = Duration::from_millis(100);

/// A stream of guarded connections that never ends and never fails.
#[derive(Debug)]
pub(crate) struct Incoming {
    listener: TcpListener,
    address: SocketAddr,
    patience: Patience,
    places: Arc<Semaphore>,
    max_connections: usize,
    refused: u64,
    /// Until when `accept` is left alone.
    rest: Option<Pin<Box<Sleep>>>,
    warned: Option<Instant>,
}

impl Incoming {
    /// Listens on `addr` with the limits of `config`. Call it within a runtime.
    ///
    /// # Errors
    /// The port is in use, may not be opened, or the name does not resolve.
    pub fn bind(addr: &str, config: &Config) -> Result<Self, ListenError> {
        let listener = listen("server.grpc", addr)?;
        let address = listener.local_addr().map_err(|error| ListenError::new("server.grpc", addr, error))?;
        Ok(Self {
            listener,
            address,
            patience: Patience {
                handshake: config.handshake_timeout,
                header: config.header_timeout,
                life: config.max_connection_age.map(|age| age.saturating_add(config.max_connection_age_grace)),
            },
            places: Arc::new(Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS))),
            max_connections: config.max_connections,
            refused: 0,
            rest: None,
            warned: None,
        })
    }

    /// The address it listens on, with the port it was given when it asked for any.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Gives the connection a place, or closes it.
    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) -> Option<Guarded<TcpStream>> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.refused += 1;
            if self.may_warn() {
                let (refused, max_connections) = (self.refused, self.max_connections);
                tracing::warn!(%peer, refused, max_connections, "too many connections, closing new ones; raise server.max_connections or find who opens them");
            }
            return None;
        };
        // Small frames of many calls must not wait for each other. A peer that is gone already is found by the first read.
        let _ = stream.set_nodelay(true);
        Some(Guarded::new(stream, self.patience, Some(place)))
    }

    /// A connection that failed before it was accepted is not ours to mourn; anything else would fail again at once.
    pub(super) fn recover(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
            return;
        }
        if self.may_warn() {
            tracing::warn!(%error, "cannot accept connections, trying again; raise the limit of open files if that is what is missing");
        }
        self.rest = Some(Box::pin(tokio::time::sleep(REST)));
    }

    fn may_warn(&mut self) -> bool {
        let now = Instant::now();
        let may = self.warned.is_none_or(|last| now - last >= WARN_EVERY);
        if may {
            self.warned = Some(now);
        }
        may
    }
}

impl Stream for Incoming {
    type Item = io::Result<Guarded<TcpStream>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(rest) = &mut self.rest {
                ready!(rest.as_mut().poll(cx));
                self.rest = None;
            }
            match ready!(self.listener.poll_accept(cx)) {
                Ok((stream, peer)) => {
                    if let Some(guarded) = self.admit(stream, peer) {
                        return Poll::Ready(Some(Ok(guarded)));
                    }
                }
                Err(error) => self.recover(&error),
            }
        }
    }
}
