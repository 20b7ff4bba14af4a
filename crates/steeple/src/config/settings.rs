//! Section `[settings]`: what the site's own apps may be told, one table per app label.
//!
//! `[settings.crypto]` is read by the app `crypto` as a type of its own. Must never: know what any of it means.

use std::fmt;

use serde::de::DeserializeOwned;

use super::{
    keys,
    problem::{Origin, Problem},
    tree::{Node, Table},
    typed::{Error, Reason, Source},
};

/// The settings of all apps, with the place each was said.
#[derive(Clone, Default, PartialEq)]
pub struct Settings(pub(super) Table);

impl Settings {
    /// The settings of the app `label` as its type. An app without settings is read from an empty table.
    ///
    /// # Errors
    /// A key the type does not have (when it denies unknown fields), a wrong type, or a missing key, with the file
    /// and line.
    pub fn read<T: DeserializeOwned>(&self, label: &str) -> Result<T, Problem> {
        let empty = Table::default();
        let source = self.0.entries.get(label).map_or(Source::Table(&empty), Source::Node);
        T::deserialize(source).map_err(|error| self.problem(label, error))
    }

    /// Labels that have settings, and where they were first said.
    pub fn labels(&self) -> impl Iterator<Item = (&str, Option<&Origin>)> {
        self.0.entries.iter().map(|(label, node)| (label.as_str(), node.origin()))
    }

    /// Sets the settings of an app, for a site or a test made in code.
    pub fn insert(&mut self, label: impl Into<String>, settings: &toml::Table) {
        self.0.entries.insert(label.into(), Node::Table(settings.into()));
    }

    fn problem(&self, label: &str, error: Error) -> Problem {
        let path: Vec<String> = std::iter::once(label.to_owned()).chain(error.path).collect();
        let key = format!("settings.{}", path.join("."));
        let message = match error.reason {
            Reason::Unknown { expected } => {
                let last = path.last().map_or("", String::as_str);
                match keys::nearest(last, expected.iter().copied()) {
                    Some(nearest) => format!("unknown key; did you mean {nearest}?"),
                    None if expected.is_empty() => "unknown key; the app has no settings".to_owned(),
                    None => format!("unknown key; the app knows {}", expected.join(", ")),
                }
            }
            Reason::Missing { field } => {
                let path = format!("{key}.{field}");
                let variable = keys::variable(&path);
                return Problem::new(
                    self.0.deepest(&[label.to_owned()]).and_then(Node::origin),
                    path,
                    format!("is missing; set it in [{key}] of steeple.toml, or {variable}"),
                );
            }
            Reason::Mismatch { expected, found } => format!("expected {expected}, found {found}"),
            Reason::Other(message) => message,
        };
        Problem::new(self.0.deepest(&path).and_then(Node::origin), key, message)
    }
}

impl fmt::Debug for Settings {
    /// The keys; values may be secrets of the apps.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = |node: &Node| match node {
            Node::Table(table) => table.entries.keys().cloned().collect(),
            Node::Leaf(_) => Vec::new(),
        };
        f.debug_map().entries(self.0.entries.iter().map(|(label, node)| (label, keys(node)))).finish()
    }
}
