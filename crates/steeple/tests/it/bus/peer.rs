//! A client's session, as the tests play it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use steeple::{
    Error,
    bus::{Accepted, Bus, Delivery, Registration},
};
use tokio::sync::mpsc;

use super::{LONG, SERVICE};

/// A session with a queue that the test reads.
pub struct Peer {
    pub registration: Registration,
    pub queue: mpsc::Receiver<Accepted>,
}

impl Peer {
    pub async fn at(bus: &Bus, id: &str) -> Self {
        Self::with(bus, id, &[], 16).await
    }

    pub async fn with(bus: &Bus, id: &str, labels: &[&str], room: usize) -> Self {
        let (into, queue) = mpsc::channel(room);
        let registration = bus.serve(SERVICE, id, labels, move |delivery| queued(&into, delivery)).await.unwrap();
        Self { registration, queue }
    }

    pub async fn next(&mut self) -> Accepted {
        tokio::time::timeout(LONG, self.queue.recv()).await.expect("never came").expect("the session has ended")
    }
}

fn queued(into: &mpsc::Sender<Accepted>, delivery: Delivery) {
    match into.try_reserve() {
        Ok(place) => place.send(delivery.accept()),
        Err(mpsc::error::TrySendError::Full(())) => delivery.refuse(Error::resource_exhausted("the queue is full")),
        Err(mpsc::error::TrySendError::Closed(())) => drop(delivery),
    }
}

/// A session that answers at once, with what it was sent, and keeps it.
pub struct Echo {
    pub registration: Registration,
    pub ran: Arc<Mutex<Vec<Bytes>>>,
}

impl Echo {
    pub async fn at(bus: &Bus, id: &str) -> Self {
        let ran = Arc::<Mutex<Vec<Bytes>>>::default();
        let running = ran.clone();
        let answer = move |delivery: Delivery| {
            let accepted = delivery.accept();
            running.lock().unwrap().push(accepted.bytes.clone());
            if let Some(reply) = accepted.reply {
                reply.send(Ok(accepted.bytes));
            }
        };
        let registration = bus.serve(SERVICE, id, &[], answer).await.unwrap();
        Self { registration, ran }
    }

    /// How often it got this.
    pub fn ran(&self, bytes: &[u8]) -> usize {
        self.ran.lock().unwrap().iter().filter(|ran| ran.as_ref() == bytes).count()
    }

    pub fn count(&self) -> usize {
        self.ran.lock().unwrap().len()
    }
}
