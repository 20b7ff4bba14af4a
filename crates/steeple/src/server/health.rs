//! `grpc.health.v1.Health`, fed by a check of the database, and the state that `/readyz` reads.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use tonic::service::RoutesBuilder;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    bus::{self, Bus},
    db::Db,
};

pub(super) const NAME: &str = "grpc.health.v1.Health";
/// How often the database is asked, unless the site says otherwise.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether this server takes calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    /// Why not, for operators.
    NotReady(String),
    /// The end: no other word follows.
    Draining,
}

impl Readiness {
    fn status(&self) -> ServingStatus {
        match self {
            Self::Ready => ServingStatus::Serving,
            Self::NotReady(_) | Self::Draining => ServingStatus::NotServing,
        }
    }
}

/// The health of a server: one word for all of it, the same for each of its services.
#[derive(Clone)]
pub(crate) struct Health {
    reporter: HealthReporter,
    services: Arc<[&'static str]>,
    /// `None` before the first check.
    readiness: Arc<RwLock<Option<Readiness>>>,
    interval: Duration,
}

impl Health {
    pub fn new(services: impl IntoIterator<Item = &'static str>, interval: Duration) -> Self {
        Self {
            reporter: HealthReporter::new(),
            services: services.into_iter().collect(),
            readiness: Arc::default(),
            interval,
        }
    }

    /// Adds the service itself.
    pub fn add(&self, routes: &mut RoutesBuilder) {
        let service = tonic_health::server::HealthService::from_health_reporter(self.reporter.clone());
        routes.add_service(tonic_health::pb::health_server::HealthServer::new(service));
    }

    pub fn readiness(&self) -> Readiness {
        let readiness = self.readiness.read().unwrap_or_else(PoisonError::into_inner).clone();
        readiness.unwrap_or_else(|| Readiness::NotReady("starting".to_owned()))
    }

    /// Tells everybody who watches, if it is news.
    pub async fn set(&self, readiness: Readiness) {
        let status = readiness.status();
        {
            let mut current = self.readiness.write().unwrap_or_else(PoisonError::into_inner);
            if current.as_ref() == Some(&readiness) {
                return;
            }
            match &readiness {
                Readiness::Ready => tracing::info!("ready"),
                Readiness::NotReady(why) => tracing::warn!(why, "not ready"),
                Readiness::Draining => tracing::info!("draining"),
            }
            let draining = readiness == Readiness::Draining;
            let before = current.replace(readiness).map(|before| before.status());
            // Watchers hear of a new word, not of a new reason for the old one.
            if before == Some(status) && !draining {
                return;
            }
        }
        for service in [""].iter().chain(self.services.iter()) {
            self.reporter.set_service_status(service, status).await;
        }
    }

    /// Asks the database, and the bus if the site cannot do without, from time to time, until the server drains.
    pub async fn watch(self, db: Db, bus: Bus, bus_required: bool, draining: CancellationToken) {
        loop {
            let checked = draining.run_until_cancelled(check(&db, &bus, bus_required)).await;
            let Some(readiness) = checked else { return };
            self.set(readiness).await;
            if draining.run_until_cancelled(tokio::time::sleep(self.interval)).await.is_none() {
                return;
            }
        }
    }
}

/// One question to the database, and a look at the bus.
pub(crate) async fn check(db: &Db, bus: &Bus, bus_required: bool) -> Readiness {
    if let (true, bus::State::Away(why)) = (bus_required, bus.state()) {
        return Readiness::NotReady(format!("the bus is away: {why}"));
    }
    match tokio::time::timeout(PATIENCE, db.ping()).await {
        Ok(Ok(())) => Readiness::Ready,
        Ok(Err(error)) => Readiness::NotReady(format!("the database does not answer: {error}")),
        Err(_) => Readiness::NotReady(format!("the database did not answer within {} s", PATIENCE.as_secs())),
    }
}
