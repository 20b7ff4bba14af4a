//! All apps of a site, with its compiled protos and its stock services.

use std::{borrow::Cow, convert::Infallible, fmt, sync::Arc};

use prost::DecodeError;
use tonic::{body::Body, server::NamedService, service::RoutesBuilder};

use super::{App, Received, Registration, Setup, order};
use crate::{config::AppsConfig, error::Result, method::Methods, service::Service};

/// A site: what `steeple-build` found, and what `main` adds to it.
pub struct Site {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) descriptors: Vec<Cow<'static, [u8]>>,
    /// The text of each proto, by import name.
    pub(crate) protos: Vec<(&'static str, &'static str)>,
    pub(crate) apps: Vec<App>,
    pub(crate) stock: Vec<Stock>,
    /// The app whose `grpc_handlers` runs.
    current: Option<usize>,
}

/// A service made by tonic's own generator.
#[derive(Clone)]
pub(crate) struct Stock {
    pub app: &'static str,
    pub name: &'static str,
    pub add: Arc<dyn Fn(&mut RoutesBuilder) + Send + Sync>,
}

impl Site {
    /// A site without apps yet: its name, its version, and the encoded `FileDescriptorSet` of its protos (may be empty).
    pub fn new(name: &'static str, version: &'static str, descriptors: &'static [u8]) -> Self {
        let descriptors = Some(descriptors).filter(|bytes| !bytes.is_empty()).map(Cow::Borrowed).into_iter().collect();
        Self { name, version, descriptors, protos: vec![], apps: vec![], stock: vec![], current: None }
    }

    /// The name, from the package.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The version, from the package.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// Adds an app: one that was found, or one of another crate.
    pub fn app(&mut self, app: App) -> &mut Self {
        self.apps.push(app);
        self
    }

    /// Runs an app's own `grpc_handlers`; what it registers belongs to that app.
    pub fn within(&mut self, label: &'static str, grpc_handlers: impl FnOnce(&mut Self)) -> &mut Self {
        let inner = self.place(label);
        let outer = self.current.replace(inner);
        grpc_handlers(self);
        self.current = outer;
        self
    }

    /// Adds a service by hand: its full name and how to make it at start.
    ///
    /// ```
    /// use steeple::{Service, Site};
    ///
    /// fn grpc_handlers(site: &mut Site) {
    ///     site.service("crypto.CryptoService", |_setup| Ok(Service::new("crypto.CryptoService")));
    /// }
    /// ```
    pub fn service(
        &mut self,
        service: &'static str,
        make: impl Fn(&Setup) -> Result<Service> + Send + Sync + 'static,
    ) -> &mut Self {
        let at = self.current();
        let implementation = if self.current.is_some() { "grpc_handlers" } else { "added by hand" };
        self.apps[at].services.push(Registration { service, implementation, at: implementation, make: Arc::new(make) });
        self
    }

    /// Adds a service made by tonic's own generator. It goes through the same pipeline; its methods are listed when the
    /// site's descriptors, or those added with [`Site::descriptors`], describe it.
    pub fn tonic_service<S>(&mut self, service: S) -> &mut Self
    where
        S: tower::Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let at = self.current();
        let add = Arc::new(move |routes: &mut RoutesBuilder| {
            routes.add_service(service.clone());
        });
        self.stock.push(Stock { app: self.apps[at].label, name: S::NAME, add });
        self
    }

    /// Adds an encoded `FileDescriptorSet`: of another crate's services.
    pub fn descriptors(&mut self, descriptors: impl Into<Cow<'static, [u8]>>) -> &mut Self {
        self.descriptors.push(descriptors.into());
        self
    }

    /// Adds the text of a proto under its import name (`coins/v1/coins.proto`), for people who want to read it.
    pub fn proto(&mut self, name: &'static str, text: &'static str) -> &mut Self {
        self.protos.push((name, text));
        self
    }

    /// Every method that the descriptors describe.
    pub(crate) fn methods(&self) -> Result<Methods, DecodeError> {
        let mut methods = Methods::default();
        for descriptors in &self.descriptors {
            methods.add(descriptors)?;
        }
        Ok(methods)
    }

    /// Who receives signals, of the apps that are enabled, with the label of each.
    pub(crate) fn received(&self, enabled: &AppsConfig) -> impl Iterator<Item = (&'static str, &Received)> {
        let apps = self.apps.iter().filter(|app| enabled.enabled(app.label));
        apps.flat_map(|app| app.receivers.iter().map(|received| (app.label, received)))
    }

    /// The apps in the order of their migrations; or why there is none.
    pub(crate) fn in_order(&self) -> Result<Vec<&App>, Vec<String>> {
        order::in_order(&self.apps)
    }

    /// What apps say of their models in the admin and cannot mean, each a sentence.
    pub(crate) fn admin_problems(&self) -> Vec<String> {
        let said =
            self.apps.iter().flat_map(|app| app.model_admins.iter().map(move |(table, said)| (app, *table, said)));
        said.flat_map(|(app, table, said)| {
            if let Some(rows) = app.models.iter().find(|rows| rows.model().table == table) {
                return said.problems(rows.model());
            }
            let label = app.label;
            vec![format!(
                "app {label} says what {table} looks like in the admin, and has no such model: add app.model::<…>()"
            )]
        })
        .collect()
    }

    fn current(&mut self) -> usize {
        // What main adds by hand, outside any app, belongs to an app of the site's own name.
        self.current.unwrap_or_else(|| self.place(self.name))
    }

    fn place(&mut self, label: &'static str) -> usize {
        self.apps.iter().position(|app| app.label == label).unwrap_or_else(|| {
            self.apps.push(App::new(label));
            self.apps.len() - 1
        })
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("name", &self.name).field("apps", &self.apps).finish_non_exhaustive()
    }
}
