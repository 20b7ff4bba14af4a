//! What a server will serve, and how each method is reached: decided before anything is opened.

use std::sync::Arc;

use serde::Serialize;

use super::Server;
use crate::{
    app::{Found, FoundService, Make, Setup, Skipped},
    auth::{Access, Decision, Policy},
    config::{Config, Environment},
    interceptor::ROOMS,
    login,
    method::{Method, Methods},
};

/// A server checked against a configuration.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// Every service that is served: the site's, then health, reflection and login.
    pub services: Vec<PlannedService>,
    /// What was seen and is not served, and why.
    pub skipped: Vec<Skipped>,
    /// Who receives which signals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<PlannedReceiver>,
}

/// A receiver of signals.
#[derive(Debug, Serialize)]
pub struct PlannedReceiver {
    /// The label of its app.
    pub app: &'static str,
    /// The type of the events, with its path in the program.
    pub event: &'static str,
    /// What receives them, with its path in the program.
    pub receiver: &'static str,
}

/// A service that will be served.
#[derive(Debug, Serialize)]
pub struct PlannedService {
    /// Where it comes from.
    #[serde(flatten)]
    pub found: FoundService,
    /// The comment above it in its proto.
    pub comment: String,
    /// Its methods; empty for a stock service without descriptors.
    pub methods: Vec<PlannedMethod>,
    /// Who may call a stock service without descriptors.
    #[serde(flatten)]
    pub others: Option<Decision>,
}

impl PlannedService {
    /// Its methods, as access rules see them; a service without descriptors has one, `*`.
    fn named(&self) -> Vec<(&str, &str, &str)> {
        let FoundService { app, name, .. } = &self.found;
        let others = self.others.iter().map(|_| "*");
        others
            .chain(self.methods.iter().map(|planned| planned.method.name.as_str()))
            .map(|method| (*app, *name, method))
            .collect()
    }
}

/// A method that will be served.
#[derive(Debug, Serialize)]
pub struct PlannedMethod {
    /// What its proto says.
    #[serde(flatten)]
    pub method: Arc<Method>,
    /// Who may call it, and which rule says so.
    #[serde(flatten)]
    pub decision: Decision,
    /// The rooms a call goes through, in order: Steeple's own, then the site's interceptors.
    pub chain: Vec<Arc<str>>,
}

/// The label that Steeple's own services are listed under.
const STEEPLE: &str = "steeple";

/// The services that Steeple brings, with their descriptors.
const OWN: [(&str, &[u8]); 4] = [
    (super::health::NAME, tonic_health::pb::FILE_DESCRIPTOR_SET),
    (super::reflection::V1, tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET),
    (super::reflection::V1ALPHA, tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET),
    (login::NAME, login::DESCRIPTORS),
];

impl Plan {
    /// Checks the server against the configuration.
    ///
    /// # Errors
    /// Every contradiction between the two, each a sentence: see [`Found::of`], and services that no descriptor describes
    /// or interceptors for methods that do not exist.
    pub fn of(server: &Server, config: &Config) -> Result<Self, Vec<String>> {
        let found = Found::of(&server.site, config)?;
        let mut methods =
            server.site.methods().map_err(|error| vec![format!("the site's descriptors do not decode: {error}")])?;
        let mut problems = server.site.admin_problems();
        let mut services = found.services;
        for (name, descriptors) in OWN {
            // Also for a stock service that takes the place of ours.
            if methods.service(name).is_none()
                && let Err(error) = methods.add(descriptors)
            {
                problems.push(format!("the descriptors of {name} do not decode: {error}"));
            }
            let on = match name {
                login::NAME => true,
                super::health::NAME => config.server.health,
                _ => config.server.reflection,
            };
            if on && !services.iter().any(|service| service.name == name) {
                services.push(FoundService {
                    app: STEEPLE,
                    name,
                    implementation: "steeple",
                    at: "steeple",
                    native: name == login::NAME,
                    make: (name == login::NAME)
                        .then(|| Arc::new(|setup: &Setup| Ok(login::service(&setup.identity.login))) as Make),
                });
            }
        }
        let policy = policy(server, config, &services);
        let services: Vec<_> =
            services.into_iter().map(|found| planned(server, &methods, &policy, found, &mut problems)).collect();
        let named: Vec<_> = services.iter().flat_map(PlannedService::named).collect();
        problems.extend(policy.problems(&named, |service| methods.service(service).is_some()));
        unused(server, &services, &mut problems);
        skipping_nothing(&config.log.skip, &methods, &services, &mut problems);
        let received = server.site.received(&config.apps);
        let receivers = received
            .map(|(app, received)| PlannedReceiver { app, event: received.event, receiver: received.receiver })
            .collect();
        if problems.is_empty() { Ok(Self { services, skipped: found.skipped, receivers }) } else { Err(problems) }
    }

    /// Every method that is served, by service.
    pub fn methods(&self) -> impl Iterator<Item = &PlannedMethod> {
        self.services.iter().flat_map(|service| &service.methods)
    }
}

/// Who may call what: as the apps say, as the configuration says, and what Steeple says of its own services.
fn policy(server: &Server, config: &Config, services: &[FoundService]) -> Policy {
    let mut policy = Policy::new(&config.auth);
    for app in server.site.apps.iter().filter(|app| config.apps.enabled(app.label)) {
        for (pattern, access) in &app.access {
            policy.app(app.label, pattern, access.clone());
        }
        for pattern in &app.auth_required {
            policy.auth_required(app.label, pattern);
        }
    }
    if services.iter().any(|service| service.name == login::NAME && service.app == STEEPLE) {
        for (method, access) in login::ACCESS {
            policy.app(STEEPLE, method, access);
        }
    }
    // Probes have no credential. What a production site serves is nobody's business but its callers'.
    policy.steeple(super::health::NAME, Access::Public);
    if config.env != Environment::Production {
        policy.steeple(super::reflection::V1, Access::Public);
        policy.steeple(super::reflection::V1ALPHA, Access::Public);
    }
    policy
}

fn planned(
    server: &Server,
    methods: &Methods,
    policy: &Policy,
    found: FoundService,
    problems: &mut Vec<String>,
) -> PlannedService {
    let info = methods.service(found.name);
    if info.is_none() && found.native {
        problems.push(format!(
            "{} is registered by {}, but no proto declares it; add its descriptors with site.descriptors(…)",
            found.name, found.at
        ));
    }
    let chain = |method: &str| {
        let rooms = ROOMS.into_iter().map(Arc::from);
        rooms.chain(server.chain(found.name, method).into_iter().map(|link| link.name)).collect::<Vec<_>>()
    };
    // A method without a rule keeps the site from starting, see `Policy::problems`.
    let decision = |method: &str| {
        policy
            .decide((found.app, found.name, method))
            .unwrap_or_else(|| Decision { access: Access::Superuser, access_from: "no rule".to_owned() })
    };
    let methods = info.into_iter().flat_map(|info| &info.methods).map(|method| PlannedMethod {
        method: method.clone(),
        decision: decision(&method.name),
        chain: chain(&method.name),
    });
    PlannedService {
        comment: info.map(|info| info.comment.clone()).unwrap_or_default(),
        methods: methods.collect(),
        others: info.is_none().then(|| decision("*")),
        found,
    }
}

/// An interceptor for nothing is a typing mistake that would leave a method without its guard.
fn unused(server: &Server, services: &[PlannedService], problems: &mut Vec<String>) {
    for placed in &server.interceptors {
        let Some(only) = &placed.only else { continue };
        let (service, method) = only.split_once('/').map_or((only.as_str(), None), |(left, right)| (left, Some(right)));
        let fits = services.iter().find(|planned| planned.found.name == service).is_some_and(|planned| {
            method.is_none_or(|method| planned.methods.iter().any(|planned| planned.method.name == method))
        });
        if !fits {
            let names: Vec<_> = services.iter().map(|planned| planned.found.name).collect();
            problems.push(format!(
                "interceptor {} is for {only}, which is not served; the services are: {}",
                placed.link.name,
                names.join(", ")
            ));
        }
    }
}

/// Likewise a name in `log.skip`. What the site's descriptors or ours declare may be skipped without being served.
fn skipping_nothing(skip: &[String], methods: &Methods, services: &[PlannedService], problems: &mut Vec<String>) {
    for name in skip {
        let (service, method) = name.split_once('/').map_or((name.as_str(), None), |(left, right)| (left, Some(right)));
        let known = match methods.service(service) {
            Some(info) => method.is_none_or(|method| info.methods.iter().any(|known| known.name == method)),
            None => services.iter().any(|planned| planned.found.name == service),
        };
        if !known {
            let names: Vec<_> = services.iter().map(|planned| planned.found.name).collect();
            problems.push(format!(
                "log.skip names {name}, which there is not; write a service or service/method; the services are: {}",
                names.join(", ")
            ));
        }
    }
}
