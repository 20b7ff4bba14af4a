//! Publishes to browsers through Centrifugo's HTTP API.
//!
//! Takes JSON for channels from anywhere in the site, without waiting: it goes into a bounded outbox, and a task sends it
//! in batches. What cannot be delivered is tried again until it is too old; when Centrifugo keeps failing it is left alone
//! for a while; when the outbox is full the **oldest** publication goes, since what a browser wants is the newest. Each
//! lost publication is counted under its cause. Publications of one channel arrive in order, but for one that Centrifugo
//! itself asks to send again.
//!
//! Must never: make a caller wait, hold more than the outbox allows, or show the API key.

mod api;
mod breaker;
mod calls;
mod channel;
mod config;
mod counted;
mod http;
mod outbox;
mod sender;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::{sync::watch, task::JoinHandle};

pub(crate) use self::calls::CallEvents;
use self::{
    api::Api,
    counted::Counted,
    outbox::{Outbox, Publication},
    sender::Sender,
};
pub use self::{
    channel::Pattern,
    config::{CallEvent, Config},
    counted::{Counts, Lost},
};
use crate::record::Metrics;

/// Longest name of a channel, in bytes: Centrifugo's own default limit.
const LONGEST_CHANNEL: usize = 255;

/// The way to Centrifugo. Cheap to clone.
#[derive(Clone)]
pub struct Centrifugo(Arc<Inner>);

struct Inner {
    outbox: Arc<Outbox>,
    counted: Arc<Counted>,
    /// Set when the task has ended.
    ended: watch::Receiver<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Centrifugo {
    /// Starts the task that sends, within a tokio runtime. `None` when the configuration names no Centrifugo.
    ///
    /// # Errors
    /// The configuration does not hold together, or this machine has no certificates to trust for `https`. A Centrifugo
    /// that is away is no error.
    pub fn start(config: &Config, metrics: &Metrics) -> Result<Option<Self>, String> {
        let Some(url) = &config.url else { return Ok(None) };
        let api = Api::new(url, config.api_key.as_ref(), config.timeout)?;
        let counted = Arc::new(Counted::new(metrics));
        let outbox = Arc::new(Outbox::new(config.queue, config.queue_bytes, counted.clone()));
        let sender = Sender::new(config, api, outbox.clone(), counted.clone());
        let (end, ended) = watch::channel(false);
        let task = tokio::spawn(async move {
            sender.run().await;
            end.send_replace(true);
        });
        Ok(Some(Self(Arc::new(Inner { outbox, counted, ended, task: Mutex::new(Some(task)) }))))
    }

    /// Publishes `data`, as JSON, to one channel.
    pub fn publish(&self, channel: impl Into<String>, data: &(impl Serialize + ?Sized)) {
        self.broadcast(vec![channel.into()], data);
    }

    /// Publishes `data`, as JSON, to several channels at once.
    pub fn broadcast(&self, channels: Vec<String>, data: &(impl Serialize + ?Sized)) {
        let fits = |channel: &String| (1..=LONGEST_CHANNEL).contains(&channel.len());
        let data = serde_json::value::to_raw_value(data);
        match data {
            Ok(data) if !channels.is_empty() && channels.iter().all(fits) => {
                self.0.outbox.push(Publication::new(channels, data));
            }
            Ok(_) => {
                self.0.counted.lost(Lost::Refused, 1);
                tracing::debug!(?channels, "a publication has no channel, or one with too long a name");
            }
            Err(error) => {
                self.0.counted.lost(Lost::Refused, 1);
                tracing::debug!(?channels, %error, "a publication is no JSON");
            }
        }
    }

    /// What was published, lost, and waits.
    pub fn counts(&self) -> Counts {
        self.0.counted.counts(self.0.outbox.len())
    }

    /// Takes nothing more, sends what waits, and ends; gives up after `within`. Gives the number of publications that were
    /// given up.
    pub async fn drain(&self, within: Duration) -> u64 {
        self.0.outbox.close();
        let mut ended = self.0.ended.clone();
        let given_up = tokio::time::timeout(within, ended.wait_for(|ended| *ended)).await.is_err();
        let task = self.0.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task.filter(|_| given_up) {
            task.abort();
            // Its own drop counts what it held.
            let _ = task.await;
        }
        self.0.outbox.give_up();
        self.0.counted.counts(0).lost(Lost::AtTheEnd)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl fmt::Debug for Centrifugo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Centrifugo").field("counts", &self.counts()).finish_non_exhaustive()
    }
}
