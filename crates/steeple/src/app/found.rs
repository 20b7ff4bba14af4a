//! Which services of a site are served, and which are not and why: the site against `[apps]` of the configuration.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::{App, Registration, Site};
use crate::config::{AppsConfig, Config};

const NOT_NAMED: &str = "apps.auto_register_apps is off and apps.custom_services does not name it";

/// What discovery found, for the start-up report and the `services` command.
#[derive(Debug, Serialize)]
pub struct Found {
    /// Services that are served.
    pub services: Vec<FoundService>,
    /// What was seen and is not served.
    pub skipped: Vec<Skipped>,
}

/// A service that is served.
#[derive(Serialize)]
pub struct FoundService {
    /// The label of its app.
    pub app: &'static str,
    /// The full name.
    pub name: &'static str,
    /// The type that implements it.
    pub implementation: &'static str,
    /// The file and line of the implementation.
    pub at: &'static str,
    /// `false` for a service made by tonic's own generator.
    pub native: bool,
    #[serde(skip)]
    pub(crate) make: Option<super::Make>,
}

impl fmt::Debug for FoundService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoundService").field("app", &self.app).field("name", &self.name).finish_non_exhaustive()
    }
}

/// Something that is not served.
#[derive(Debug, Serialize)]
pub struct Skipped {
    /// The label of its app.
    pub app: &'static str,
    /// What: a service's full name, or empty when it is the app itself.
    pub name: String,
    /// Why not, and what would change it.
    pub why: String,
}

impl Found {
    /// Decides for every service of the site.
    ///
    /// # Errors
    /// Every contradiction: an unknown label in `enabled_apps`, a name in `custom_services` that no app has, two apps
    /// that serve one service. The server must not start with one.
    pub fn of(site: &Site, config: &Config) -> Result<Self, Vec<String>> {
        let labels: Vec<_> = site.apps.iter().map(|app| app.label).collect();
        let mut problems: Vec<_> = config.check_labels(&labels).iter().map(ToString::to_string).collect();
        problems.extend(site.in_order().err().unwrap_or_default());
        let config = &config.apps;
        let custom = custom(site, config, &mut problems);
        let mut found = Self { services: vec![], skipped: vec![] };
        for app in &site.apps {
            found.app(app, config, &custom);
        }
        for stock in &site.stock {
            let (app, name) = (stock.app, stock.name);
            if !config.enabled(app) {
                continue;
            }
            if !config.auto_register_apps && !custom.contains(&name) {
                found.skipped.push(Skipped { app, name: name.to_owned(), why: NOT_NAMED.to_owned() });
                continue;
            }
            found.services.push(FoundService {
                app,
                name,
                implementation: "a tonic service",
                at: "tonic_service",
                native: false,
                make: None,
            });
        }
        let mut by_name = BTreeMap::<&str, &FoundService>::new();
        for service in &found.services {
            if let Some(first) = by_name.insert(service.name, service) {
                let FoundService { name, app, at, .. } = service;
                problems.push(format!(
                    "{name} is served twice: by app {} ({}) and by app {app} ({at}); remove one, or leave one app out of apps.enabled_apps",
                    first.app, first.at
                ));
            }
        }
        if problems.is_empty() { Ok(found) } else { Err(problems) }
    }

    fn app(&mut self, app: &App, config: &AppsConfig, custom: &[&str]) {
        let label = app.label;
        let skip = |name: &str, why: String| Skipped { app: label, name: name.to_owned(), why };
        if !config.enabled(label) {
            self.skipped.push(skip("", "not in apps.enabled_apps".to_owned()));
            return;
        }
        self.skipped.extend(app.skipped.iter().map(|why| skip("", why.clone())));
        for Registration { service, implementation, at, make } in &app.services {
            if !config.auto_register_apps && !custom.contains(service) {
                self.skipped.push(skip(service, NOT_NAMED.to_owned()));
                continue;
            }
            self.services.push(FoundService {
                app: label,
                name: service,
                implementation,
                at,
                native: true,
                make: Some(make.clone()),
            });
        }
    }
}

/// The full names that `custom_services` means; it may give the implementation's path instead, as the seeds do.
fn custom<'a>(site: &'a Site, config: &AppsConfig, problems: &mut Vec<String>) -> Vec<&'a str> {
    let ours = site.apps.iter().flat_map(|app| &app.services);
    let ours = ours.map(|registration| (registration.service, registration.implementation));
    let all: Vec<_> = ours.chain(site.stock.iter().map(|stock| (stock.name, stock.name))).collect();
    let mut names = vec![];
    for (key, wanted) in &config.custom_services {
        let means = |(name, implementation): &&(&str, &str)| [name, implementation].contains(&&wanted.as_str());
        // One type may implement several services.
        let before = names.len();
        names.extend(all.iter().filter(means).map(|(name, _)| *name));
        if names.len() == before {
            let known: Vec<_> = all.iter().map(|(name, _)| *name).collect();
            problems.push(format!(
                "apps.custom_services.{key}: there is no service {wanted}; the services are: {}",
                known.join(", ")
            ));
        }
    }
    names
}
