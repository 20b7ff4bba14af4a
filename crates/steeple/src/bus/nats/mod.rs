//! The bus of many nodes, over one NATS broker or a cluster of them.
//!
//! A client is a subject, and its session a subscription to it: the broker is the table of who is where, it forgets a node
//! in the moment its connection ends, and "nobody listens" is an answer of 60 microseconds.
//!
//! Must never: use the broker for a client of this process.

mod address;
mod elsewhere;
mod group;
mod inbox;
mod keep;
mod link;

use std::{sync::Arc, time::Duration};

use async_nats::Subject;
use bytes::Bytes;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout, timeout_at},
};
use tokio_stream::StreamExt as _;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

pub(super) use self::{address::Address, group::Memberships};
use self::{
    elsewhere::{Elsewhere, Known},
    group::Groups,
    inbox::Inbox,
    keep::{WHO, keep},
    link::Link,
};
use super::{
    Config, Counts, Expiry, Registration, Spread, State,
    claim::Claim,
    delivery::Wants,
    fault::Fault,
    local::ask_here,
    names::{Audience, Subjects},
    registration::Announced,
    sessions::{Handler, Session, Sessions},
    wire::{Answer, OVERHEAD, Order},
};
use crate::{
    auth::Secret,
    error::{Error, Result},
};

/// Registrations that ask and claim at the same time.
const TURNS: usize = 256;
/// How long nodes have to answer a publication.
const SPREAD: Duration = Duration::from_millis(200);
/// How long a session that is sure of its name has to answer, once one was heard that is not.
const UNSETTLED: Duration = Duration::from_millis(250);
/// When a client may be tried again whose node is making its connection anew.
const RECONNECT: Duration = Duration::from_millis(500);
/// Answers to one request at once: "accepted", the result, and sessions that are not sure of the name.
const ANSWERS: usize = 8;
/// Nodes that may answer a publication at once.
const NODES: usize = 1024;
/// How long leaving the broker may take.
const LEAVE: Duration = Duration::from_secs(1);

/// The nodes that share a broker.
#[derive(Debug, Clone)]
pub struct Nats(Arc<Inner>);

/// What every part of the bus over NATS shares.
#[derive(Debug)]
struct Inner {
    link: Arc<Link>,
    inbox: Arc<Inbox>,
    subjects: Subjects,
    sessions: Arc<Sessions>,
    groups: Arc<Groups>,
    elsewhere: Elsewhere,
    turns: Semaphore,
    register_timeout: Duration,
    /// This process, to know its own publications by.
    node: [u8; 16],
    end: CancellationToken,
    _guard: DropGuard,
}

/// The way back to who asked from another node.
#[derive(Debug)]
pub(super) struct Back {
    link: Arc<Link>,
    to: Subject,
}

impl Nats {
    pub(super) async fn open(config: &Config, url: &Secret, node: &str) -> Result<Self, String> {
        let end = CancellationToken::new();
        let id = Uuid::new_v4();
        let name = format!("steeple {} {node}", config.site);
        let link = Link::open(config, url.expose(), name, &end).await?;
        let subjects = Subjects::of(&config.site);
        let node = id.simple().to_string();
        let inbox = Inbox::open(&link.client, &node, config.max_waiting, &end).await?;
        let nats = Self(Arc::new(Inner {
            inbox,
            subjects,
            sessions: Arc::default(),
            groups: Arc::default(),
            elsewhere: Elsewhere::default(),
            turns: Semaphore::new(TURNS),
            register_timeout: config.register_timeout,
            node: *id.as_bytes(),
            _guard: end.clone().drop_guard(),
            end,
            link,
        }));
        nats.begin(config, &node).await?;
        Ok(nats)
    }

    /// Waits for the first connection, and tries whether the broker lets this site speak and hear.
    async fn begin(&self, config: &Config, node: &str) -> Result<(), String> {
        let mut watch = self.0.link.watch();
        let first = watch.wait_for(|seen| seen.connected || seen.refused);
        let connected = matches!(timeout(config.connect_timeout, first).await, Ok(Ok(seen)) if seen.connected);
        let seen = self.0.link.seen();
        if connected {
            let subject = self.0.subjects.probe(node);
            return match timeout(config.register_timeout, self.probe(&subject)).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(format!("the bus cannot be used: {error}")),
                Err(_) => Err(format!(
                    "the bus's broker does not give back what is published; the user needs the right to publish and \
                     to subscribe steeple.{site}.> and _INBOX.steeple.>",
                    site = config.site
                )),
            };
        }
        if seen.refused {
            return Err(format!("the bus's broker refuses this site: {}; check bus.url and bus.token", seen.why));
        }
        if config.required {
            return Err(format!(
                "the bus's broker cannot be reached: {}; start it, or set bus.required = false",
                seen.why
            ));
        }
        tracing::warn!(why = %seen.why, "started without the bus: clients of other nodes cannot be reached");
        Ok(())
    }

    /// Returns when the own message comes back, and an answer to the own inbox.
    async fn probe(&self, subject: &str) -> Result<(), String> {
        let client = &self.0.link.client;
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let mut echo = client.subscribe(subject.to_owned()).await.map_err(|error| said(&error))?;
        let mut wait = self.0.inbox.wait(ANSWERS).map_err(|_| "it is busy".to_owned())?;
        let payload = Order::Who.encode();
        client.publish_with_reply(subject.to_owned(), wait.subject(), payload).await.map_err(|error| said(&error))?;
        let Some(reply) = echo.next().await.and_then(|message| message.reply) else {
            return Err("the connection was closed".to_owned());
        };
        self.0.link.answer(reply, Answer::Accepted);
        wait.next().await;
        Ok(())
    }

    pub(super) fn state(&self) -> State {
        let link = &self.0.link;
        let seen = link.seen();
        if !(seen.connected && link.is_connected()) {
            return State::Away(if seen.why.is_empty() {
                "the connection was lost".to_owned()
            } else {
                seen.why.to_string()
            });
        }
        if link.unsettled_for().is_zero() { State::Connected } else { State::Settling }
    }

    pub(super) async fn is_taken(&self, service: &str, id: &str) -> bool {
        let nats = &self.0;
        if nats.sessions.get(service, id).is_some_and(|session| !session.superseded.is_cancelled()) {
            return true;
        }
        nats.link.is_connected() && nats.who(&Subject::from(nats.subjects.client(service, id))).await.is_some()
    }

    pub(super) fn is_here(&self, service: &str, id: &str) -> bool {
        self.0.sessions.get(service, id).is_some()
    }

    pub(super) fn consult(&self, known: Known) {
        self.0.elsewhere.set(known);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            sessions: self.0.sessions.len(),
            waiting: self.0.inbox.waiting(),
            groups: self.0.groups.len(),
            dropped: self.0.link.dropped(),
        }
    }

    pub(super) async fn serve(
        &self,
        service: &str,
        id: &str,
        labels: &[&str],
        handler: Handler,
    ) -> Result<Registration> {
        let nats = &self.0;
        // Before the look: a connection that is made in between is another generation, in which nobody was asked.
        let generation = nats.link.generation();
        let connected = nats.link.is_connected();
        let subject = Subject::from(nats.subjects.client(service, id));
        let mut seen = nats.sessions.get(service, id).map(|session| session.claim);
        if connected {
            seen = seen.max(nats.who(&subject).await);
        }
        let session = Arc::new(Session::new(service, id, labels, Claim::newer_than(seen), handler));
        let groups = Memberships::of(nats, &session.service, labels);
        if connected {
            // Before the claim, on the same connection: who is registered gets publications too.
            groups.ready(nats.register_timeout).await;
        }
        let (announce, mut announced) = watch::channel(false);
        let end = CancellationToken::new();
        tokio::spawn({
            let asked = connected.then_some(generation);
            let (end, keeping) = (end.clone(), keep(nats.clone(), session.clone(), announce, asked));
            async move { end.run_until_cancelled(keeping).await }
        });
        let everywhere = Announced::Everywhere { announced: announced.clone(), _task: end.drop_guard(), groups };
        let registration = Registration::new(session.clone(), nats.sessions.clone(), everywhere);
        if connected {
            tokio::select! {
                _ = announced.wait_for(|announced| *announced) => {}
                () = session.superseded.cancelled() => {}
                () = tokio::time::sleep(nats.register_timeout) => {
                    tracing::warn!(service, client = id, "the bus did not confirm a registration; the client is reached on this node only");
                }
            }
        }
        if session.superseded.is_cancelled() {
            return Err(Fault::Superseded.of(id));
        }
        nats.sessions.insert(&session)?;
        Ok(registration)
    }

    pub(super) async fn ask(
        &self,
        wants: Wants,
        service: &str,
        id: &str,
        bytes: Bytes,
        within: Duration,
    ) -> Result<Bytes> {
        match self.0.sessions.get(service, id).filter(|session| !session.superseded.is_cancelled()) {
            Some(session) => ask_here(&session, wants, bytes, within).await,
            None => self.0.ask_there(wants, service, id, bytes, within).await,
        }
    }

    pub(super) async fn publish(
        &self,
        service: &str,
        audience: Audience<'_>,
        bytes: Bytes,
        within: Duration,
        nodes: Option<usize>,
    ) -> Spread {
        let expires = Expiry::after(within);
        let (queued, refused) = self.0.sessions.publish(service, audience, &bytes, expires);
        let mut spread = Spread { nodes: 1, queued, refused, complete: false };
        if self.0.link.is_connected() {
            let order = Order::Publish { node: self.0.node, expires, bytes };
            let subject = self.0.subjects.audience(service, audience);
            // Without an answer the spread is what was heard until then.
            let _ = timeout(within.min(SPREAD), self.0.spread(&mut spread, subject, order, nodes)).await;
        }
        spread.complete |= nodes.is_some_and(|nodes| spread.nodes >= nodes);
        spread
    }

    pub(super) async fn close(&self) {
        // It only begins there; what was published before is on its way first.
        let _ = timeout(LEAVE, self.0.link.client.flush()).await;
        self.0.end.cancel();
        let _ = timeout(LEAVE, self.0.link.client.drain()).await;
    }
}

impl Inner {
    /// The claim of the session that has the name on another node, if it says so in time.
    async fn who(&self, subject: &Subject) -> Option<Claim> {
        let asking = async {
            let mut wait = self.inbox.wait(ANSWERS).ok()?;
            let reply = wait.subject();
            self.link.client.publish_with_reply(subject.clone(), reply, Order::Who.encode()).await.ok()?;
            match wait.next().await? {
                Answer::Owner(claim) => Some(claim),
                _ => None,
            }
        };
        timeout(WHO, asking).await.ok()?
    }

    /// Asks a client of another node.
    async fn ask_there(&self, wants: Wants, service: &str, id: &str, bytes: Bytes, within: Duration) -> Result<Bytes> {
        let (expires, end) = (Expiry::after(within), Instant::now() + within.min(Duration::from_hours(24)));
        if expires.is_past() {
            return Err(Fault::Late.of(id));
        }
        if !self.link.is_connected() {
            return Err(Fault::Away.of(id));
        }
        let most = self.link.max_payload().saturating_sub(OVERHEAD);
        if bytes.len() > most {
            return Err(Fault::TooLarge { most }.of(id));
        }
        let mut wait = self.inbox.wait(ANSWERS).map_err(|fault| fault.of(id))?;
        let subject = self.subjects.client(service, id);
        let order = Order::Ask { wants, expires, bytes }.encode();
        let publish = self.link.client.publish_with_reply(subject, wait.subject(), order);
        // The way to the broker may be full; what did not get onto it did not run.
        match timeout_at(end, publish).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Fault::Away.of(id).because(error)),
            Err(_) => return Err(Fault::Away.of(id)),
        }
        let (mut accepted, mut until, mut silence) = (false, end, Fault::NodeSilent);
        while let Ok(answer) = timeout_at(until, wait.next()).await {
            match answer {
                Some(Answer::Done(bytes)) => return Ok(bytes),
                Some(Answer::Failed(error)) => return Err(error),
                Some(Answer::Late) => return Err(Fault::Late.of(id)),
                Some(Answer::Nobody) => return Err(self.nobody(service, id, end).await.of(id)),
                Some(Answer::Accepted) => (accepted, until, silence) = (true, end, Fault::ClientSilent),
                Some(Answer::Unsettled) if !accepted => {
                    until = until.min(Instant::now() + UNSETTLED);
                    silence = Fault::Settling { wait: UNSETTLED };
                }
                Some(_) => {}
                None => break,
            }
        }
        Err(silence.of(id))
    }

    /// What "nobody listens" means.
    async fn nobody(&self, service: &str, id: &str, end: Instant) -> Fault {
        let wait = self.link.unsettled_for();
        if !wait.is_zero() {
            return Fault::Settling { wait: wait.max(Duration::from_millis(100)) };
        }
        // The link of this node is settled; that of the client's may not be.
        if self.elsewhere.has(service, id, end).await {
            return Fault::Settling { wait: RECONNECT };
        }
        Fault::NotConnected
    }

    /// Publishes, and counts into `spread` until every node has answered.
    async fn spread(&self, spread: &mut Spread, subject: String, order: Order, nodes: Option<usize>) {
        let Ok(mut wait) = self.inbox.wait(NODES) else { return };
        if self.link.client.publish_with_reply(subject, wait.subject(), order.encode()).await.is_err() {
            return;
        }
        // This node hears itself when a session of the audience is here, and then the broker never says "nobody".
        while nodes.is_none_or(|nodes| spread.nodes < nodes) {
            match wait.next().await {
                Some(Answer::Count { queued, refused }) => {
                    spread.nodes += 1;
                    spread.queued += queued as usize;
                    spread.refused += refused as usize;
                }
                Some(Answer::Nobody) => {
                    spread.complete = self.link.unsettled_for().is_zero();
                    return;
                }
                Some(_) => {}
                None => return,
            }
        }
    }
}

impl Back {
    pub(super) fn accepted(&self) {
        self.link.answer(self.to.clone(), Answer::Accepted);
    }

    pub(super) fn finish(self, answer: Result<Bytes>) {
        let most = self.link.max_payload().saturating_sub(OVERHEAD);
        let answer = match answer {
            Ok(bytes) if bytes.len() > most => {
                Answer::Failed(Error::resource_exhausted("the client's answer is larger than the bus carries"))
            }
            Ok(bytes) => Answer::Done(bytes),
            Err(error) => Answer::Failed(error),
        };
        self.link.answer(self.to, answer);
    }
}
