//! One thing that is wrong with the configuration, and the report of all of them.
//!
//! Must never: show the value of a key that may hold a secret.

use std::{fmt, sync::Arc};

/// Where a value was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a file, at a line (counted from 1).
    File {
        /// The file, as seen from the site's directory.
        name: Arc<str>,
        /// The line of the key.
        line: usize,
    },
    /// In an environment variable.
    Variable(String),
    /// On the command line.
    Argument,
    /// In the program itself: [`Settings::insert`](super::Settings::insert).
    Code,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Variable(name) => f.write_str(name),
            Self::Argument => f.write_str("command line"),
            Self::Code => f.write_str("code"),
        }
    }
}

/// One thing that is wrong: where, which key, and a sentence that says what was expected, found, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    origin: Option<Origin>,
    key: String,
    message: String,
}

impl Problem {
    pub(super) fn new(origin: Option<&Origin>, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin: origin.cloned(), key: key.into(), message: message.into() }
    }

    /// Where the value was said; `None` for something that is missing, or a default.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// The full key: `server.grpc`. Empty when a whole file is meant.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong and what to do.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl From<Problem> for crate::Error {
    /// INTERNAL: the caller of a service has no part in it.
    fn from(problem: Problem) -> Self {
        Self::internal("internal error").because(problem)
    }
}

/// Everything that is wrong with the configuration, at once. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// The problems, in the order they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a problem:")?,
            n => write!(f, "the configuration has {n} problems:")?,
        }
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}
