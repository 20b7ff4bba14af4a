//! `steeple_session`: a row per browser session. Without a foreign key to `auth_user`: Django deletes users, and knows
//! nothing of this table.

use sea_orm::{DbBackend, entity::prelude::*};

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "steeple_session")]
pub struct Model {
    /// The SHA-256 of the cookie.
    #[sea_orm(primary_key, auto_increment = false, column_type = "String(StringLen::N(64))")]
    pub id: String,
    pub user_id: i64,
    /// Of the password's hash as it was at login.
    #[sea_orm(column_type = "String(StringLen::N(64))")]
    pub password_mark: String,
    pub created_at: DateTimeUtc,
    /// Later with each request, at most `ends_at`.
    pub expires_at: DateTimeUtc,
    pub ends_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The table, as each database wants it.
pub(in crate::auth) fn statements(backend: DbBackend) -> Option<&'static [&'static str]> {
    match backend {
        DbBackend::Sqlite => Some(&[
            "CREATE TABLE steeple_session (
                id varchar(64) NOT NULL PRIMARY KEY,
                user_id bigint NOT NULL,
                password_mark varchar(64) NOT NULL,
                created_at datetime NOT NULL,
                expires_at datetime NOT NULL,
                ends_at datetime NOT NULL
            )",
            "CREATE INDEX steeple_session_expires_at ON steeple_session (expires_at)",
            "CREATE INDEX steeple_session_user_id ON steeple_session (user_id)",
        ]),
        DbBackend::Postgres => Some(&[
            r#"CREATE TABLE steeple_session (
                id varchar(64) COLLATE "C" NOT NULL PRIMARY KEY,
                user_id bigint NOT NULL,
                password_mark varchar(64) NOT NULL,
                created_at timestamp with time zone NOT NULL,
                expires_at timestamp with time zone NOT NULL,
                ends_at timestamp with time zone NOT NULL
            )"#,
            "CREATE INDEX steeple_session_expires_at ON steeple_session (expires_at)",
            "CREATE INDEX steeple_session_user_id ON steeple_session (user_id)",
        ]),
        DbBackend::MySql => Some(&["CREATE TABLE steeple_session (
                id varchar(64) NOT NULL PRIMARY KEY,
                user_id bigint NOT NULL,
                password_mark varchar(64) NOT NULL,
                created_at datetime(6) NOT NULL,
                expires_at datetime(6) NOT NULL,
                ends_at datetime(6) NOT NULL,
                INDEX steeple_session_expires_at (expires_at),
                INDEX steeple_session_user_id (user_id)
            ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"]),
        _ => None,
    }
}
