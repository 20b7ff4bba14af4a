//! This server's own row.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use schemars::JsonSchema;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait as _, Condition, DbErr, EntityTrait as _, QueryFilter as _,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{
    Config, hostname,
    servers::CLOCKS,
    table::{ActiveModel, Column, Entity},
};
use crate::{Db, clock};

/// How long one write of the row may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Heartbeats between two sweeps of old rows.
const SWEEP_EVERY: u32 = 60;

/// Where a server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It listens and does not answer yet.
    Starting,
    /// It answers calls.
    Running,
    /// It drains.
    Stopping,
    /// It has ended in order.
    Stopped,
    /// It has ended otherwise, and why.
    Error(String),
}

impl State {
    /// `starting`, `running`, `stopping`, `stopped` or `error`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Error(_) => "error",
        }
    }

    fn is_end(&self) -> bool {
        matches!(self, Self::Stopped | Self::Error(_))
    }
}

/// A service that a server serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Served {
    /// The full name: `crypto.CryptoService`.
    pub name: String,
    /// The label of its app.
    pub app: String,
    /// The names of its methods.
    pub methods: Vec<String>,
}

/// What a server says of itself once.
#[derive(Debug, Clone)]
pub struct About {
    /// The site's name.
    pub site: String,
    /// The site's version.
    pub version: String,
    /// Where calls are answered.
    pub grpc: SocketAddr,
    /// Where the HTTP listener is.
    pub http: Option<SocketAddr>,
    /// Threads that run calls.
    pub workers: usize,
    /// Serves reflection.
    pub reflection: bool,
    /// Serves health.
    pub health: bool,
    /// What is served.
    pub services: Vec<Served>,
}

/// What a server says of itself at each heartbeat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Calls under way.
    pub in_flight: usize,
    /// Closed calls that got no row in the request log, since the start.
    pub log_dropped: u64,
}

/// This server, as the others see it.
pub struct Node {
    db: Db,
    config: Config,
    instance_id: String,
    start_token: String,
    started_at: clock::Time,
    /// Whether it was told already that another server has this one's instance id.
    told: AtomicBool,
    /// Everything that does not change.
    row: ActiveModel,
    figures: Box<dyn Fn() -> Figures + Send + Sync>,
    state: Mutex<State>,
}

impl Node {
    /// Enters this server as starting. When the database does not take it, that is said, and the heartbeat tries again.
    pub async fn register(
        db: &Db,
        config: &Config,
        about: About,
        figures: impl Fn() -> Figures + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (hostname, pid) = (hostname(), std::process::id());
        let instance_id = format!("{hostname}:{}:{pid}", about.grpc.port());
        let (start_token, started_at) = (uuid::Uuid::new_v4().simple().to_string(), clock::now());
        let services = serde_json::to_string(&about.services).unwrap_or_else(|_| "[]".to_owned());
        let row = ActiveModel {
            instance_id: Set(instance_id.clone()),
            start_token: Set(start_token.clone()),
            site: Set(about.site),
            version: Set(about.version),
            host: Set(about.grpc.ip().to_string()),
            port: Set(about.grpc.port().into()),
            address: Set(about.grpc.to_string()),
            http_address: Set(about.http.map(|address| address.to_string())),
            pid: Set(pid.into()),
            hostname: Set(hostname),
            max_workers: Set(i32::try_from(about.workers).unwrap_or(i32::MAX)),
            enable_reflection: Set(about.reflection),
            enable_health_check: Set(about.health),
            registered_services: Set(services),
            heartbeat_seconds: Set(config.heartbeat_interval.as_secs().max(1) as i64),
            started_at: Set(started_at),
            stopped_at: Set(None),
            status: NotSet,
            error_message: NotSet,
            in_flight: NotSet,
            log_dropped: NotSet,
            last_heartbeat: NotSet,
        };
        let node = Arc::new(Self {
            db: db.clone(),
            config: config.clone(),
            instance_id,
            start_token,
            started_at,
            told: AtomicBool::new(false),
            row,
            figures: Box::new(figures),
            state: Mutex::new(State::Starting),
        });
        node.tell().await;
        node
    }

    /// `hostname:port:pid`.
    pub fn instance_id(&self) -> &str {
        &self.instance_id
    }

    /// What tells this start from all others, also from one with the same instance id.
    pub fn start_token(&self) -> &str {
        &self.start_token
    }

    /// Says where this server stands now. An end is final.
    pub async fn enter(&self, state: State) {
        {
            let mut current = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if current.is_end() {
                return;
            }
            *current = state;
        }
        self.tell().await;
    }

    /// Says at each heartbeat that this server lives, and from time to time sweeps servers that are long gone.
    pub async fn beat(self: Arc<Self>, until: CancellationToken) {
        let mut beats = 0;
        loop {
            if beats % SWEEP_EVERY == 0 {
                self.sweep().await;
            }
            beats += 1;
            if until.run_until_cancelled(tokio::time::sleep(self.config.heartbeat_interval)).await.is_none() {
                return;
            }
            self.tell().await;
        }
    }

    async fn tell(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match tokio::time::timeout(PATIENCE, self.write(&state)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the server's status cannot be written"),
            Err(_) => tracing::warn!("the server's status could not be written in time"),
        }
    }

    async fn write(&self, state: &State) -> Result<(), DbErr> {
        let now = clock::now();
        let figures = (self.figures)();
        let mut row = self.row.clone();
        row.status = Set(state.as_str().to_owned());
        row.error_message = Set(match state {
            State::Error(why) => Some(why.clone()),
            _ => None,
        });
        row.in_flight = Set(figures.in_flight as i64);
        row.log_dropped = Set(figures.log_dropped as i64);
        row.last_heartbeat = Set(now);
        row.stopped_at = Set(state.is_end().then_some(now));
        let updated = Entity::update_many().set(row.clone()).filter(self.own()).exec(&self.db).await?;
        // New, or somebody has deleted it.
        if updated.rows_affected == 0 {
            Entity::insert(row).exec_without_returning(&self.db).await?;
        }
        self.look_for_a_double().await
    }

    /// Says once if another server that lives has this one's instance id: what goes by that id is then anybody's guess.
    async fn look_for_a_double(&self) -> Result<(), DbErr> {
        if self.told.load(Relaxed) {
            return Ok(());
        }
        // Who said something after this start is no predecessor, if the clocks of two hosts agree so far.
        let since = self.started_at + chrono::TimeDelta::seconds(CLOCKS);
        let double = Entity::find()
            .filter(Column::InstanceId.eq(&self.instance_id))
            .filter(Column::StartToken.ne(&self.start_token))
            .filter(Column::LastHeartbeat.gt(since))
            .one(&self.db)
            .await?;
        if let Some(double) = double
            && !self.told.swap(true, Relaxed)
        {
            tracing::warn!(
                instance_id = self.instance_id,
                other_address = double.address,
                other_started_at = %double.started_at,
                "another server has the same host name, port and process id: give each container a host name of its own"
            );
        }
        Ok(())
    }

    /// This server's own row.
    fn own(&self) -> Condition {
        let id = Condition::all().add(Column::InstanceId.eq(&self.instance_id));
        id.add(Column::StartToken.eq(&self.start_token))
    }

    async fn sweep(&self) {
        let Ok(keep) = chrono::TimeDelta::from_std(self.config.keep) else { return };
        let old = Entity::delete_many().filter(Column::LastHeartbeat.lt(clock::now() - keep)).filter(self.own().not());
        match tokio::time::timeout(PATIENCE, old.exec(&self.db)).await {
            Ok(Ok(swept)) if swept.rows_affected > 0 => {
                tracing::info!(servers = swept.rows_affected, "removed servers that are long gone from the list");
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "servers that are long gone cannot be removed"),
            Err(_) => tracing::debug!("servers that are long gone could not be removed in time"),
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("instance_id", &self.instance_id).finish_non_exhaustive()
    }
}
