//! From description to listeners, in one column.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{
    codec::{CompressionEncoding, EnabledCompressionEncodings},
    service::{Routes, RoutesBuilder},
};

use super::{
    Compression, Inside, ListenError, Plan, PlannedService, Running, Server, Surrounded,
    guard::Incoming,
    health::{self, Health, Readiness},
    http, reflection,
    running::Parts,
};
use crate::{
    app::{App, FoundService, Setup},
    audit,
    auth::{self, Access, Identity},
    bus::Bus,
    cache::Cache,
    centrifugo::{CallEvents, Centrifugo},
    config::{Config, Environment},
    context::Lent,
    db::{self, Db, migrate::Migration},
    error::Error,
    interceptor::{Entry, Pipeline, Shared},
    login,
    method::Method,
    node::{self, About, Figures, Node, Served, State},
    record::{self, config::Format, metrics::Metrics, recorder::Recorder},
    service::{Handler, Wire},
    signal::{Deliveries, Signals},
    stream::{self, Hubs},
};

/// Why a server did not start. Each reads as a sentence that says what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The site and the configuration contradict each other.
    Plan(Vec<String>),
    /// The database cannot be reached.
    Database(db::ConnectError),
    /// The database is older than the site.
    NotMigrated(Vec<String>),
    /// A migration failed, or the database refused to say which were applied.
    Migrate(String),
    /// The keys of `[auth]` cannot be used.
    Auth(String),
    /// A service could not be made.
    Service(String, Error),
    /// An address cannot be listened on.
    Listen(ListenError),
    /// Reflection cannot be built from the descriptors.
    Reflection(String),
    /// The cache cannot be used as the configuration says.
    Cache(String),
    /// The broker refuses the site, or is away and required.
    Bus(String),
    /// Centrifugo's configuration does not work on this machine.
    Centrifugo(String),
    /// The request log cannot be written.
    Log(record::recorder::StartError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(problems) => f.write_str(&problems.join("\n")),
            Self::Database(error) => error.fmt(f),
            Self::NotMigrated(pending) => write!(
                f,
                "the database lacks {} migrations ({}): run `migrate` first",
                pending.len(),
                pending.join(", ")
            ),
            Self::Migrate(error)
            | Self::Auth(error)
            | Self::Cache(error)
            | Self::Bus(error)
            | Self::Centrifugo(error) => f.write_str(error),
            Self::Service(name, error) => write!(f, "service {name} could not be made: {}", error.for_log()),
            Self::Listen(error) => error.fmt(f),
            Self::Reflection(error) => write!(f, "reflection cannot be built from the descriptors: {error}"),
            Self::Log(error) => write!(f, "the request log cannot be written: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<ListenError> for StartError {
    fn from(error: ListenError) -> Self {
        Self::Listen(error)
    }
}

/// What stands behind the listeners.
struct Assembled {
    routes: Routes,
    made: Shared,
    deliveries: Deliveries,
    setup: Setup,
}

impl Server {
    /// Opens the database, makes the services, binds, and serves in the background, with these doors on the HTTP
    /// listener: see [`Server::start`].
    pub(crate) async fn start_with(
        self,
        config: Config,
        doors: impl FnOnce(&Arc<Inside>) -> Router,
    ) -> Result<Running, StartError> {
        let config = Arc::new(config);
        let plan = Arc::new(Plan::of(&self, &config).map_err(StartError::Plan)?);
        let db = Db::connect(&config.database, config.server.workers()).await.map_err(StartError::Database)?;
        migrated(&self, &db, config.env).await?;
        let identity = identity(&db, &config).await?;

        let incoming = Incoming::bind(&config.server.grpc, &config.server)?;
        let http = http_listener(&config.server.http).await?;
        let (grpc, http_address) = (incoming.local_addr(), http.as_ref().and_then(|http| http.local_addr().ok()));

        let metrics = Arc::new(Metrics::new());
        let recorder = if config.log.is_on() {
            let log = record::Config { format: lines(&config), ..config.log.clone() };
            Some(Recorder::start(&log, &db, &metrics).map_err(StartError::Log)?)
        } else {
            None
        };
        let shared = Arc::new(OnceLock::<Arc<Shared>>::new());
        let about = self.about(&plan, &config, (grpc, http_address));
        let node = Node::register(&db, &config.node, about, {
            let (shared, recorder) = (shared.clone(), recorder.clone());
            move || Figures {
                in_flight: shared.get().map_or(0, |shared| shared.in_flight()),
                log_dropped: recorder.as_ref().map_or(0, |recorder| recorder.dropped()),
            }
        })
        .await;
        let health = Health::new(plan.services.iter().map(|planned| planned.found.name), self.health_interval);
        let name = format!("{}:{}", node::hostname(), grpc.port());
        let around = (&*name, &metrics, &health);
        let assembled = self.assemble(&plan, &config, &db, &identity, around, recorder.clone()).await;
        let Assembled { routes, made, deliveries, setup } = match assembled {
            Ok(assembled) => assembled,
            Err(error) => {
                node.enter(State::Error(error.to_string())).await;
                return Err(error);
            }
        };
        let shared = shared.get_or_init(|| Arc::new(made)).clone();
        let (bus, centrifugo, hubs) = (setup.bus.clone(), setup.centrifugo.clone(), setup.hubs.clone());

        let answering = Surrounded::new(Pipeline::new(shared.clone(), routes), self.around);
        let router = http::router(health.clone(), metrics.clone(), bus.clone()).merge(login::router(&identity));
        health.set(health::check(&db, &bus, config.bus.required).await).await;
        if let Readiness::NotReady(why) = health.readiness() {
            tracing::warn!(why, "started, but not ready");
        }
        let (site, draining) = (self.site, CancellationToken::new());
        let inside = Arc::new(Inside {
            grpc,
            http: http_address,
            config,
            site,
            plan,
            db,
            recorder,
            identity,
            bus,
            centrifugo,
            metrics,
            hubs,
            node,
            draining,
            health,
            shared,
            answering,
            setup,
        });
        let router = router.merge(doors(&inside));
        Ok(Running::serve(Parts { inside, deliveries, incoming, http, router }).await)
    }

    /// Everything behind the listeners: what services may have, the services, and the way of a call.
    async fn assemble(
        &self,
        plan: &Plan,
        config: &Arc<Config>,
        db: &Db,
        identity: &Identity,
        (node, metrics, health): (&str, &Arc<Metrics>, &Health),
        recorder: Option<Arc<Recorder>>,
    ) -> Result<Assembled, StartError> {
        let routes = stock_routes(self, plan, config, health)?;
        let cache = Cache::open(&config.cache, self.site.name, metrics).await.map_err(StartError::Cache)?;
        let centrifugo = Centrifugo::start(&config.centrifugo, metrics).map_err(StartError::Centrifugo)?;
        let process = format!("process {}", std::process::id());
        let bus = Bus::open(&config.bus, &process).await.map_err(StartError::Bus)?;
        let descriptors: Arc<[_]> = self.site.descriptors.clone().into();
        let hubs = Hubs::start(stream::Parts {
            config: &config.streams,
            auth: &config.auth,
            node: node.to_owned(),
            db: db.clone(),
            metrics: metrics.clone(),
            bus: bus.clone(),
            centrifugo: centrifugo.clone(),
            authenticator: identity.authenticator.clone(),
            rules: plan
                .methods()
                .map(|planned| (planned.method.path.clone(), planned.decision.access.clone()))
                .collect(),
            descriptors: descriptors.clone(),
        });
        let lent = Lent::new(db.clone(), cache, Signals::new(metrics));
        // What a service or a receiver may have; each gets it with the label of its app.
        let setup = Setup {
            app: "steeple",
            db: db.clone(),
            config: config.clone(),
            identity: identity.clone(),
            cache: lent.cache.clone(),
            signals: lent.signals.clone(),
            bus: bus.clone(),
            centrifugo: centrifugo.clone(),
            hubs: hubs.clone(),
            descriptors,
        };
        let receivers = self.site.received(&config.apps);
        let receivers = receivers.map(|(app, received)| (received.make)(Setup { app, ..setup.clone() })).collect();
        let deliveries = lent.signals.deliver(receivers);
        let made = self.shared(plan, &setup, lent, metrics, recorder)?;
        Ok(Assembled { routes, made, deliveries, setup })
    }

    /// What this server says of itself to the others.
    fn about(&self, plan: &Plan, config: &Config, (grpc, http): (SocketAddr, Option<SocketAddr>)) -> About {
        let served = |planned: &PlannedService| Served {
            name: planned.found.name.to_owned(),
            app: planned.found.app.to_owned(),
            methods: planned.methods.iter().map(|planned| planned.method.name.clone()).collect(),
        };
        let serves = |name: &str| plan.services.iter().any(|planned| planned.found.name == name);
        About {
            site: self.site.name().to_owned(),
            version: self.site.version().to_owned(),
            grpc,
            http,
            workers: config.server.workers(),
            reflection: serves(reflection::V1),
            health: serves(health::NAME),
            services: plan.services.iter().map(served).collect(),
        }
    }

    /// Every migration of the site: Steeple's own tables first, then the apps' in their order, see [`App::after`].
    pub fn migrations(&self) -> Vec<Migration> {
        // Apps that cannot be ordered are still all listed; what would apply them says why it does not.
        let apps = self.site.in_order().unwrap_or_else(|_| self.site.apps.iter().collect());
        let apps = apps.into_iter().flat_map(|app| app.migrations.clone());
        let own = record::migrations().into_iter().chain(auth::migrations()).chain(node::migrations());
        let own = own.chain(stream::migrations()).chain(audit::migrations());
        own.chain(apps).collect()
    }

    /// Applies what is pending; in development and test, apps whose tables are new get their rows for a first look.
    /// Every model gets its permissions, also when nothing was pending. Gives the names of what was applied.
    ///
    /// # Errors
    /// The sentence of the migration that failed.
    pub async fn migrate(&self, db: &Db, env: Environment) -> Result<Vec<String>, StartError> {
        let apps = self.site.in_order().map_err(StartError::Plan)?;
        let all = self.migrations();
        let failed = |error: &dyn fmt::Display| StartError::Migrate(error.to_string());
        let pending = db::migrate::pending(db, &all).await.map_err(|error| failed(&error))?;
        let is_new = |app: &&App| {
            !app.migrations.is_empty()
                && app
                    .migrations
                    .iter()
                    .all(|mine| pending.iter().any(|other| other.app == mine.app && other.name == mine.name))
        };
        let new: Vec<_> = apps.into_iter().filter(is_new).collect();
        let applied = db::migrate::up(db, &all).await.map_err(|error| failed(&error))?;
        // Each time, as Django does: a model may be new without a migration.
        let models = self.site.apps.iter().flat_map(|app| &app.models).map(|rows| rows.model());
        let filled = auth::refill(db, models.map(|model| (model.app, model.name))).await;
        filled.map_err(|error| StartError::Migrate(format!("permissions of the models: {}", error.for_log())))?;
        if env != Environment::Production {
            for app in new {
                // Another node may have been faster with the same tables; then their rows are its business.
                let ours = applied.iter().any(|applied| applied.app == app.label());
                if let (true, Some(first_run)) = (ours, &app.first_run) {
                    first_run(db.clone()).await.map_err(|error| {
                        StartError::Migrate(format!("first run of app {}: {}", app.label(), error.for_log()))
                    })?;
                }
            }
        }
        Ok(applied.iter().map(|applied| format!("{}.{}", applied.app, applied.name)).collect())
    }

    /// What all calls share: the catalog, made from the plan and the services.
    fn shared(
        &self,
        plan: &Plan,
        setup: &Setup,
        lent: Lent,
        metrics: &Metrics,
        recorder: Option<Arc<Recorder>>,
    ) -> Result<Shared, StartError> {
        let config = &setup.config;
        let server = &config.server;
        let wire = Wire {
            max_receive: server.max_receive_message_bytes,
            max_send: server.max_send_message_bytes,
            compression: encodings(&server.compression),
        };
        let entry = |method: Arc<Method>, access: Access, handler: Option<Handler>, lingers: bool| {
            let recorded = !config.log.skips(&method.service, &method.name);
            let centrifugo = setup.centrifugo.as_ref().filter(|_| recorded);
            Arc::new(Entry {
                access,
                metrics: metrics.method(&method),
                chain: self.chain(&method.service, &method.name),
                wire,
                handler,
                events: CallEvents::of(&config.centrifugo, centrifugo, &method),
                recorded,
                lingers,
                method,
            })
        };
        let (mut catalog, mut stock) = (HashMap::new(), HashMap::new());
        for planned in &plan.services {
            let mut handlers = handlers(&planned.found, &Setup { app: planned.found.app, ..setup.clone() })?;
            // Health watchers and reflection streams go on for ever.
            let lingers = planned.found.app == "steeple" && !planned.found.native;
            for planned_method in &planned.methods {
                let method = planned_method.method.clone();
                let handler = handlers.remove(method.path.as_str());
                if planned.found.native && handler.is_none() {
                    let error = Error::unimplemented(format!("it does not serve {}", method.path));
                    return Err(StartError::Service(planned.found.name.to_owned(), error));
                }
                let access = planned_method.decision.access.clone();
                catalog.insert(method.path.clone(), entry(method, access, handler, lingers));
            }
            if let Some(path) = handlers.keys().next() {
                let error = Error::unimplemented(format!("it serves {path}, which its proto does not declare"));
                return Err(StartError::Service(planned.found.name.to_owned(), error));
            }
            if let Some(decision) = &planned.others {
                let method = Arc::new(Method::other(&format!("/{}/*", planned.found.name)));
                stock.insert(planned.found.name.to_owned(), entry(method, decision.access.clone(), None, lingers));
            }
        }
        // One entry for all paths that nobody serves: what outsiders make up must not grow any table.
        let unknown = entry(Arc::new(Method::other("/(unknown)/(unknown)")), Access::Public, None, false);
        let authenticator = setup.identity.authenticator.clone();
        let calls = (config.calls.clone(), server.proxies());
        Ok(Shared::new(catalog, stock, unknown, authenticator, recorder, lent, calls))
    }
}

/// Console lines for people in development, for machines elsewhere, unless the configuration says.
fn lines(config: &Config) -> Format {
    match (config.log.format, config.env) {
        (Format::Auto, Environment::Development) => Format::Pretty,
        (Format::Auto, _) => Format::Json,
        (format, _) => format,
    }
}

fn encodings(compression: &[Compression]) -> EnabledCompressionEncodings {
    let mut enabled = EnabledCompressionEncodings::default();
    for encoding in compression {
        enabled.enable(match encoding {
            Compression::Gzip => CompressionEncoding::Gzip,
            Compression::Deflate => CompressionEncoding::Deflate,
        });
    }
    enabled
}

/// Makes one service; gives its handlers by path.
fn handlers(found: &FoundService, setup: &Setup) -> Result<HashMap<Cow<'static, str>, Handler>, StartError> {
    let Some(make) = &found.make else { return Ok(HashMap::new()) };
    let failed = |error| StartError::Service(found.name.to_owned(), error);
    let service = make(setup).map_err(failed)?;
    if service.name() != found.name {
        let made = service.name();
        return Err(failed(Error::internal(format!("its maker made {made} instead"))));
    }
    Ok(service.methods.into_iter().map(|method| (method.path, method.handler)).collect())
}

/// The site's users, tokens and keys.
pub(crate) async fn identity(db: &Db, config: &Config) -> Result<Identity, StartError> {
    let (development, production) = (config.env == Environment::Development, config.env == Environment::Production);
    Identity::open(db, &config.auth, development, production).await.map_err(StartError::Auth)
}

/// Stock services, health and reflection: what is not ours goes through tonic's own router.
fn stock_routes(server: &Server, plan: &Plan, config: &Config, health: &Health) -> Result<Routes, StartError> {
    let mut routes = RoutesBuilder::default();
    let served =
        |name: &str| plan.services.iter().any(|planned| planned.found.name == name && planned.found.make.is_none());
    for stock in server.site.stock.iter().filter(|stock| served(stock.name)) {
        (stock.add)(&mut routes);
    }
    let own =
        |name: &str| plan.services.iter().any(|planned| planned.found.name == name && planned.found.app == "steeple");
    if config.server.health && own(health::NAME) {
        health.add(&mut routes);
    }
    if config.server.reflection {
        let names: Vec<_> = plan.services.iter().map(|planned| planned.found.name).collect();
        reflection::add(&mut routes, &server.site, &names, own)
            .map_err(|error| StartError::Reflection(error.to_string()))?;
    }
    Ok(routes.routes().prepare())
}

async fn migrated(server: &Server, db: &Db, env: Environment) -> Result<(), StartError> {
    let all = server.migrations();
    let pending = db::migrate::pending(db, &all).await;
    let pending = pending.map_err(|error| StartError::Migrate(error.to_string()))?;
    let names: Vec<_> = pending.iter().map(|migration| format!("{}.{}", migration.app, migration.name)).collect();
    if env == Environment::Production {
        return if names.is_empty() { Ok(()) } else { Err(StartError::NotMigrated(names)) };
    }
    for name in server.migrate(db, env).await? {
        tracing::info!(name, "migrated");
    }
    Ok(())
}

async fn http_listener(address: &str) -> Result<Option<TcpListener>, StartError> {
    if address == "off" {
        return Ok(None);
    }
    let listener = TcpListener::bind(address).await.map_err(|error| ListenError::new("server.http", address, error))?;
    Ok(Some(listener))
}
