//! The table `steeple_server_status`.
//!
//! Must never: change once released; add a migration instead.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::db::migrate::Migration;

/// The label under which the history knows these migrations.
pub const APP: &str = "steeple_node";

/// The migrations of this module, in their order.
pub fn migrations() -> Vec<Migration> {
    vec![Migration::new(APP, "0001_server_status", ServerStatus)]
}

struct ServerStatus;

impl MigrationName for ServerStatus {
    fn name(&self) -> &'static str {
        "0001_server_status"
    }
}

const COLUMNS: &str = "CREATE TABLE steeple_server_status (
    instance_id varchar(300) NOT NULL,
    start_token varchar(32) NOT NULL,
    site varchar(200) NOT NULL,
    version varchar(100) NOT NULL,
    host varchar(200) NOT NULL,
    port integer NOT NULL,
    address varchar(200) NOT NULL,
    http_address varchar(200) NULL,
    pid bigint NOT NULL,
    hostname varchar(255) NOT NULL,
    status varchar(20) NOT NULL,
    error_message text NULL,
    max_workers integer NOT NULL,
    enable_reflection bool NOT NULL,
    enable_health_check bool NOT NULL,
    registered_services {long} NOT NULL,
    in_flight bigint NOT NULL,
    log_dropped bigint NOT NULL,
    heartbeat_seconds bigint NOT NULL,
    started_at {moment} NOT NULL,
    last_heartbeat {moment} NOT NULL,
    stopped_at {moment} NULL,
    PRIMARY KEY (instance_id, start_token)
){options}";

#[async_trait]
#[expect(elided_lifetimes_in_paths, reason = "the trait is written so, and spelling it out is another signature")]
impl MigrationTrait for ServerStatus {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (long, moment, options) = match manager.get_database_backend() {
            DbBackend::Sqlite => ("text", "text", ""),
            DbBackend::Postgres => ("text", "timestamp with time zone", ""),
            _ => ("mediumtext", "datetime(6)", " ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
        };
        let sql = COLUMNS.replace("{long}", long).replace("{moment}", moment).replace("{options}", options);
        manager.get_connection().execute_unprepared(&sql).await.map(drop)
    }
}
