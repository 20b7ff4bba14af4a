//! Steeple's own tables of identity.
//!
//! One statement each on MySQL, where a migration that fails half-way stays half done.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// A table, as each database wants it.
pub(super) struct Table {
    pub name: &'static str,
    pub statements: fn(DbBackend) -> Option<&'static [&'static str]>,
}

impl MigrationName for Table {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait]
#[expect(elided_lifetimes_in_paths, reason = "the trait is written so, and spelling it out is another signature")]
impl MigrationTrait for Table {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let statements = (self.statements)(backend)
            .ok_or_else(|| DbErr::Custom(format!("identity has no tables for {backend:?}")))?;
        for statement in statements {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

/// The site's secret key, where the configuration has none.
pub(super) fn secret(backend: DbBackend) -> Option<&'static [&'static str]> {
    match backend {
        DbBackend::Sqlite => Some(&["CREATE TABLE steeple_secret (
                name varchar(50) NOT NULL PRIMARY KEY,
                value varchar(200) NOT NULL,
                created_at datetime NOT NULL
            )"]),
        DbBackend::Postgres => Some(&["CREATE TABLE steeple_secret (
                name varchar(50) NOT NULL PRIMARY KEY,
                value varchar(200) NOT NULL,
                created_at timestamp with time zone NOT NULL
            )"]),
        DbBackend::MySql => Some(&["CREATE TABLE steeple_secret (
                name varchar(50) NOT NULL PRIMARY KEY,
                value varchar(200) NOT NULL,
                created_at datetime(6) NOT NULL
            ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"]),
        _ => None,
    }
}

/// One row per login. Without a foreign key to `auth_user`: Django deletes users, and knows nothing of this table.
pub(super) fn refresh_token(backend: DbBackend) -> Option<&'static [&'static str]> {
    match backend {
        DbBackend::Sqlite => Some(&[
            "CREATE TABLE steeple_refresh_token (
                family varchar(255) NOT NULL PRIMARY KEY,
                user_id bigint NOT NULL,
                jti varchar(255) NOT NULL,
                created_at datetime NOT NULL,
                issued_at datetime NOT NULL,
                expires_at datetime NOT NULL,
                revoked_at datetime NULL
            )",
            "CREATE INDEX steeple_refresh_token_user_id ON steeple_refresh_token (user_id)",
            "CREATE INDEX steeple_refresh_token_expires_at ON steeple_refresh_token (expires_at)",
        ]),
        DbBackend::Postgres => Some(&[
            r#"CREATE TABLE steeple_refresh_token (
                family varchar(255) COLLATE "C" NOT NULL PRIMARY KEY,
                user_id bigint NOT NULL,
                jti varchar(255) COLLATE "C" NOT NULL,
                created_at timestamp with time zone NOT NULL,
                issued_at timestamp with time zone NOT NULL,
                expires_at timestamp with time zone NOT NULL,
                revoked_at timestamp with time zone NULL
            )"#,
            "CREATE INDEX steeple_refresh_token_user_id ON steeple_refresh_token (user_id)",
            "CREATE INDEX steeple_refresh_token_expires_at ON steeple_refresh_token (expires_at)",
        ]),
        DbBackend::MySql => Some(&["CREATE TABLE steeple_refresh_token (
                family varchar(255) NOT NULL PRIMARY KEY,
                user_id bigint NOT NULL,
                jti varchar(255) NOT NULL,
                created_at datetime(6) NOT NULL,
                issued_at datetime(6) NOT NULL,
                expires_at datetime(6) NOT NULL,
                revoked_at datetime(6) NULL,
                INDEX steeple_refresh_token_user_id (user_id),
                INDEX steeple_refresh_token_expires_at (expires_at)
            ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"]),
        _ => None,
    }
}
