//! The table `steeple_connection` as a SeaORM entity: one row for each client of each service, of its latest session.

use schemars::JsonSchema;
use sea_orm::entity::prelude::*;
use serde::Serialize;

/// A client.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, JsonSchema)]
#[schemars(rename = "Connection")]
#[sea_orm(table_name = "steeple_connection")]
pub struct Model {
    /// In the order in which clients were first seen.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// `service_name` of the hub: `crypto`.
    #[sea_orm(column_type = "String(StringLen::N(100))")]
    pub service: String,
    /// The name the client goes by.
    #[sea_orm(column_type = "String(StringLen::N(64))")]
    pub client_id: String,
    /// The method it is connected with: `crypto.CryptoStreamingService/ConnectClient`.
    #[sea_orm(column_type = "String(StringLen::N(300))")]
    pub method: String,
    /// The session, a UUID of version 7.
    #[sea_orm(column_type = "String(StringLen::N(36))")]
    pub session: String,
    /// The node it is, or was, connected to.
    #[sea_orm(column_type = "String(StringLen::N(200))")]
    pub node: String,
    /// One of [`Status`]. See [`Model::is_online`].
    #[sea_orm(column_type = "String(StringLen::N(20))")]
    pub status: String,
    /// Why the session ended: one of [`Cause`](crate::stream::Cause), or `node_lost`; null while it is open.
    #[sea_orm(column_type = "String(StringLen::N(30))", nullable)]
    pub cause: Option<String>,
    /// `auth_user.id` of the caller, without a foreign key.
    pub user_id: Option<i64>,
    /// `steeple_api_key.id`, likewise.
    pub api_key_id: Option<i64>,
    /// The caller's username, empty for an anonymous one.
    #[sea_orm(column_type = "String(StringLen::N(150))")]
    pub principal: String,
    /// The peer's address and port.
    #[sea_orm(column_type = "String(StringLen::N(100))", nullable)]
    pub address: Option<String>,
    /// What the client says of its version, see [`Session::set_version`](crate::stream::Session::set_version).
    #[sea_orm(column_type = "String(StringLen::N(100))")]
    pub version: String,
    /// When the session began.
    pub connected_at: DateTimeUtc,
    /// When it ended; null while it is open.
    pub disconnected_at: Option<DateTimeUtc>,
    /// When the client last said something.
    pub last_seen_at: DateTimeUtc,
    /// From the last ping to its ack, in microseconds.
    pub round_trip_us: Option<i64>,
    /// Messages that came from it in this session.
    pub messages_received: i64,
    /// Commands that were sent to it in this session.
    pub commands_sent: i64,
    /// Handlers that failed in this session.
    pub errors: i64,
    /// What the last of them said.
    #[sea_orm(column_type = "Text", nullable)]
    pub last_error: Option<String>,
    /// Until when an open session may be believed without another word from its node.
    pub valid_until: DateTimeUtc,
}

/// The `status` of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The session is open.
    Connected,
    /// The session is over, and the grace is not.
    Reconnecting,
    /// Away.
    Disconnected,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Connected, Self::Reconnecting, Self::Disconnected];

    /// `connected`, `reconnecting` or `disconnected`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Disconnected => "disconnected",
        }
    }
}

impl Model {
    /// The full name of the gRPC service it is connected with: `crypto.CryptoStreamingService`.
    pub fn grpc_service(&self) -> &str {
        self.method.rsplit_once('/').map_or("", |(service, _)| service)
    }

    /// Whether the client was connected at this moment, as far as its node has said.
    pub fn is_online(&self, now: DateTimeUtc) -> bool {
        self.status == Status::Connected.as_str() && self.valid_until > now
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
