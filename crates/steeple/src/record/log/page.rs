//! Pages of the log, and the questions that need more than one look.

use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _, Statement,
    sea_query::{Alias, Expr, LikeExpr, Query},
};
use tonic::Code;

use super::{Column, Entity, RequestLog, RequestLogRow};
use crate::{Db, record::State};

/// The index on durations begins here, in microseconds: what is quicker is nobody's concern. The migration says the same.
const SLOW: &str = "duration_us >= 100000";
/// Of the calls that are quicker, so many of the newest are looked at for the slowest.
const NEWEST: u64 = 5000;

/// One page of the log by its number, for lists with page numbers. To go on beyond [`RequestLog::MOST_COUNTED`] rows, or
/// without counting, ask for what is [`before`](RequestLog::before) the last row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The rows, newest first.
    pub rows: Vec<RequestLogRow>,
    /// How many rows there are on all pages, at most [`RequestLog::MOST_COUNTED`].
    pub count: u64,
    /// Whether there are more rows than were counted.
    pub more: bool,
}

impl RequestLog {
    /// Rows are counted up to this number.
    pub const MOST_COUNTED: u64 = 10_000;

    /// The row with this id.
    ///
    /// # Errors
    /// The database's.
    pub async fn find(db: &Db, id: i64) -> Result<Option<RequestLogRow>, DbErr> {
        Entity::find_by_id(id).one(db).await
    }

    /// Calls that ended with this code.
    pub fn by_code(self, code: Code) -> Self {
        // The state comes with it because that one has an index.
        Self { code: Some(code), ..self.by_status(State::of(code)) }
    }

    /// Failed calls whose error text has this in it, taken literally. Letter case counts, but on SQLite.
    pub fn containing(self, text: &str) -> Self {
        let literal = text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
        let like = LikeExpr::new(format!("%{literal}%")).escape('\\');
        self.only(Expr::cust("status <> 'success'")).only(Column::ErrorMessage.like(like))
    }

    /// Calls that took at most `milliseconds`.
    pub fn quick(self, milliseconds: u32) -> Self {
        self.only(Column::DurationUs.lte(i64::from(milliseconds) * 1000))
    }

    /// Calls from this address.
    pub fn by_client_ip(self, address: &str) -> Self {
        self.only(Column::ClientIp.eq(address))
    }

    /// Rows written after the row `id`.
    pub fn after(self, id: i64) -> Self {
        self.only(Column::Id.gt(id))
    }

    /// The page with this number, from 1, of `size` rows each. Empty when it is past the end.
    ///
    /// # Errors
    /// The database's.
    pub async fn page(self, db: &Db, number: u64, size: u64) -> Result<Page, DbErr> {
        let condition = self.condition(db.backend());
        let rows = Entity::find()
            .filter(condition)
            .order_by_desc(Column::Id)
            .limit(size)
            .offset(number.saturating_sub(1).saturating_mul(size))
            .all(db);
        // Each on a connection of its own: a deep page takes as long as the count.
        let (rows, found) = tokio::try_join!(rows, db.query_one_raw(self.counted(db.backend())))?;
        let found = match found {
            Some(row) => u64::try_from(row.try_get::<i64>("", "found")?).unwrap_or_default(),
            None => 0,
        };
        Ok(Page { rows, count: Ord::min(found, Self::MOST_COUNTED), more: found > Self::MOST_COUNTED })
    }

    /// How many rows there are, counted up to one more than [`MOST_COUNTED`](Self::MOST_COUNTED).
    pub(super) fn counted(&self, backend: DbBackend) -> Statement {
        let some = Query::select()
            .column(Column::Id)
            .from(Entity)
            .cond_where(self.condition(backend))
            .limit(Self::MOST_COUNTED + 1)
            .to_owned();
        let count = Query::select()
            .expr_as(Expr::cust("COUNT(*)"), Alias::new("found"))
            .from_subquery(some, Alias::new("some"))
            .to_owned();
        backend.build(&count)
    }

    /// Those that the index on durations has, the slowest first.
    pub(super) fn slow_ones(&self, number: u64, backend: DbBackend) -> Statement {
        Entity::find()
            .filter(self.condition(backend).add(Expr::cust(SLOW)))
            .order_by_desc(Column::DurationUs)
            .order_by_desc(Column::Id)
            .limit(number)
            .build(backend)
    }

    /// The slowest calls, slowest first, at most `number`. Those of 100 ms and more are found by an index; when there are
    /// too few of them, the rest come from the newest 5,000 rows.
    ///
    /// # Errors
    /// The database's.
    pub async fn slowest(self, db: &Db, number: u64) -> Result<Vec<RequestLogRow>, DbErr> {
        let condition = self.condition(db.backend());
        let slow = Entity::find().from_raw_sql(self.slow_ones(number, db.backend())).all(db).await?;
        if slow.len() as u64 == number {
            return Ok(slow);
        }
        let mut newest: Vec<(i64, Option<i64>)> = Entity::find()
            .select_only()
            .column(Column::Id)
            .column(Column::DurationUs)
            .filter(condition)
            .order_by_desc(Column::Id)
            .limit(NEWEST)
            .into_tuple()
            .all(db)
            .await?;
        newest.retain(|(id, duration)| duration.is_some() && slow.iter().all(|row| row.id != *id));
        newest.sort_by_key(|(id, duration)| std::cmp::Reverse((*duration, *id)));
        newest.truncate(number as usize - slow.len());
        let ids = newest.into_iter().map(|(id, _)| id);
        let mut rows = Entity::find().filter(Column::Id.is_in(ids)).all(db).await?;
        rows.sort_by_key(|row| std::cmp::Reverse((row.duration_us, row.id)));
        Ok(slow.into_iter().chain(rows).collect())
    }
}
