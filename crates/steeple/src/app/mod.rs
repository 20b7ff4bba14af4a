//! A site, described: its apps, and what each brings.
//!
//! An [`App`] is a folder of the site with models, migrations and services; a [`Site`] is all of them, with the compiled
//! protos. Both are made by the `site()` that `steeple-build` generates, and may be added to by hand. Nothing here opens
//! a connection: services are made at start, by the makers they are registered with, so that `methods`, `migrate` and
//! `--help` need no database.
//!
//! Must never: run code of an app before the site starts.

mod found;
mod model_admin;
mod order;
mod setup;
mod site;

use std::{
    any::{type_name, type_name_of_val},
    borrow::Cow,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
};

pub use found::{Found, FoundService, Skipped};
pub(crate) use model_admin::ModelAction;
pub use model_admin::ModelAdmin;
pub use setup::Setup;
pub use site::Site;

use crate::{
    auth::Access,
    db::{Db, migrate::Migration},
    error::Result,
    model::{ModelRows, Registered},
    service::{ReadOnlyService, Service},
    signal::Receiver,
};
use sea_orm_migration::MigrationTrait;

pub(crate) type Make = Arc<dyn Fn(&Setup) -> Result<Service> + Send + Sync>;
type FirstRun = Arc<dyn Fn(Db) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

/// A folder under `src/apps`, or an app of another crate.
pub struct App {
    pub(crate) label: &'static str,
    pub(crate) models: Vec<Arc<dyn ModelRows>>,
    /// By table.
    pub(crate) model_admins: Vec<(&'static str, ModelAdmin)>,
    pub(crate) migrations: Vec<Migration>,
    pub(crate) services: Vec<Registration>,
    pub(crate) skipped: Vec<String>,
    pub(crate) first_run: Option<FirstRun>,
    pub(crate) first_call: Option<(&'static str, &'static str)>,
    pub(crate) access: Vec<(Cow<'static, str>, Access)>,
    pub(crate) receivers: Vec<Received>,
    pub(crate) auth_required: Vec<Cow<'static, str>>,
    pub(crate) after: Vec<&'static str>,
}

/// A receiver of signals that an app brings, not yet made.
pub(crate) struct Received {
    pub event: &'static str,
    pub receiver: &'static str,
    pub make: Arc<dyn Fn(Setup) -> Receiver + Send + Sync>,
}

/// A service that an app brings, not yet made.
#[derive(Clone)]
pub(crate) struct Registration {
    pub service: &'static str,
    pub implementation: &'static str,
    pub at: &'static str,
    pub make: Make,
}

impl App {
    /// An app by its label, which names it in configuration (`enabled_apps`), reports and migrations.
    pub fn new(label: &'static str) -> Self {
        Self {
            label,
            models: vec![],
            model_admins: vec![],
            migrations: vec![],
            services: vec![],
            skipped: vec![],
            first_run: None,
            first_call: None,
            access: vec![],
            receivers: vec![],
            auth_required: vec![],
            after: vec![],
        }
    }

    /// The label.
    pub fn label(&self) -> &'static str {
        self.label
    }

    /// Adds a model: any SeaORM entity.
    pub fn model<E: Registered>(mut self) -> Self {
        self.models.push(E::rows(self.label));
        self
    }

    /// Says what a model of this app looks like in the admin, and what can be done with its rows there. A name of a field
    /// that the model does not have stops the start, and so does a model that was not added.
    pub fn admin<E: Registered>(mut self, say: impl FnOnce(ModelAdmin) -> ModelAdmin) -> Self {
        self.model_admins.push((E::default().table_name(), say(ModelAdmin::default())));
        self
    }

    /// Adds a migration. Migrations run in the order they were added.
    pub fn migration(mut self, name: &'static str, migration: impl MigrationTrait + 'static) -> Self {
        self.migrations.push(Migration::new(self.label, name, migration));
        self
    }

    /// Adds a service: its full name, the type that implements it, where that is written, and how to make it at start.
    pub fn service(
        mut self,
        service: &'static str,
        implementation: &'static str,
        at: &'static str,
        make: impl Fn(&Setup) -> Result<Service> + Send + Sync + 'static,
    ) -> Self {
        self.services.push(Registration { service, implementation, at, make: Arc::new(make) });
        self
    }

    /// Adds a service that is made from a model and its proto, see [`ReadOnlyService`].
    pub fn read_only(self, service: ReadOnlyService) -> Self {
        let name = service.name();
        self.service(name, "steeple::ReadOnlyService", "App::read_only", move |setup| {
            service.make(setup.app, &setup.descriptors)
        })
    }

    /// Notes what discovery looked at and left, for the start-up report.
    pub fn skipped(mut self, why: impl Into<String>) -> Self {
        self.skipped.push(why.into());
        self
    }

    /// This app's tables refer to those of app `label`: its migrations and its first run come behind that one's. Apps
    /// stand in the order of their names otherwise. An app that is not there, or a circle, stops the start.
    pub fn after(mut self, label: &'static str) -> Self {
        self.after.push(label);
        self
    }

    /// Puts in rows for a first look. Runs once, in development, right after this app's tables were made.
    pub fn first_run<W>(mut self, work: impl Fn(Db) -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = Result<()>> + Send + 'static,
    {
        self.first_run = Some(Arc::new(move |db| Box::pin(work(db))));
        self
    }

    /// A call worth trying first, which `run` shows ready to paste: a unary method (`crypto.CryptoService/GetCoin`) and
    /// its request as JSON. Without one, the first unary method is shown with an empty request.
    pub fn first_call(mut self, method: &'static str, json: &'static str) -> Self {
        self.first_call = Some((method, json));
        self
    }
}

impl App {
    /// Says who may call methods of this app: of all its services (`*`), one (`orders.OrderService`) or one method
    /// (`orders.OrderService/CreateOrder`). The rule that says more counts; of two equal ones the later. What no rule
    /// covers is for authenticated callers, see `auth.require_auth`. A rule for nothing stops the start.
    ///
    /// ```
    /// use steeple::{Access, App};
    ///
    /// pub fn app(app: App) -> App {
    ///     app.access("*", Access::Authenticated)
    ///         .access("orders.OrderService/ListAll", Access::Staff)
    ///         .access("orders.OrderService/CancelOrder", Access::permission("orders.change_order"))
    /// }
    /// ```
    pub fn access(mut self, methods: impl Into<Cow<'static, str>>, access: Access) -> Self {
        self.access.push((methods.into(), access));
        self
    }

    /// Receives every event of one type that anyone in this process sends: after its commit, one at a time in the order
    /// they were sent, on a queue of its own. See [`signal`](crate::signal) for what becomes of failures.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use steeple::{App, Result, Setup};
    /// # struct OrderPlaced { id: i64 }
    ///
    /// pub fn app(app: App) -> App {
    ///     app.receive(forget_stock)
    /// }
    ///
    /// async fn forget_stock(order: Arc<OrderPlaced>, setup: Setup) -> Result<()> {
    ///     setup.cache().delete(&format!("stock:{}", order.id)).await?;
    ///     Ok(())
    /// }
    /// ```
    pub fn receive<E, W, F>(mut self, receiver: F) -> Self
    where
        E: Send + Sync + 'static,
        W: Future<Output = Result<()>> + Send + 'static,
        F: Fn(Arc<E>, Setup) -> W + Send + Sync + 'static,
    {
        let name = type_name_of_val(&receiver);
        let receiver = Arc::new(receiver);
        let make = move |setup: Setup| {
            let receiver = Arc::clone(&receiver);
            Receiver::new(setup.app, name, move |event| receiver(event, setup.clone()))
        };
        self.receivers.push(Received { event: type_name::<E>(), receiver: name, make: Arc::new(make) });
        self
    }
}

impl App {
    /// Promises that every method of these services is for callers who are logged in: `orders.OrderService`, or `*`. In
    /// them [`Context::require_user`](crate::Context::require_user) never fails. A rule for single methods may ask for
    /// more; whatever would open one to all, here or in the configuration, stops the start.
    ///
    /// ```
    /// use steeple::{Access, App};
    ///
    /// pub fn app(app: App) -> App {
    ///     app.auth_required("orders.OrderService").access("orders.OrderService/ListAll", Access::Staff)
    /// }
    /// ```
    pub fn auth_required(mut self, methods: impl Into<Cow<'static, str>>) -> Self {
        let methods = methods.into();
        self.auth_required.push(methods.clone());
        self.access(methods, Access::Authenticated)
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<_> = self.services.iter().map(|registration| registration.service).collect();
        f.debug_struct("App").field("label", &self.label).field("services", &services).finish_non_exhaustive()
    }
}
