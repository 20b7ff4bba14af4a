//! The table `steeple_connection_event` as a SeaORM entity: what happened to clients, in the order of its writing.

use schemars::JsonSchema;
use sea_orm::entity::prelude::*;
use serde::Serialize;

/// Something that happened to a client.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, JsonSchema)]
#[schemars(rename = "ConnectionEvent")]
#[sea_orm(table_name = "steeple_connection_event")]
pub struct Model {
    /// In the order of writing, nearly that of time.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// `service_name` of the hub.
    #[sea_orm(column_type = "String(StringLen::N(100))")]
    pub service: String,
    /// The client.
    #[sea_orm(column_type = "String(StringLen::N(64))")]
    pub client_id: String,
    /// Its session.
    #[sea_orm(column_type = "String(StringLen::N(36))")]
    pub session: String,
    /// The node that saw it.
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub node: String,
    /// One of [`Kind`].
    #[sea_orm(column_type = "String(StringLen::N(30))")]
    pub kind: String,
    /// Of an end: one of [`Cause`](crate::stream::Cause).
    #[sea_orm(column_type = "String(StringLen::N(30))", nullable)]
    pub cause: Option<String>,
    /// More, for people.
    #[sea_orm(column_type = "Text", nullable)]
    pub detail: Option<String>,
    /// When.
    pub created_at: DateTimeUtc,
}

/// The `kind` of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A session began.
    Connected,
    /// A session began within the grace of the one before it.
    Reconnected,
    /// A session ended, with its cause and counts.
    Disconnected,
    /// The grace was over.
    Offline,
    /// A command was not acknowledged in time.
    CommandTimeout,
    /// A command that nobody waits for was not read in time and dropped.
    CommandExpired,
    /// An ack came after whoever waited for it had given up.
    LateAck,
}

impl Kind {
    /// `connected`, `late_ack`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Reconnected => "reconnected",
            Self::Disconnected => "disconnected",
            Self::Offline => "offline",
            Self::CommandTimeout => "command_timeout",
            Self::CommandExpired => "command_expired",
            Self::LateAck => "late_ack",
        }
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
