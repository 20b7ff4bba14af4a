//! The bus: a client is reached wherever its session lives, and an error says whether the command may have run.
//!
//! What both kinds must do runs on both: within one process, and over the broker that `STEEPLE_TEST_NATS_URL` names. What
//! goes wrong with a broker runs on one that the test starts, stops, stalls and cuts off.

mod answers;
pub mod broker;
mod memory;
mod names;
mod outage;
mod partition;
mod peer;
mod publications;
mod readiness;
mod refusal;
mod takeover;

use std::{env, time::Duration};

use steeple::{
    Code, Error,
    auth::Secret,
    bus::{Bus, Config},
};

use crate::databases::skipped;

/// The service of the tests.
const SERVICE: &str = "trial.v1.Streaming";
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// Where the nodes of a test meet.
struct Meeting {
    /// `None`: within this process.
    config: Option<Config>,
    here: Bus,
}

impl Meeting {
    fn local() -> Self {
        Self { config: None, here: Bus::local() }
    }

    /// At the broker of the tests, in a site of its own.
    fn nats() -> Option<Self> {
        let Ok(url) = env::var("STEEPLE_TEST_NATS_URL") else {
            skipped("STEEPLE_TEST_NATS_URL");
            return None;
        };
        Some(Self::at(&url))
    }

    fn at(url: &str) -> Self {
        Self { config: Some(config(url)), here: Bus::local() }
    }

    /// A node: over a broker another one each time.
    async fn node(&self) -> Bus {
        match &self.config {
            None => self.here.clone(),
            Some(config) => Bus::open(config, "test").await.unwrap(),
        }
    }
}

/// A site of its own, which nobody else is in: it settles at once.
fn config(url: &str) -> Config {
    Config {
        url: Some(Secret::new(url)),
        site: format!("test-{}", uuid::Uuid::new_v4().simple()),
        settle: Duration::ZERO,
        ..Config::default()
    }
}

/// One test for each kind of bus.
macro_rules! on_every_bus {
    ($($(#[$attribute:meta])* async fn $name:ident($meeting:ident: Meeting) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn run($meeting: $crate::bus::Meeting) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            $(#[$attribute])*
            async fn local() {
                run($crate::bus::Meeting::local()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            $(#[$attribute])*
            async fn nats() {
                if let Some(meeting) = $crate::bus::Meeting::nats() {
                    run(meeting).await;
                }
            }
        }
    )*};
}
use on_every_bus;

/// The code of an error, and the reason it gives to programs.
fn said(mut error: Error) -> (Code, String) {
    let reason = error.details_mut().error_info().map(|info| info.reason.clone());
    (error.code(), reason.unwrap_or_default())
}

/// Waits until it holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(LONG, waiting).await.is_ok(), "never: {what}");
}
