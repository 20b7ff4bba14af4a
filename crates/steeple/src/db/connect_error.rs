//! Why there is no database, and what to do about it.

use std::{error::Error, fmt, path::PathBuf, time::Duration};

use sea_orm::DbBackend;

use super::Address;

/// Why [`Db::connect`](super::Db::connect) failed. The text says what to do; it shows the address without its password.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL does not begin with the name of a database we speak.
    UnknownScheme {
        /// The address.
        address: Address,
    },
    /// The URL does not parse.
    Malformed {
        /// The address. What the parser said is not kept: it may repeat the password.
        address: Address,
    },
    /// Nobody listens there, or the name does not resolve.
    Unreachable {
        /// The address.
        address: Address,
        /// What the system said.
        cause: sqlx::Error,
    },
    /// Somebody listens and does not answer.
    Silent {
        /// The address.
        address: Address,
        /// How long was waited.
        within: Duration,
    },
    /// User or password are wrong, or the user may not come from here.
    Refused {
        /// The address.
        address: Address,
        /// What the database said.
        cause: sqlx::Error,
    },
    /// The server is right, and has no database of this name.
    NoDatabase {
        /// The address.
        address: Address,
        /// What the database said.
        cause: sqlx::Error,
    },
    /// The server has no connection left for us, or is starting or stopping.
    Busy {
        /// The address.
        address: Address,
        /// What the database said.
        cause: sqlx::Error,
    },
    /// SQLite: the folder of the file does not exist.
    NoFolder {
        /// The database file.
        file: PathBuf,
        /// The folder it should be in.
        folder: PathBuf,
    },
    /// SQLite: a folder stands where the file should be.
    NotAFile {
        /// That folder.
        file: PathBuf,
    },
    /// SQLite: the file, or its folder, may not be opened or written by this user.
    NotWritable {
        /// The address.
        address: Address,
        /// What SQLite said.
        cause: sqlx::Error,
    },
    /// SQLite: the file is something else.
    NotADatabase {
        /// The address.
        address: Address,
        /// What SQLite said.
        cause: sqlx::Error,
    },
    /// Anything else, TLS included.
    Other {
        /// The address.
        address: Address,
        /// What the driver said.
        cause: sqlx::Error,
    },
}

impl ConnectError {
    pub(super) fn malformed(address: &Address) -> Self {
        Self::Malformed { address: address.clone() }
    }

    /// Sorts what a driver said while connecting.
    pub(super) fn of_sqlx(address: &Address, cause: sqlx::Error) -> Self {
        if address.backend() == Some(DbBackend::Sqlite) {
            return Self::of_sqlite(address, cause);
        }
        let address = address.clone();
        match &cause {
            sqlx::Error::Io(_) => Self::Unreachable { address, cause },
            sqlx::Error::Database(said) => match said.code().as_deref() {
                // PostgreSQL: invalid_authorization_specification, invalid_password. MySQL: access denied (1045, and
                // 1044 for a database; SQLSTATE 42000 is shared, so by number), no auth plugin (1698).
                Some("28000" | "28P01") => Self::Refused { address, cause },
                // PostgreSQL: invalid_catalog_name
                Some("3D000") => Self::NoDatabase { address, cause },
                Some("53300" | "57P03" | "57P01" | "57P02" | "08004") => Self::Busy { address, cause },
                _ => match said
                    .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
                    .map(sqlx::mysql::MySqlDatabaseError::number)
                {
                    Some(1044 | 1045 | 1698) => Self::Refused { address, cause },
                    Some(1049) => Self::NoDatabase { address, cause },
                    Some(1040 | 1203) => Self::Busy { address, cause },
                    _ => Self::Other { address, cause },
                },
            },
            _ => Self::Other { address, cause },
        }
    }

    /// Sorts SQLite's result codes (<https://sqlite.org/rescode.html>).
    pub(super) fn of_sqlite(address: &Address, cause: sqlx::Error) -> Self {
        let address = address.clone();
        let code = match &cause {
            sqlx::Error::Database(said) => said.code().and_then(|code| code.parse::<u32>().ok()),
            _ => None,
        };
        // The primary code is the low byte of an extended one.
        match code.map(|code| code & 0xff) {
            Some(5 | 6) => Self::Busy { address, cause },
            Some(3 | 8 | 14 | 23) => Self::NotWritable { address, cause },
            Some(26) => Self::NotADatabase { address, cause },
            _ => Self::Other { address, cause },
        }
    }
}

/// What the database or the system said, without the driver's words around it.
fn said(cause: &sqlx::Error) -> String {
    match cause {
        sqlx::Error::Database(cause) => cause.message().to_owned(),
        sqlx::Error::Io(cause) => cause.to_string(),
        cause => cause.to_string(),
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownScheme { address } => write!(
                f,
                "unknown kind of database: {address:?}; database.url must begin with sqlite:, postgres: or mysql:"
            ),
            Self::Malformed { address } => write!(
                f,
                "database.url is not a valid address: {address}; write sqlite://file.sqlite3 or \
                 postgres://user:password@host:5432/name, with special characters of the password percent-encoded"
            ),
            Self::Unreachable { address, cause } => {
                write!(
                    f,
                    "no database answers at {address}: {}; start it, or correct host and port in database.url",
                    said(cause)
                )
            }
            Self::Silent { address, within } => write!(
                f,
                "the database at {address} did not answer within {within:?}; check host, port and firewall, or raise \
                 database.acquire_timeout"
            ),
            Self::Refused { address, cause } => {
                write!(
                    f,
                    "the database at {address} refused us: {}; correct user and password in database.url",
                    said(cause)
                )
            }
            Self::NoDatabase { address, cause } => {
                write!(
                    f,
                    "the server of {address} has no such database: {}; create it, or correct database.url",
                    said(cause)
                )
            }
            Self::Busy { address, cause } => write!(
                f,
                "the database at {address} takes no connection now: {}; wait, or lower database.max_connections \
                 of the nodes",
                said(cause)
            ),
            Self::NoFolder { file, folder } => write!(
                f,
                "the folder {} of the database {} does not exist; create it, or correct database.url",
                folder.display(),
                file.display()
            ),
            Self::NotAFile { file } => {
                write!(f, "{} is a folder; database.url must name a file in it", file.display())
            }
            Self::NotWritable { address, cause } => write!(
                f,
                "the database file of {address} cannot be opened for writing: {}; give this user the right to \
                 write the file and its folder",
                said(cause)
            ),
            Self::NotADatabase { address, cause } => write!(
                f,
                "the file of {address} is not a SQLite database: {}; correct database.url, or move the file away",
                said(cause)
            ),
            Self::Other { address, cause } => {
                write!(f, "cannot connect to {address}: {}; check database.url", said(cause))
            }
        }
    }
}

impl Error for ConnectError {}
