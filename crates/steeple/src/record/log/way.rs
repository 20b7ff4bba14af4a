//! Which way SQLite goes through the log.
//!
//! SQLite keeps no numbers about these tables, so its planner cannot know whether the calls of a service, the slow ones or
//! those with a text are few or many. Few are found by their index and then sorted; of many the newest are found along the
//! ids, and sorting them would take seconds. So they are counted first, by the index and no further than
//! [`MOST_COUNTED`](RequestLog::MOST_COUNTED), and the statement is written so that no other way is left.
//!
//! The other databases know what they have. Must never: change what is found.

use std::ops::RangeInclusive;

use sea_orm::{
    DbBackend, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, Select,
    sea_query::{Expr, Order},
};

use super::{Column, Entity, RequestLog};
use crate::Db;

/// How rows are found in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The planner's own.
    Usual,
    /// By an index, then sorted.
    ByIndex,
    /// Along the ids, from the newest.
    ByIds,
}

impl Way {
    /// The way to so many rows, counted up to [`RequestLog::MOST_COUNTED`] and one.
    pub fn to(found: u64) -> Self {
        if found > RequestLog::MOST_COUNTED { Self::ByIds } else { Self::ByIndex }
    }
}

/// The keys of methods that were called, one by one: for each of them the index has the ids in their order, so that a
/// time is found in it, which in a range of keys it is not.
const METHODS: &str = "method_key IN (WITH RECURSIVE called (method) AS (\
    SELECT MIN(method_key) FROM steeple_request_call WHERE method_key BETWEEN ? AND ? UNION ALL \
    SELECT (SELECT MIN(method_key) FROM steeple_request_call WHERE method_key > method AND method_key <= ?) \
    FROM called WHERE method IS NOT NULL) SELECT method FROM called WHERE method IS NOT NULL)";

/// That a call's method is one of these.
pub(super) fn methods_within(keys: &RangeInclusive<i64>) -> Expr {
    Expr::cust_with_values(METHODS, [*keys.start(), *keys.end(), *keys.end()])
}

impl RequestLog {
    /// Whether it depends on how many there are.
    pub(super) fn has_ways(&self, backend: DbBackend) -> bool {
        let service_alone = self.service.is_some() && self.method.is_none();
        backend == DbBackend::Sqlite && (service_alone || self.slow || self.text)
    }

    /// The way to these rows.
    pub(super) async fn way(&self, db: &Db) -> Result<Way, DbErr> {
        if self.has_ways(db.backend()) { Ok(Way::to(self.count_some(db).await?)) } else { Ok(Way::Usual) }
    }

    /// The rows, newest first.
    pub(super) fn listed(&self, backend: DbBackend, way: Way) -> Select<Entity> {
        let rows = Entity::find().filter(self.condition(backend, way));
        match way {
            // The sign keeps the planner from going along the ids for the order's sake.
            Way::ByIndex => rows.order_by(Expr::cust("+id"), Order::Desc),
            Way::Usual | Way::ByIds => rows.order_by_desc(Column::Id),
        }
    }
}
