//! The sources: files, environment, command line. Each is read into a tree; nothing is judged here but syntax.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::de::{DeTable, DeValue};

use super::{
    Environment,
    keys::{self, OTHER_VARIABLES},
    problem::{Origin, Problem},
    tree::{Given, Leaf, Node, Table},
};

/// The variables of a process, by name. A value that is not UTF-8 is `None`.
pub(super) struct Variables(BTreeMap<String, Option<String>>);

impl Variables {
    pub fn new<K: Into<OsString>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        // A name that is not UTF-8 cannot be one of ours.
        let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name.into().into_string().ok()?, value.into())));
        Self(pairs.map(|(name, value)| (name, value.into_string().ok())).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_deref()
    }

    /// `STEEPLE_ENV`.
    pub fn environment(&self, problems: &mut Vec<Problem>) -> Environment {
        let Some(text) = self.get("STEEPLE_ENV").filter(|text| !text.is_empty()) else {
            return Environment::default();
        };
        text.parse().unwrap_or_else(|problem: String| {
            problems.push(Problem::new(Some(&Origin::Variable("STEEPLE_ENV".to_owned())), "", problem));
            Environment::default()
        })
    }

    /// Lays every `STEEPLE_SECTION__KEY` over the tree.
    pub fn overlay(&self, tree: &mut Table, problems: &mut Vec<Problem>) {
        for (name, value) in &self.0 {
            let Some(rest) = name.strip_prefix("STEEPLE_") else {
                continue;
            };
            if OTHER_VARIABLES.iter().any(|known| name == known || (known.ends_with('_') && name.starts_with(known))) {
                continue;
            }
            let origin = Origin::Variable(name.clone());
            let path: Vec<String> = rest.to_lowercase().split("__").map(str::to_owned).collect();
            let known = path.len() > 1 && path.iter().all(|part| !part.is_empty());
            if !known || (path[0] != "settings" && keys::section(&path[0]).is_none()) {
                problems.push(Problem::new(Some(&origin), "", unknown_variable(name)));
                continue;
            }
            match value {
                Some(text) => tree.set(&path, Leaf { value: Given::Text(text.clone()), origin }),
                None => problems.push(Problem::new(Some(&origin), path.join("."), "is not UTF-8 text")),
            }
        }
    }
}

fn unknown_variable(name: &str) -> String {
    let known = keys::SECTIONS.iter().flat_map(|section| {
        section.keys.iter().map(move |key| keys::variable(&format!("{}.{}", section.name, key.name)))
    });
    let known: Vec<String> = known.chain(OTHER_VARIABLES.iter().map(|name| (*name).to_owned())).collect();
    // Without the common beginning, which would make everything near.
    let bare = |name: &'_ str| name["STEEPLE_".len()..].to_owned();
    let names: Vec<String> = known.iter().map(|name| bare(name)).collect();
    let nearest = keys::nearest(&bare(name), names.iter().map(String::as_str));
    match nearest.filter(|name| !name.ends_with('_')).map(|name| format!("STEEPLE_{name}")) {
        Some(nearest) => format!("unknown variable; did you mean {nearest}?"),
        None => "unknown variable; configuration is STEEPLE_SECTION__KEY with two underscores between \
                 (STEEPLE_SERVER__GRPC)"
            .to_owned(),
    }
}

/// Lays the command line over the tree.
pub(super) fn overlay_overrides(overrides: &[(String, String)], tree: &mut Table) {
    for (key, text) in overrides {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        tree.set(&path, Leaf { value: Given::Text(text.clone()), origin: Origin::Argument });
    }
}

/// The files of a site, in the order they are read, and the directory that relative paths start at.
pub(super) struct Files {
    pub directory: PathBuf,
    /// Each file, and whether it must exist.
    pub paths: [(PathBuf, bool); 2],
}

impl Files {
    /// `steeple.toml` and `steeple.<env>.toml` in the site's directory, or what `STEEPLE_CONFIG` names: another
    /// directory, or another file, beside which `<name>.<env>.toml` is looked for.
    pub fn of(directory: &Path, variables: &Variables, environment: Environment) -> Self {
        let named =
            variables.get("STEEPLE_CONFIG").filter(|named| !named.is_empty()).map(|named| directory.join(named));
        let (file, must) = match named {
            Some(named) if named.is_dir() => (named.join("steeple.toml"), true),
            Some(named) => (named, true),
            None => (directory.join("steeple.toml"), false),
        };
        let second = file.with_extension(format!("{environment}.toml"));
        let directory = file.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        Self { directory, paths: [(file, must), (second, false)] }
    }
}

/// Lays a file over the tree; tells whether it was there.
pub(super) fn overlay_file(
    path: &Path,
    must_exist: bool,
    shown: &str,
    tree: &mut Table,
    problems: &mut Vec<Problem>,
) -> bool {
    let name: Arc<str> = shown.into();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => return false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let origin = Origin::Variable("STEEPLE_CONFIG".to_owned());
            problems.push(Problem::new(
                Some(&origin),
                "",
                format!("there is no file {name}; create it or unset the variable"),
            ));
            return false;
        }
        Err(error) => {
            problems.push(Problem::new(None, "", format!("{name} cannot be read: {error}")));
            return false;
        }
    };
    let (document, errors) = DeTable::parse_recoverable(&text);
    if errors.is_empty() {
        let lines = Lines::of(&text, &name);
        tree.overlay(lines.table(document.get_ref(), Some(lines.origin(0))));
    }
    // What a broken file seems to say is not worth judging: its syntax comes first.
    for error in errors {
        let line = error.span().map_or(1, |span| Lines::of(&text, &name).line(span.start));
        let origin = Origin::File { name: name.clone(), line };
        problems.push(Problem::new(Some(&origin), "", format!("is not TOML: {}", error.message())));
    }
    true
}

/// Where the lines of a file start, to tell the line of a byte.
struct Lines {
    name: Arc<str>,
    starts: Vec<usize>,
}

impl Lines {
    fn of(text: &str, name: &Arc<str>) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.clone(), starts }
    }

    fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }

    fn origin(&self, at: usize) -> Origin {
        Origin::File { name: self.name.clone(), line: self.line(at) }
    }

    fn table(&self, table: &DeTable<'_>, origin: Option<Origin>) -> Table {
        let entries = table.iter().map(|(key, value)| {
            let origin = self.origin(key.span().start);
            let node = match value.get_ref() {
                DeValue::Table(table) => Node::Table(self.table(table, Some(origin))),
                value => Node::Leaf(Leaf { value: Given::Typed(typed(value)), origin }),
            };
            (key.get_ref().to_string(), node)
        });
        Table { entries: entries.collect(), origin }
    }
}

/// The value without its place. A number too large for TOML's integers stays text, and is refused by its key.
fn typed(value: &DeValue<'_>) -> toml::Value {
    match value {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map_or_else(|_| toml::Value::String(number.to_string()), toml::Value::Integer)
        }
        DeValue::Float(number) => {
            let parsed = number.as_str().parse();
            parsed.map_or_else(|_| toml::Value::String(number.to_string()), toml::Value::Float)
        }
        DeValue::Boolean(switch) => toml::Value::Boolean(*switch),
        DeValue::Datetime(time) => toml::Value::Datetime(*time),
        DeValue::Array(values) => toml::Value::Array(values.iter().map(|value| typed(value.get_ref())).collect()),
        DeValue::Table(table) => {
            let entries = table.iter().map(|(key, value)| (key.get_ref().to_string(), typed(value.get_ref())));
            toml::Value::Table(entries.collect())
        }
    }
}
