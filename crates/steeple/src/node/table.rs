//! The table `steeple_server_status` as a SeaORM entity.

use sea_orm::entity::prelude::*;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "steeple_server_status")]
pub struct Model {
    /// `hostname:port:pid`.
    #[sea_orm(primary_key, auto_increment = false, column_type = "String(StringLen::N(300))")]
    pub instance_id: String,
    /// Made up at each start: containers may share name, port and process id.
    #[sea_orm(primary_key, auto_increment = false, column_type = "String(StringLen::N(32))")]
    pub start_token: String,
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub site: String,
    #[sea_orm(column_type = "String(StringLen::N(100))")]
    pub version: String,
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub host: String,
    pub port: i32,
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub address: String,
    #[sea_orm(column_type = "String(StringLen::N(200))", nullable)]
    pub http_address: Option<String>,
    pub pid: i64,
    #[sea_orm(column_type = "String(StringLen::N(255))")]
    pub hostname: String,
    #[sea_orm(column_type = "String(StringLen::N(20))")]
    pub status: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub error_message: Option<String>,
    pub max_workers: i32,
    pub enable_reflection: bool,
    pub enable_health_check: bool,
    #[sea_orm(column_type = "Text")]
    pub registered_services: String,
    pub in_flight: i64,
    pub log_dropped: i64,
    pub heartbeat_seconds: i64,
    pub started_at: DateTimeUtc,
    pub last_heartbeat: DateTimeUtc,
    pub stopped_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
