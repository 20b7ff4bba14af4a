//! Why rows could not be read or written.

use std::{error::Error as StdError, fmt};

use sea_orm::DbErr;

use crate::error::Error;

/// What is wrong with one field. The text completes "the field …", in words for the person who filled it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field.
    pub field: String,
    /// "must be a whole number", "may not be empty", "no such field", …
    pub problem: String,
}

/// Why rows could not be read or written.
#[derive(Debug)]
#[non_exhaustive]
pub enum RowsError {
    /// Fields are wrong: all of them, not only the first.
    Fields(Vec<FieldProblem>),
    /// There is no row with this key.
    NotFound {
        /// The model's name.
        model: &'static str,
        /// The key, as text.
        key: String,
    },
    /// Somebody else changed the row since it was seen.
    Conflict,
    /// The database says no; unique values taken and broken references are among these.
    Db(DbErr),
}

impl RowsError {
    pub(super) fn field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Fields(vec![FieldProblem { field: field.into(), problem: problem.into() }])
    }
}

impl fmt::Display for RowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fields(problems) => {
                for (at, FieldProblem { field, problem }) in problems.iter().enumerate() {
                    let separator = if at == 0 { "" } else { "; " };
                    write!(f, "{separator}{field}: {problem}")?;
                }
                Ok(())
            }
            Self::NotFound { model, key } => write!(f, "{model} {key} not found"),
            Self::Conflict => f.write_str("changed by somebody else since it was read; read it again"),
            Self::Db(cause) => cause.fmt(f),
        }
    }
}

impl StdError for RowsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Db(cause) => Some(cause),
            _ => None,
        }
    }
}

impl From<DbErr> for RowsError {
    fn from(cause: DbErr) -> Self {
        Self::Db(cause)
    }
}

impl From<RowsError> for Error {
    /// Fields are INVALID_ARGUMENT with a violation each, a row that is not there NOT_FOUND, one changed meanwhile
    /// ABORTED; what the database says goes its usual way.
    fn from(error: RowsError) -> Self {
        let text = error.to_string();
        match error {
            RowsError::Fields(problems) => {
                problems.into_iter().fold(Self::invalid_argument(text), |error, FieldProblem { field, problem }| {
                    error.violation(field, problem)
                })
            }
            RowsError::NotFound { model, key } => Self::not_found(model, key),
            RowsError::Conflict => Self::aborted(text),
            RowsError::Db(cause) => cause.into(),
        }
    }
}
