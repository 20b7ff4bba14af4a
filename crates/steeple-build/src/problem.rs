//! What is wrong, and where: a file of the site, a line, a column, and what to do about it.
//!
//! Takes nothing; gives [`Problem`], the one shape of every error and warning of this crate.
//! Must never: hold a path that a terminal at the site's root cannot open.

use std::fmt;

/// One error or warning, placed in a source file of the site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, relative to the site's root, with `/` between its parts.
    pub file: String,
    /// The line, from 1; 0 when the problem belongs to the whole file.
    pub line: usize,
    /// The column in characters, from 1; 0 when the problem belongs to the whole file.
    pub column: usize,
    /// What is wrong and what to do, lowercase, without a full stop.
    pub message: String,
}

impl Problem {
    /// A problem of a whole file or folder.
    pub(crate) fn of(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: 0, column: 0, message: message.into() }
    }

    /// A problem at a place.
    pub(crate) fn at(place: &Place, message: impl Into<String>) -> Self {
        Self { file: place.file.clone(), line: place.line, column: place.column, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.message)
        } else {
            write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
        }
    }
}

impl std::error::Error for Problem {}

/// A place in a source file of the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub file: String,
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// Where `span` begins in `file`.
    pub fn of(file: &str, span: proc_macro2::Span) -> Self {
        let start = span.start();
        Self { file: file.to_owned(), line: start.line, column: start.column + 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
