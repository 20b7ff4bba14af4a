//! Clients that stay connected: they say their name, give signs of life, and answer commands, thousands on one thread.
//!
//! As the load client they speak `h2` themselves: what they save is the server's.
//!
//! Must never: take a command for received before the whole of it has come.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes, BytesMut};
use h2::{RecvStream, SendStream, client::SendRequest};
use prost::Message as _;
use tokio::{sync::Notify, task::JoinSet};

use crate::{
    Outcome,
    load::{connection, framed, request},
    stock::relay::{Ack, Down, Up, up::Payload},
};

/// What one agent may be sent before it reads.
const WINDOW: u32 = 1 << 16;
/// Connections that are opened at once.
const AT_ONCE: usize = 64;

/// How agents behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Answers every command.
    Obeys,
    /// Reads commands, and answers none.
    Silent,
    /// Reads nothing.
    Deaf,
}

/// What agents are to be.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// How many.
    pub clients: usize,
    /// Of which so many share a connection.
    pub per_connection: usize,
    /// Time between two signs of life of one agent.
    pub heartbeat: Duration,
    /// What they do.
    pub manner: Manner,
}

/// Agents that are connected. They leave when this is dropped.
#[derive(Debug)]
pub struct Agents {
    seen: Rc<Seen>,
    /// Dropped, they are aborted.
    running: JoinSet<()>,
}

/// What all agents have seen together.
#[derive(Debug, Default)]
struct Seen {
    commands: Cell<u64>,
    ended: RefCell<Vec<String>>,
    /// How many commands to wait for.
    wanted: Cell<u64>,
    reached: Notify,
}

impl Agents {
    /// Opens the streams of agents called `<name>-<number>`. Whether the server knows them, it has to be asked.
    pub async fn open(address: SocketAddr, name: &str, wanted: Wanted) -> Outcome<Self> {
        let seen = Rc::new(Seen::default());
        let mut running = JoinSet::new();
        let mut opening = JoinSet::new();
        for first in (0..wanted.clients).step_by(wanted.per_connection) {
            if opening.len() >= AT_ONCE
                && let Some((sender, names)) = opened(opening.join_next().await)?
            {
                begin(&mut running, &seen, &sender, names, wanted);
            }
            let names: Vec<_> = (first..wanted.clients.min(first + wanted.per_connection))
                .map(|number| format!("{name}-{number}"))
                .collect();
            opening.spawn_local(async move { connection(address, WINDOW).await.map(|sender| (sender, names)) });
        }
        while let Some((sender, names)) = opened(opening.join_next().await)? {
            begin(&mut running, &seen, &sender, names, wanted);
        }
        Ok(Self { seen, running })
    }

    /// How many streams are open.
    pub fn open_streams(&self) -> usize {
        self.running.len() - self.seen.ended.borrow().len()
    }

    /// How the streams ended that did.
    pub fn ended(&self) -> Vec<String> {
        self.seen.ended.borrow().clone()
    }

    /// Commands that all agents have received so far.
    pub fn commands(&self) -> u64 {
        self.seen.commands.get()
    }

    /// Waits until so many commands were received in all.
    pub async fn received(&self, commands: u64, within: Duration) -> Outcome<()> {
        self.seen.wanted.set(commands);
        let reached = async {
            while self.commands() < commands {
                self.seen.reached.notified().await;
            }
        };
        tokio::time::timeout(within, reached)
            .await
            .map_err(|_| format!("only {} of {commands} commands came within {within:?}", self.commands()).into())
    }
}

type Opened = Result<Outcome<(SendRequest<Bytes>, Vec<String>)>, tokio::task::JoinError>;

fn opened(done: Option<Opened>) -> Outcome<Option<(SendRequest<Bytes>, Vec<String>)>> {
    done.map(|done| done?).transpose()
}

/// Starts the agents of one connection.
fn begin(running: &mut JoinSet<()>, seen: &Rc<Seen>, sender: &SendRequest<Bytes>, names: Vec<String>, wanted: Wanted) {
    for name in names {
        let (sender, seen) = (sender.clone(), seen.clone());
        running.spawn_local(async move {
            let end = agent(sender, name, wanted, &seen).await;
            seen.ended.borrow_mut().push(end.map_or_else(|error| error.to_string(), |()| "the stream ended".into()));
        });
    }
}

/// One agent, until its stream ends.
async fn agent(sender: SendRequest<Bytes>, name: String, wanted: Wanted, seen: &Seen) -> Outcome<()> {
    let (response, mut says) = sender.ready().await?.send_request(request("/relay.RelayService/Connect")?, false)?;
    // Not all in the same moment.
    let share = name.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())) % 1_000;
    let beat = framed(&Up { client_id: name, payload: None });
    says.send_data(beat.clone(), false)?;
    let (head, mut told) = response.await?.into_parts();
    if let Some(status) = head.headers.get("grpc-status") {
        return Err(format!("refused with grpc-status {}", status.to_str().unwrap_or("?")).into());
    }
    let first = Instant::now() + wanted.heartbeat * share / 1_000;
    let mut beats = tokio::time::interval_at(first.into(), wanted.heartbeat);
    let mut partial = BytesMut::new();
    loop {
        tokio::select! {
            _ = beats.tick() => says.send_data(beat.clone(), false)?,
            chunk = told.data(), if wanted.manner != Manner::Deaf => match chunk {
                Some(chunk) => {
                    let chunk = chunk?;
                    told.flow_control().release_capacity(chunk.len())?;
                    partial.extend_from_slice(&chunk);
                    commands(&mut partial, &mut says, wanted.manner, seen)?;
                }
                None => return Err(last_word(&mut told).await.into()),
            },
        }
    }
}

/// The commands that have come whole.
fn commands(partial: &mut BytesMut, says: &mut SendStream<Bytes>, manner: Manner, seen: &Seen) -> Outcome<()> {
    while let Some(message) = next(partial) {
        let Down { command_id, text } = Down::decode(message)?;
        if manner == Manner::Obeys {
            let ack = Up { client_id: String::new(), payload: Some(Payload::Ack(Ack { command_id, text })) };
            says.send_data(framed(&ack), false)?;
        }
        seen.commands.set(seen.commands.get() + 1);
        if seen.commands.get() == seen.wanted.get() {
            seen.reached.notify_one();
        }
    }
    Ok(())
}

/// Cuts the next whole message off.
fn next(partial: &mut BytesMut) -> Option<BytesMut> {
    let head = partial.get(1..5)?;
    let length = u32::from_be_bytes(head.try_into().ok()?) as usize;
    if partial.len() < 5 + length {
        return None;
    }
    partial.advance(5);
    Some(partial.split_to(length))
}

/// The status that a stream ended with.
async fn last_word(told: &mut RecvStream) -> String {
    let trailers = told.trailers().await.ok().flatten().unwrap_or_default();
    let text = |name| trailers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("?").to_owned();
    format!("the stream ended with grpc-status {}: {}", text("grpc-status"), text("grpc-message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_out_of_any_pieces() {
        let whole = [
            framed(&Down { command_id: "1".into(), text: vec![7; 300] }),
            framed(&Down { command_id: "2".into(), text: vec![] }),
        ]
        .concat();
        let (mut partial, mut ids) = (BytesMut::new(), vec![]);
        for byte in whole {
            partial.extend_from_slice(&[byte]);
            while let Some(message) = next(&mut partial) {
                ids.push(Down::decode(message).unwrap().command_id);
            }
        }
        assert_eq!((ids, partial.len()), (vec!["1".to_owned(), "2".to_owned()], 0));
    }
}
