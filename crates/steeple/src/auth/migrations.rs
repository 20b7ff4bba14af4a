//! Steeple's own tables of identity.
//!
//! One statement each on MySQL, where a migration that fails half-way stays half done.
//!
//! Must never: change once released; add a migration instead.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::api_key::table;
use crate::db::migrate::Migration;

/// The label under which the history knows these migrations.
pub const APP: &str = "steeple_auth";

/// The migrations of identity, in their order.
pub fn migrations() -> Vec<Migration> {
    vec![Migration::new(APP, "0004_api_key", Step { name: "0004_api_key", statements: table::statements })]
}

struct Step {
    name: &'static str,
    statements: fn(DbBackend) -> Option<&'static [&'static str]>,
}

impl MigrationName for Step {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait]
#[expect(elided_lifetimes_in_paths, reason = "the trait is written so, and spelling it out is another signature")]
impl MigrationTrait for Step {
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
