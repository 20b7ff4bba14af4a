//! Loading: the sources are merged, each key is judged by the table of keys and by its section's type, and each section
//! by its own rules.
//!
//! A key that is refused is left out and the rest is judged on, so that one load reports everything.

use std::{ffi::OsString, path::Path};

use serde::de::DeserializeOwned;

use super::{
    Config, Environment, Origin, Origins, Problem, Problems, Settings,
    keys::{self, Key, Kind},
    read::{self, Files, Variables},
    secret,
    tree::{Given, Leaf, Node, Table},
    typed::{Error, Source},
};
use crate::record;

impl Config {
    /// Loads the configuration of the site in `directory`, given the variables of the environment and what the command
    /// line overrides, as (`server.grpc`, text).
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load<K: Into<OsString>, V: Into<OsString>>(
        directory: &Path,
        variables: impl IntoIterator<Item = (K, V)>,
        overrides: &[(String, String)],
    ) -> Result<Self, Problems> {
        let variables = Variables::new(variables);
        let mut problems = Vec::new();
        let mut origins = Origins::default();
        let env = variables.environment(&mut problems);
        let files = Files::of(directory, &variables, env);
        let mut tree = Table::default();
        for (path, must_exist) in &files.paths {
            let shown = path.strip_prefix(directory).unwrap_or(path).display().to_string();
            if read::overlay_file(path, *must_exist, &shown, &mut tree, &mut problems) {
                origins.files.push(shown);
            }
        }
        variables.overlay(&mut tree, &mut problems);
        read::overlay_overrides(overrides, &mut tree);

        let defaults = Self::default().sections();
        let mut load = Loading { directory: &files.directory, variables: &variables, defaults, origins, problems };
        load.refuse_strangers(&tree);
        let mut section = |name| load.section(&mut tree, name);
        let (server, database, log) = (section("server"), section("database"), section("log"));
        let (calls, auth, cache) = (section("calls"), section("auth"), section("cache"));
        let (bus, centrifugo, streams) = (section("bus"), section("centrifugo"), section("streams"));
        let (node, admin, apps) = (section("node"), section("admin"), section("apps"));
        let config = Self {
            env,
            server: load.typed("server", &server),
            database: load.typed("database", &database),
            log: load.typed("log", &log),
            calls: load.typed("calls", &calls),
            auth: load.typed("auth", &auth),
            cache: load.typed("cache", &cache),
            bus: load.typed("bus", &bus),
            centrifugo: load.typed("centrifugo", &centrifugo),
            node: load.typed("node", &node),
            streams: load.typed("streams", &streams),
            admin: load.typed("admin", &admin),
            apps: load.typed("apps", &apps),
            settings: load.settings(&mut tree),
            origins: Origins::default(),
        };
        load.refuse("server", config.server.validate());
        load.refuse("database", config.database.validate());
        load.refuse("log", nonsense(&config.log));
        load.refuse("calls", config.calls.validate());
        let (production, development) = (env == Environment::Production, env == Environment::Development);
        load.refuse("auth", config.auth.validate(production, development));
        load.refuse("cache", config.cache.validate());
        load.refuse("bus", config.bus.validate());
        load.refuse("centrifugo", config.centrifugo.validate());
        load.refuse("node", config.node.validate());
        load.refuse("streams", config.streams.validate());
        load.refuse("admin", config.admin.validate());
        load.refuse("apps", config.apps.validate());
        if load.problems.is_empty() {
            return Ok(Self { origins: load.origins, ..config });
        }
        Err(Problems(load.problems))
    }

    /// Loads the configuration of the site in the current directory from the environment of this process.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn of_process(overrides: &[(String, String)]) -> Result<Self, Problems> {
        Self::load(Path::new(""), std::env::vars_os(), overrides)
    }
}

/// A load under way.
struct Loading<'l> {
    directory: &'l Path,
    variables: &'l Variables,
    defaults: toml::Table,
    origins: Origins,
    problems: Vec<Problem>,
}

impl Loading<'_> {
    /// Refuses what belongs to no section.
    fn refuse_strangers(&mut self, tree: &Table) {
        let names = || keys::SECTIONS.iter().map(|section| section.name).chain(["settings"]);
        for (name, node) in tree.entries.iter().filter(|(name, _)| !names().any(|known| known == *name)) {
            let message = match node {
                _ if name == "env" => "the environment is chosen by the variable STEEPLE_ENV, not here".to_owned(),
                Node::Table(_) => match keys::nearest(name, names()) {
                    Some(nearest) => format!("unknown section; did you mean [{nearest}]?"),
                    None => format!("unknown section; known are {}", names().collect::<Vec<_>>().join(", ")),
                },
                Node::Leaf(leaf) => match keys::nearest_key(name) {
                    Some(nearest) => format!("unknown key; did you mean {}?", said_as(&nearest, &leaf.origin)),
                    None => format!("unknown key; known sections are {}", names().collect::<Vec<_>>().join(", ")),
                },
            };
            self.problems.push(Problem::new(node.origin(), name, message));
        }
    }

    /// Takes a section out of the tree, with the keys that are known and follow their secrets.
    fn section(&mut self, tree: &mut Table, name: &'static str) -> Table {
        let mut section = match tree.entries.remove(name) {
            Some(Node::Table(table)) => table,
            Some(node) => {
                let message = format!("expected a section, found {}; write [{name}] above its keys", node.shown());
                self.problems.push(Problem::new(node.origin(), name, message));
                Table::default()
            }
            None => Table::default(),
        };
        section.entries.retain(|key, node| {
            let known = keys::section(name).and_then(|section| section.key(key));
            if known.is_none() {
                self.unknown(name, key, node);
            }
            known.is_some_and(|known| self.follow_secret(name, known, node))
        });
        section
    }

    fn unknown(&mut self, section: &str, key: &str, node: &Node) {
        let path = format!("{section}.{key}");
        let nearest = keys::nearest_key(&path).zip(node.origin()).map(|(nearest, origin)| said_as(&nearest, origin));
        let known = || keys::section(section).map_or(&[][..], |section| section.keys).iter().map(|key| key.name);
        let message = match nearest {
            Some(nearest) => format!("unknown key; did you mean {nearest}?"),
            None => format!("unknown key; [{section}] has {}", known().collect::<Vec<_>>().join(", ")),
        };
        self.problems.push(Problem::new(node.origin(), path, message));
    }

    /// Replaces a reference by the secret it refers to; false when there is none.
    fn follow_secret(&mut self, section: &str, key: &Key, node: &mut Node) -> bool {
        if let Node::Table(table) = node {
            table.entries.retain(|_, node| self.follow_secret(section, key, node));
            return true;
        }
        let Node::Leaf(Leaf { value: Given::Typed(toml::Value::String(text)) | Given::Text(text), origin }) = node
        else {
            return true;
        };
        if !key.secret {
            return true;
        }
        match secret::follow(text, self.directory, self.variables) {
            Some(Ok(secret)) => *text = secret,
            Some(Err(message)) => {
                self.problems.push(Problem::new(Some(origin), format!("{section}.{}", key.name), message));
                return false;
            }
            None => {}
        }
        true
    }

    /// The section as its type: of the keys, those whose values fit.
    fn typed<T: Default + DeserializeOwned>(&mut self, section: &'static str, table: &Table) -> T {
        let mut fitting = Table::default();
        for (name, node) in &table.entries {
            let alone = Table { entries: [(name.clone(), node.clone())].into(), origin: None };
            match T::deserialize(Source::Table(&alone)) {
                Ok(_) => {
                    if let Some(origin) = node.origin() {
                        self.origins.keys.insert(format!("{section}.{name}"), origin.clone());
                    }
                    fitting.overlay(alone);
                }
                Err(error) => self.misfit(section, name, node, &error),
            }
        }
        T::deserialize(Source::Table(&fitting)).unwrap_or_else(|error| {
            self.problems.push(Problem::new(None, section, error.to_string()));
            T::default()
        })
    }

    fn misfit(&mut self, section: &'static str, name: &str, node: &Node, error: &Error) {
        let path = format!("{section}.{name}");
        let Some(key) = keys::section(section).and_then(|section| section.key(name)) else {
            return;
        };
        let found = if key.secret { "something else".to_owned() } else { node.shown() };
        let default = self.defaults[section].get(name);
        let default = default
            .map_or("not to set it".to_owned(), |value| if key.secret { "text".to_owned() } else { value.to_string() });
        let message = match (key.kind, number(node)) {
            (Kind::Duration, Some(number)) => {
                format!("expected a duration, found {found}; say the unit: \"{number}s\"")
            }
            (Kind::Whole | Kind::Bytes, Some(number)) if number > 0 => {
                format!("{number} is too large; the default is {default}")
            }
            (kind, _) if error.path.len() <= 1 => {
                format!("expected {}, found {found}; the default is {default}", kind.expected())
            }
            (_, _) => format!("{}: {error}", error.path[1..].join(".")),
        };
        self.problems.push(Problem::new(node.origin(), path, message));
    }

    /// Takes the settings of the apps out of the tree.
    fn settings(&mut self, tree: &mut Table) -> Settings {
        let mut settings = match tree.entries.remove("settings") {
            Some(Node::Table(table)) => table,
            Some(node) => {
                let message = "expected tables, one per app; write [settings.<app>] above the keys of an app";
                self.problems.push(Problem::new(node.origin(), "settings", message));
                Table::default()
            }
            None => Table::default(),
        };
        settings.entries.retain(|label, node| {
            let key = format!("settings.{label}");
            let Node::Table(_) = node else {
                let message = "expected a table: settings belong to an app; write [settings.<app>] above the key";
                self.problems.push(Problem::new(node.origin(), key, message));
                return false;
            };
            if let Some(origin) = node.origin() {
                self.origins.keys.insert(key, origin.clone());
            }
            true
        });
        Settings(settings)
    }

    /// Reports what a section's own rules refuse.
    fn refuse(&mut self, section: &str, wrong: Vec<(&'static str, String)>) {
        for (name, message) in wrong {
            let key = format!("{section}.{name}");
            self.problems.push(Problem::new(self.origins.of(&key), key.as_str(), message));
        }
    }
}

/// A key as its source would spell it.
fn said_as(key: &str, origin: &Origin) -> String {
    match origin {
        Origin::Variable(_) => keys::variable(key),
        Origin::File { .. } | Origin::Argument | Origin::Code => key.to_owned(),
    }
}

/// The whole number in a leaf, typed or text.
fn number(node: &Node) -> Option<i128> {
    match node {
        Node::Leaf(Leaf { value: Given::Typed(toml::Value::Integer(number)), .. }) => Some((*number).into()),
        Node::Leaf(Leaf { value: Given::Text(text), .. }) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Everything the request log refuses: it names one key at a time, so each is put back to its default in turn.
fn nonsense(config: &record::Config) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    let Ok(mut table) = toml::Table::try_from(config) else {
        return wrong;
    };
    while let Some(Err(nonsense)) = table.clone().try_into::<record::Config>().ok().map(|config| config.check())
        && table.remove(nonsense.key).is_some()
    {
        wrong.push((nonsense.key, format!("{}, found {}", nonsense.must, nonsense.value)));
    }
    wrong
}
