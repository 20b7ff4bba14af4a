//! What a key of the configuration is, and how one is found in the table of all, [`SECTIONS`].

pub(super) use super::sections::SECTIONS;

/// A section of the file, with what the default file says above it.
#[derive(Debug)]
pub(super) struct Section {
    pub name: &'static str,
    pub doc: &'static str,
    pub keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// What it means, with its unit; for the default file.
    pub doc: &'static str,
    /// A value to show, in TOML, for a key that has no default.
    pub example: Option<&'static str>,
    /// May hold a secret: `env:NAME` and `file:PATH` are followed, and its value is never shown.
    pub secret: bool,
}

/// What a value is, in the words of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Address,
    Text,
    Whole,
    Bytes,
    Duration,
    Switch,
    Share,
    List,
    Choice(&'static [&'static str]),
    Choices(&'static [&'static str]),
    Map,
}

impl Kind {
    /// "expected …".
    pub fn expected(self) -> String {
        let quoted = |words: &[&str]| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        match self {
            Self::Address => "an address such as \"127.0.0.1:8000\"".to_owned(),
            Self::Text => "text in quotes".to_owned(),
            Self::Whole => "a whole number of 0 or more".to_owned(),
            Self::Bytes => "a whole number of bytes, such as 4194304 for 4 MiB".to_owned(),
            Self::Duration => "a duration such as \"200ms\", \"10s\" or \"5m\"".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Share => "a number from 0 to 1".to_owned(),
            Self::List => "a list such as [\"one\", \"two\"]".to_owned(),
            Self::Choice(words) => format!("one of {}", quoted(words)),
            Self::Choices(words) => format!("a list of any of {}", quoted(words)),
            Self::Map => "a table of name = \"value\"".to_owned(),
        }
    }
}

pub(super) const fn key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, doc, example: None, secret: false }
}

impl Key {
    pub const fn example(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }

    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

/// Environment variables that start with `STEEPLE_` and are no configuration; a name that ends in `_` is a prefix.
pub(super) const OTHER_VARIABLES: &[&str] = &[
    "STEEPLE_ENV",
    "STEEPLE_CONFIG",
    "STEEPLE_LOCKED",
    "STEEPLE_TEST_",
    "STEEPLE_UPDATE_GOLDEN",
    "STEEPLE_API_KEY",
    "STEEPLE_SUPERUSER_PASSWORD",
];

/// The section with this name.
pub(super) fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

impl Section {
    /// The key with this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// The environment variable of a key: `STEEPLE_SERVER__GRPC`.
pub(super) fn variable(path: &str) -> String {
    format!("STEEPLE_{}", path.replace('.', "__").to_uppercase())
}

/// The known key that `path` most likely means.
pub(super) fn nearest_key(path: &str) -> Option<String> {
    let (near, name) = path.split_once('.').unwrap_or(("", path));
    let all = SECTIONS.iter().flat_map(|section| section.keys.iter().map(move |key| (section.name, key.name)));
    let score = |(section, key): (&str, &str)| {
        if section == near {
            strsim::normalized_damerau_levenshtein(name, key)
        } else if name == key {
            0.95
        } else {
            0.9 * strsim::normalized_damerau_levenshtein(path, &format!("{section}.{key}"))
        }
    };
    best(all.map(|(section, key)| (score((section, key)), format!("{section}.{key}"))))
}

/// The one of `names` that `name` most likely means.
pub(super) fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    best(names.into_iter().map(|known| (strsim::normalized_damerau_levenshtein(name, known), known)))
}

/// The best of the scored names, if it is near enough to be worth naming.
fn best<N>(scored: impl Iterator<Item = (f64, N)>) -> Option<N> {
    scored.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(score, _)| *score >= 0.55).map(|(_, name)| name)
}
