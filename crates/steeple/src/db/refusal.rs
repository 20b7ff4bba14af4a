//! Whether a database that failed to write will ever take the same data.
//!
//! Must never: call data refused when the database was away or busy: what is refused is dropped by whoever writes behind.

use sea_orm::{DbErr, RuntimeErr};

/// Whether the data was refused: the same statement will be refused again. Otherwise trying again may help.
pub(crate) fn refuses_data(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Encode(_) => true,
        sqlx::Error::Database(database) => {
            if let Some(mysql) = database.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
                // Wrong string value, too long, out of range, a check that failed (MySQL, MariaDB), and by SQLSTATE.
                matches!(mysql.number(), 1264 | 1366 | 1406 | 3819 | 4025) || data_class(mysql.code())
            } else if let Some(sqlite) = database.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
                // SQLITE_CONSTRAINT, SQLITE_MISMATCH and SQLITE_TOOBIG, with their extended codes.
                let code = sqlx::error::DatabaseError::code(sqlite).and_then(|code| code.parse::<u32>().ok());
                code.is_some_and(|code| matches!(code & 0xff, 18..=20))
            } else {
                data_class(database.code().as_deref())
            }
        }
        _ => false,
    }
}

/// As [`refuses_data`], of what SeaORM says.
pub(crate) fn is_of_data(error: &DbErr) -> bool {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => refuses_data(cause),
        _ => false,
    }
}

/// SQLSTATE class 22 (data exception) and 23 (integrity constraint violation).
fn data_class(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}
