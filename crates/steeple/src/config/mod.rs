//! The configuration of a site: one value, made of each module's own `Config`, loaded once before anything starts.
//!
//! Sources, later wins: defaults · `steeple.toml` · `steeple.<env>.toml` · environment `STEEPLE_SECTION__KEY` · command
//! line. `STEEPLE_ENV` names the environment, `STEEPLE_CONFIG` another file or directory. Loading is a function of
//! values, so that tests need no process environment, and it reports everything that is wrong at once: the place, the
//! key, what was expected, what was found, the nearest known name.
//!
//! Must never: keep a value after it was loaded elsewhere than in [`Config`], show a secret, or ignore a key.

mod apps;
mod document;
mod environment;
mod keys;
mod load;
mod problem;
mod read;
mod secret;
mod sections;
mod settings;
mod tree;
mod typed;

use std::{collections::BTreeMap, fmt};

use serde::de::DeserializeOwned;

pub use self::{
    apps::AppsConfig,
    environment::Environment,
    problem::{Origin, Problem, Problems},
    settings::Settings,
};
use crate::{admin, auth, bus, cache, centrifugo, db, interceptor, node, record, server, stream};

/// Everything a site is told from outside.
#[derive(Clone, Default, PartialEq)]
pub struct Config {
    /// `STEEPLE_ENV`.
    pub env: Environment,
    /// `[server]`.
    pub server: server::Config,
    /// `[database]`. The url may hold a password.
    pub database: db::Config,
    /// `[log]`.
    pub log: record::Config,
    /// `[calls]`.
    pub calls: interceptor::Config,
    /// `[auth]`. Holds secrets.
    pub auth: auth::Config,
    /// `[cache]`. The url may hold a password.
    pub cache: cache::Config,
    /// `[bus]`. Holds secrets.
    pub bus: bus::Config,
    /// `[centrifugo]`. Holds a secret.
    pub centrifugo: centrifugo::Config,
    /// `[node]`.
    pub node: node::Config,
    /// `[streams]`.
    pub streams: stream::Config,
    /// `[admin]`.
    pub admin: admin::Config,
    /// `[apps]`.
    pub apps: AppsConfig,
    /// `[settings.<app>]`.
    pub settings: Settings,
    /// Where each value that is not a default was said.
    pub origins: Origins,
}

/// Where the values came from: the files that were read, and for each key that some source set, the last one that did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origins {
    files: Vec<String>,
    keys: BTreeMap<String, Origin>,
}

impl Origins {
    /// Where `server.grpc` was said; `None` for a default.
    pub fn of(&self, key: &str) -> Option<&Origin> {
        self.keys.get(key)
    }
}

impl Config {
    /// The files that were there, in the order they were read, as seen from the site's directory.
    pub fn files(&self) -> &[String] {
        &self.origins.files
    }

    /// The settings of the app `label` as its type: `[settings.<label>]`, unknown keys refused when `T` denies them.
    ///
    /// # Errors
    /// What does not fit, with file, line and key.
    pub fn settings<T: DeserializeOwned>(&self, label: &str) -> Result<T, Problem> {
        self.settings.read(label)
    }

    /// What is wrong with the app labels, now that the labels of the site are known: an unknown one in `enabled_apps`,
    /// or settings for an app that does not exist.
    pub fn check_labels(&self, labels: &[&str]) -> Vec<Problem> {
        let known = || {
            if labels.is_empty() {
                "the site has no apps".to_owned()
            } else {
                format!("the site's apps are {}", labels.join(", "))
            }
        };
        let unknown = |label: &str| match keys::nearest(label, labels.iter().copied()) {
            Some(nearest) => format!("there is no app \"{label}\"; did you mean \"{nearest}\"? {}", known()),
            None => format!("there is no app \"{label}\"; {}", known()),
        };
        let enabled = self.apps.enabled_apps.iter().flatten().filter(|label| !labels.contains(&label.as_str()));
        let origin = self.origins.of("apps.enabled_apps");
        let mut problems: Vec<Problem> =
            enabled.map(|label| Problem::new(origin, "apps.enabled_apps", unknown(label))).collect();
        let strangers = self.settings.labels().filter(|(label, _)| !labels.contains(label));
        problems
            .extend(strangers.map(|(label, origin)| Problem::new(origin, format!("settings.{label}"), unknown(label))));
        problems
    }

    /// The sections as they could be written to a file, without secrets: for showing.
    pub fn redacted(&self) -> toml::Table {
        let mut shown = self.sections();
        for section in keys::SECTIONS {
            for key in section.keys.iter().filter(|key| key.secret) {
                if let Some(value) = shown.get_mut(section.name).and_then(|table| table.get_mut(key.name)) {
                    redact(value);
                }
            }
        }
        shown.insert("env".to_owned(), toml::Value::String(self.env.to_string()));
        shown
    }

    /// Every section but settings, as tables.
    fn sections(&self) -> toml::Table {
        fn table<T: serde::Serialize>(config: &T) -> toml::Value {
            toml::Value::try_from(config).expect("every Config is a struct of plain values")
        }
        toml::Table::from_iter([
            ("server".to_owned(), table(&self.server)),
            ("database".to_owned(), table(&self.database)),
            ("log".to_owned(), table(&self.log)),
            ("calls".to_owned(), table(&self.calls)),
            ("auth".to_owned(), table(&self.auth)),
            ("cache".to_owned(), table(&self.cache)),
            ("bus".to_owned(), table(&self.bus)),
            ("centrifugo".to_owned(), table(&self.centrifugo)),
            ("node".to_owned(), table(&self.node)),
            ("streams".to_owned(), table(&self.streams)),
            ("admin".to_owned(), table(&self.admin)),
            ("apps".to_owned(), table(&self.apps)),
        ])
    }
}

/// A URL without its password; nothing of any other secret.
fn redact(value: &mut toml::Value) {
    match value {
        toml::Value::String(text) if text.contains("://") => *text = db::redacted(text),
        toml::Value::String(text) => "***".clone_into(text),
        toml::Value::Table(table) => table.iter_mut().for_each(|(_, value)| redact(value)),
        _ => {}
    }
}

impl fmt::Debug for Config {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("sections", &self.redacted())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
