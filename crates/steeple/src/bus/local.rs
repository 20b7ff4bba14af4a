//! The bus of one process: a map.
//!
//! Must never: differ from the bus over NATS in what a caller sees.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    Delivery, Expiry, Registration, Spread,
    delivery::{Path, Sender, Wants},
    fault::Fault,
    names::Audience,
    registration::Announced,
    sessions::{Handler, Session, Sessions},
};
use crate::error::Result;

/// The clients of this process.
#[derive(Debug, Clone, Default)]
pub struct Local {
    pub(super) sessions: Arc<Sessions>,
}

impl Local {
    pub(super) fn serve(&self, service: &str, id: &str, labels: &[&str], handler: Handler) -> Registration {
        let (session, older) = self.sessions.take_over(service, id, labels, handler);
        if let Some(older) = older {
            older.superseded.cancel();
        }
        Registration::new(session, self.sessions.clone(), Announced::Here)
    }

    pub(super) async fn ask(
        &self,
        wants: Wants,
        service: &str,
        id: &str,
        bytes: Bytes,
        within: Duration,
    ) -> Result<Bytes> {
        match self.sessions.get(service, id) {
            Some(session) => ask_here(&session, wants, bytes, within).await,
            None => Err(Fault::NotConnected.of(id)),
        }
    }

    pub(super) fn publish(&self, service: &str, audience: Audience<'_>, bytes: &Bytes, expires: Expiry) -> Spread {
        let (queued, refused) = self.sessions.publish(service, audience, bytes, expires);
        Spread { nodes: 1, queued, refused, complete: true }
    }
}

/// Asks a session of this process.
pub(super) async fn ask_here(session: &Arc<Session>, wants: Wants, bytes: Bytes, within: Duration) -> Result<Bytes> {
    let (done, answer) = oneshot::channel();
    let accepted = Arc::new(AtomicBool::new(false));
    let path = Path::Here { accepted: accepted.clone(), done };
    let expires = Expiry::after(within);
    if expires.is_past() {
        return Err(Fault::Late.of(&session.id));
    }
    (session.handler)(Delivery::new(bytes, expires, session, Sender::One(wants, path)));
    match tokio::time::timeout(within, answer).await {
        Ok(Ok(answer)) => answer,
        // Deliveries and replies answer when they are dropped: this cannot happen, and would be a session that has ended.
        Ok(Err(_)) => Err(Fault::Left.of(&session.id)),
        Err(_) if accepted.load(Relaxed) => Err(Fault::ClientSilent.of(&session.id)),
        Err(_) => Err(Fault::NodeSilent.of(&session.id)),
    }
}
