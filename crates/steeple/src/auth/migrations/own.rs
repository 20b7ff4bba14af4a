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
