//! Questions about clients: for the admin, REST and the command line.
//!
//! Takes filters, gives rows; the newest first. What is connected appears within `streams.flush_interval`, what changes
//! about it within `streams.refresh_interval`. Must never: write.

use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select};

use super::{Connection, Event, EventKind, Status, event, row};
use crate::{Db, clock};

/// Rows that one question gives, unless it says otherwise.
const LIMIT: u64 = 100;

/// A question about clients.
///
/// ```no_run
/// # async fn ask(db: &steeple::Db) -> Result<(), sea_orm::DbErr> {
/// use steeple::stream::Connections;
///
/// for client in Connections::online().of_service("crypto").limit(50).all(db).await? {
///     println!("{} at {} since {}", client.client_id, client.node, client.connected_at);
/// }
/// let history = Connections::events(db, "crypto", "wallet-7", 20).await?;
/// # drop(history);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Connections {
    select: Select<row::Entity>,
    limit: u64,
}

impl Connections {
    /// Every client that is known.
    pub fn known() -> Self {
        Self { select: row::Entity::find(), limit: LIMIT }
    }

    /// Clients that are connected now.
    pub fn online() -> Self {
        Self::known().with_status(Status::Connected)
    }

    /// Only those with this status. A client whose node has said nothing for long is not connected.
    pub fn with_status(mut self, status: Status) -> Self {
        self.select = self.select.filter(row::Column::Status.eq(status.as_str()));
        if status == Status::Connected {
            self.select = self.select.filter(row::Column::ValidUntil.gt(clock::now()));
        }
        self
    }

    /// Only those of this service, by the `service_name` of its hub.
    pub fn of_service(mut self, service: &str) -> Self {
        self.select = self.select.filter(row::Column::Service.eq(service));
        self
    }

    /// Only those of this node.
    pub fn at_node(mut self, node: &str) -> Self {
        self.select = self.select.filter(row::Column::Node.eq(node));
        self
    }

    /// Only those whose caller is this user.
    pub fn of_user(mut self, user_id: i64) -> Self {
        self.select = self.select.filter(row::Column::UserId.eq(user_id));
        self
    }

    /// Only those whose name begins so.
    pub fn named(mut self, beginning: &str) -> Self {
        // Names compare by byte, so a prefix is a range; LIKE would read `%` and `_` in it.
        let last = format!("{beginning}{}", char::MAX);
        self.select = self.select.filter(row::Column::ClientId.between(beginning, last.as_str()));
        self
    }

    /// Only the one of this name, of each service.
    pub fn called(mut self, client_id: &str) -> Self {
        self.select = self.select.filter(row::Column::ClientId.eq(client_id));
        self
    }

    /// Only those below this id: the next page.
    pub fn before(mut self, id: i64) -> Self {
        self.select = self.select.filter(row::Column::Id.lt(id));
        self
    }

    /// Leaves out the first so many: for lists with page numbers.
    pub fn skip(mut self, rows: u64) -> Self {
        self.select = self.select.offset(rows);
        self
    }

    /// At most so many; 100 unless said.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// The rows, clients that were first seen last first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn all(self, db: &Db) -> Result<Vec<Connection>, DbErr> {
        self.select.order_by_desc(row::Column::Id).limit(self.limit).all(db).await
    }

    /// How many there are, whatever the limit.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count(self, db: &Db) -> Result<u64, DbErr> {
        use sea_orm::PaginatorTrait as _;
        self.select.count(db).await
    }

    /// One client by its name.
    ///
    /// # Errors
    /// What the database says.
    pub async fn find(db: &Db, service: &str, client_id: &str) -> Result<Option<Connection>, DbErr> {
        row::Entity::find()
            .filter(row::Column::Service.eq(service))
            .filter(row::Column::ClientId.eq(client_id))
            .one(db)
            .await
    }

    /// What happened to one client, the newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn events(db: &Db, service: &str, client_id: &str, limit: u64) -> Result<Vec<Event>, DbErr> {
        event::Entity::find()
            .filter(event::Column::Service.eq(service))
            .filter(event::Column::ClientId.eq(client_id))
            .order_by_desc(event::Column::Id)
            .limit(limit)
            .all(db)
            .await
    }

    /// Everything of one kind that happened to clients of one service, the newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn events_of(db: &Db, service: &str, kind: EventKind, limit: u64) -> Result<Vec<Event>, DbErr> {
        event::Entity::find()
            .filter(event::Column::Service.eq(service))
            .filter(event::Column::Kind.eq(kind.as_str()))
            .order_by_desc(event::Column::Id)
            .limit(limit)
            .all(db)
            .await
    }
}
