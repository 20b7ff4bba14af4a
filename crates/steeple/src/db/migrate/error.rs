//! What may go wrong while migrating, and what to do.

use std::{error::Error, fmt};

use sea_orm::{DbBackend, DbErr};

/// Why [`up`](super::up) stopped. The text says what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum MigrateError {
    /// A migration failed, or could not be committed; or it refused, by [`DbErr::Migration`], before it changed anything.
    Failed {
        /// The app's label.
        app: &'static str,
        /// The migration's name within the app.
        name: &'static str,
        /// Which database.
        backend: DbBackend,
        /// What it said.
        cause: DbErr,
    },
    /// Two migrations have the same app and name.
    Twice {
        /// The app's label.
        app: &'static str,
        /// The migration's name within the app.
        name: &'static str,
    },
    /// `steeple_migrations` could not be read or created.
    History {
        /// What the database said.
        cause: DbErr,
    },
    /// Another node holds the lock for too long, or it could not be asked for.
    Lock {
        /// What the database said, when it said something.
        cause: Option<sqlx::Error>,
    },
}

impl MigrateError {
    pub(super) fn history(cause: DbErr) -> Self {
        Self::History { cause }
    }
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { app, name, cause: DbErr::Migration(why), .. } => {
                write!(f, "migration {app}.{name} refuses: {why}")
            }
            Self::Failed { app, name, backend, cause } if super::undoes(*backend) => {
                write!(
                    f,
                    "migration {app}.{name} failed: {cause}; nothing of it was kept: correct it and run migrate again"
                )
            }
            Self::Failed { app, name, cause, .. } => write!(
                f,
                "migration {app}.{name} failed: {cause}; mysql does not undo schema changes: undo by hand those before \
                 the failing one, correct the migration and run migrate again"
            ),
            Self::Twice { app, name } => {
                write!(f, "migration {app}.{name} is given twice; rename one of the two")
            }
            Self::History { cause } => write!(
                f,
                "cannot read or create the table steeple_migrations: {cause}; the database user needs the right to \
                 create tables"
            ),
            Self::Lock { cause: Some(cause) } => {
                write!(f, "cannot lock the database for migrating: {cause}; run migrate again")
            }
            Self::Lock { cause: None } => write!(
                f,
                "another node has been migrating for {} minutes; wait for it or stop it, and run migrate again",
                super::lock::WAIT.as_secs() / 60
            ),
        }
    }
}

impl Error for MigrateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed { cause, .. } | Self::History { cause } => Some(cause),
            Self::Lock { cause } => cause.as_ref().map(|cause| cause as _),
            Self::Twice { .. } => None,
        }
    }
}
