//! The life of one session's name on the broker.
//!
//! In every generation of the connection anew: ask who has the name, subscribe, claim it, hear the own claim come back.
//! Only then is the name the session's own: the claim went through the broker to whoever else has the name, and commands
//! that come after it came after it for them too. A greater claim ends the session; a lesser one is answered with the own.
//! Until the own claim is heard, commands are answered with "unsettled" and not run.
//!
//! Must never: wait in the middle of its messages, or run a command while another session may.

use std::{sync::Arc, time::Duration};

use async_nats::{Message, Subject};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tokio_stream::StreamExt as _;

use super::{
    super::{
        Delivery,
        delivery::{Path, Sender},
        sessions::Session,
        wire::{Answer, Order},
    },
    Back, Inner,
    link::Seen,
};

/// How a generation ended for a session.
enum Ended {
    /// The connection did.
    Lost,
    /// A newer session has the name.
    Superseded,
}

/// What a message meant.
enum Heard {
    /// The own claim.
    Own,
    Superseded,
    /// It is of a newer generation than the subscription.
    Lost,
    Handled,
}

/// Keeps the name until the session is superseded, or the future is dropped. In the generation in which it was `asked` who
/// has the name, nobody is asked again: the claim was made from the answer.
pub(super) async fn keep(
    nats: Arc<Inner>,
    session: Arc<Session>,
    announced: watch::Sender<bool>,
    mut asked: Option<u64>,
) {
    let subject = Subject::from(nats.subjects.client(&session.service, &session.id));
    let mut link = nats.link.watch();
    loop {
        let now = |seen: &Seen| seen.connected && seen.generation == nats.link.generation();
        let Ok(generation) = link.wait_for(now).await.map(|seen| seen.generation) else { return };
        let hold = Hold { nats: &nats, session: &session, subject: &subject, generation };
        let ended = hold.run(&mut link, &announced, asked.take() == Some(generation)).await;
        announced.send_replace(false);
        if matches!(ended, Ended::Superseded) {
            // In this order: whoever was told finds the newer one, and not this one here.
            nats.sessions.remove(&session);
            session.superseded.cancel();
            return;
        }
        if link.borrow().generation == generation {
            // Not the connection, but the way to it failed: no room, or the client is being closed.
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// One generation.
struct Hold<'k> {
    nats: &'k Arc<Inner>,
    session: &'k Arc<Session>,
    subject: &'k Subject,
    generation: u64,
}

impl Hold<'_> {
    async fn run(&self, link: &mut watch::Receiver<Seen>, announced: &watch::Sender<bool>, asked: bool) -> Ended {
        let patience = self.nats.register_timeout;
        let begun = timeout(patience, self.begin(asked)).await;
        let mut inbox = match begun {
            Ok(Ok(inbox)) => inbox,
            Ok(Err(ended)) => return ended,
            // No room on the way to the broker: again, from the start.
            Err(_) => return Ended::Lost,
        };
        let mut settled = false;
        let mut again = interval_at(Instant::now() + patience, patience);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = inbox.next() => {
                    // The client was closed: the link will say so.
                    let Some(message) = message else { return Ended::Lost };
                    match self.hear(message, settled) {
                        Heard::Own => {
                            settled = true;
                            announced.send_replace(true);
                        }
                        Heard::Superseded => return Ended::Superseded,
                        Heard::Lost => return Ended::Lost,
                        Heard::Handled => {}
                    }
                }
                changed = link.changed() => {
                    let seen = link.borrow_and_update();
                    if changed.is_err() || !seen.connected || seen.generation != self.generation {
                        return Ended::Lost;
                    }
                }
                _ = again.tick(), if !settled => self.claim(),
            }
        }
    }

    /// Asks, subscribes, claims. A node that comes back with thousands of names takes turns.
    async fn begin(&self, asked: bool) -> Result<async_nats::Subscriber, Ended> {
        let _turn = self.nats.turns.acquire().await.map_err(|_| Ended::Lost)?;
        if !asked && self.nats.who(self.subject).await.is_some_and(|other| other > self.session.claim) {
            return Err(Ended::Superseded);
        }
        let inbox = self.nats.link.client.subscribe(self.subject.clone()).await.map_err(|_| Ended::Lost)?;
        let claim = Order::Claim(self.session.claim).encode();
        self.nats.link.client.publish(self.subject.clone(), claim).await.map_err(|_| Ended::Lost)?;
        Ok(inbox)
    }

    fn claim(&self) {
        self.nats.link.publish_now(self.subject.clone(), Order::Claim(self.session.claim).encode());
    }

    fn hear(&self, message: Message, settled: bool) -> Heard {
        let Some(order) = Order::decode(message.payload) else { return Heard::Handled };
        let link = &self.nats.link;
        let lost = link.generation() != self.generation;
        let settled = settled && !lost;
        match order {
            Order::Claim(claim) if claim > self.session.claim => return Heard::Superseded,
            Order::Claim(claim) if claim == self.session.claim && !lost => return Heard::Own,
            Order::Claim(_) => self.claim(),
            Order::Who => {
                if let (true, Some(asker)) = (settled, message.reply) {
                    link.answer(asker, Answer::Owner(self.session.claim));
                }
            }
            Order::Ask { wants, expires, bytes } => {
                let Some(asker) = message.reply else { return Heard::Handled };
                if !settled {
                    link.answer(asker, Answer::Unsettled);
                } else if expires.is_past() {
                    link.answer(asker, Answer::Late);
                } else {
                    let path = Path::There(Back { link: link.clone(), to: asker });
                    let delivery = Delivery::new(bytes, expires, self.session, Sender::One(wants, path));
                    (self.session.handler)(delivery);
                }
            }
            Order::Publish { .. } => {}
        }
        if lost { Heard::Lost } else { Heard::Handled }
    }
}

/// Between two attempts in one generation.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the session that has a name may take to say so.
pub(super) const WHO: Duration = Duration::from_millis(250);
