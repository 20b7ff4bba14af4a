//! What a service may have when it is made, and a receiver when it runs.

use std::{borrow::Cow, fmt, sync::Arc};

use serde::de::DeserializeOwned;

use crate::{
    auth::Identity,
    bus::Bus,
    cache::Cache,
    centrifugo::Centrifugo,
    config::Config,
    db::Db,
    error::{Error, Result},
    signal::Signals,
    stream::{Handlers, Hub, Hubs, StreamingConfig},
};

/// The running site, as a service sees it in its `new(setup: &Setup)`, and a receiver of signals at each event. Cheap to
/// clone.
///
/// ```
/// use steeple::{Result, Setup};
///
/// #[derive(serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Settings {
///     max_results: u32,
/// }
///
/// struct CoinService {
///     settings: Settings,
/// }
///
/// impl CoinService {
///     pub fn new(setup: &Setup) -> Result<Self> {
///         Ok(Self { settings: setup.settings()? }) // [settings.crypto] of steeple.toml
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Setup {
    pub(crate) app: &'static str,
    pub(crate) db: Db,
    pub(crate) config: Arc<Config>,
    pub(crate) identity: Identity,
    pub(crate) cache: Cache,
    pub(crate) signals: Signals,
    pub(crate) bus: Bus,
    pub(crate) centrifugo: Option<Centrifugo>,
    /// The site's, for services that are made of them.
    pub(crate) descriptors: Arc<[Cow<'static, [u8]>]>,
    pub(crate) hubs: Arc<Hubs>,
}

impl Setup {
    /// The label of the app that the service belongs to.
    pub fn app(&self) -> &'static str {
        self.app
    }

    /// The site's database.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The site's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The clients of one bidirectional method, which the service keeps.
    ///
    /// # Errors
    /// A value of the configuration that cannot work, or a `service_name` that another hub of the site has.
    pub fn hub<H: Handlers>(&self, config: StreamingConfig, handlers: H) -> Result<Hub<H>> {
        Hub::open(&self.hubs, config, handlers)
    }

    /// The site's users, tokens and API keys.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The site's cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Where events are sent outside of calls; within one, see [`Context::signal`](crate::Context::signal).
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// The way to the clients of streams, on this node or any other.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The way to browsers; `None` when the configuration names no Centrifugo.
    pub fn centrifugo(&self) -> Option<&Centrifugo> {
        self.centrifugo.as_ref()
    }

    /// The app's own section of the configuration, `[settings.<app>]`, typed.
    ///
    /// # Errors
    /// A key is missing, unknown (when `T` denies unknown fields) or of another type; the start ends with that sentence.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T> {
        self.config.settings(self.app).map_err(|problem| Error::failed_precondition(problem.to_string()))
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("app", &self.app).finish_non_exhaustive()
    }
}
