//! What the sources said, merged, before anything knows what it means.
//!
//! A tree of tables; each leaf is a value with the place it came from. Files give typed values, the environment and
//! the command line give text, which gets its type from the key it is for.

use std::collections::BTreeMap;

use super::problem::Origin;

/// A table or a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Table(Table),
    Leaf(Leaf),
}

/// A value and where it was said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    pub value: Given,
    pub origin: Origin,
}

/// A value as its source gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given {
    Typed(toml::Value),
    Text(String),
}

/// Keys and what they hold; `origin` is where the table was first named.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Table {
    pub entries: BTreeMap<String, Node>,
    pub origin: Option<Origin>,
}

impl Node {
    /// Where this was said; for a table, where it was first named.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Table(table) => table.origin.as_ref(),
            Self::Leaf(leaf) => Some(&leaf.origin),
        }
    }

    /// The value as a reader would write it, cut to a length that fits a line.
    pub fn shown(&self) -> String {
        let text = match self {
            Self::Table(_) => "a table".to_owned(),
            Self::Leaf(Leaf { value: Given::Typed(value), .. }) => value.to_string(),
            Self::Leaf(Leaf { value: Given::Text(text), .. }) => format!("\"{text}\""),
        };
        if text.chars().count() <= 60 { text } else { text.chars().take(60).chain(['…']).collect() }
    }
}

impl Table {
    /// Lays `later` over this table: tables are joined, anything else is replaced.
    pub fn overlay(&mut self, later: Self) {
        if self.origin.is_none() {
            self.origin = later.origin;
        }
        for (key, node) in later.entries {
            match (self.entries.get_mut(&key), node) {
                (Some(Node::Table(mine)), Node::Table(theirs)) => mine.overlay(theirs),
                (_, node) => {
                    self.entries.insert(key, node);
                }
            }
        }
    }

    /// Sets the value at `path`, making the tables on the way.
    pub fn set(&mut self, path: &[String], leaf: Leaf) {
        let Some((key, rest)) = path.split_first() else { return };
        if rest.is_empty() {
            self.entries.insert(key.clone(), Node::Leaf(leaf));
            return;
        }
        let table = || Node::Table(Self { entries: BTreeMap::new(), origin: Some(leaf.origin.clone()) });
        let next = self.entries.entry(key.clone()).or_insert_with(table);
        if let Node::Leaf(_) = next {
            *next = table();
        }
        if let Node::Table(table) = next {
            table.set(rest, leaf);
        }
    }

    /// The node at `path`, or the last one on the way to it.
    pub fn deepest(&self, path: &[String]) -> Option<&Node> {
        let (key, rest) = path.split_first()?;
        let node = self.entries.get(key)?;
        match node {
            Node::Table(table) => table.deepest(rest).or(Some(node)),
            Node::Leaf(_) => Some(node),
        }
    }
}

impl From<&toml::Table> for Table {
    /// A table made in code.
    fn from(table: &toml::Table) -> Self {
        let entries = table.iter().map(|(key, value)| {
            let node = match value {
                toml::Value::Table(table) => Node::Table(table.into()),
                value => Node::Leaf(Leaf { value: Given::Typed(value.clone()), origin: Origin::Code }),
            };
            (key.clone(), node)
        });
        Self { entries: entries.collect(), origin: Some(Origin::Code) }
    }
}
