//! Pages of the log, and the questions that need more than one look.

use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _, Statement,
    sea_query::{Alias, Expr, LikeExpr, Query},
};
use tonic::Code;

use super::{Column, Entity, NOT_SUCCESS, RequestLog, RequestLogRow, SLOW, Way};
use crate::{Db, record::State};

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
    pub fn containing(mut self, text: &str) -> Self {
        (self.text, self.failed, self.unindexed) = (true, true, true);
        let literal = text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
        let like = LikeExpr::new(format!("%{literal}%")).escape('\\');
        self.once_ended(Expr::cust(NOT_SUCCESS)).once_ended(Column::ErrorMessage.like(like))
    }

    /// Calls that took at most `milliseconds`.
    pub fn quick(self, milliseconds: u32) -> Self {
        Self { unindexed: true, ..self }.once_ended(Column::DurationUs.lte(i64::from(milliseconds) * 1000))
    }

    /// Calls from this address.
    pub fn by_client_ip(self, address: &str) -> Self {
        Self { client_ip: Some(address.to_owned()), unindexed: true, ..self }
    }

    /// Rows written after the row `id`.
    pub fn after(self, id: i64) -> Self {
        self.only(Column::Id.gt(id))
    }

    /// The page with this number, from 1, of `size` rows each. Empty when it is past the end. One statement after the
    /// other: calls need the other connections of the pool.
    ///
    /// # Errors
    /// The database's.
    pub async fn page(self, db: &Db, number: u64, size: u64) -> Result<Page, DbErr> {
        // A request id that says when is found there: from then to now there may be millions of rows.
        if number <= 1
            && let Some(near) = self.near(db.backend())
        {
            let rows = self.listed(db.backend(), Way::Usual).filter(near).limit(size).all(db).await?;
            let count = rows.len() as u64;
            if count > 0 && count < size {
                return Ok(Page { rows, count, more: false });
            }
        }
        let skipped = number.saturating_sub(1).saturating_mul(size);
        let mut found = None;
        let mut way = Way::Usual;
        if self.has_ways(db.backend()) {
            let counted = self.count_some(db).await?;
            (way, found) = (Way::to(counted), Some(counted));
        }
        let rows = match found {
            Some(found) if found <= Ord::min(skipped, Self::MOST_COUNTED) => Vec::new(),
            _ => self.listed(db.backend(), way).limit(size).offset(skipped).all(db).await?,
        };
        let found = match found {
            Some(found) => found,
            // A page that is not full is the last: what was not found once need not be looked for again.
            None if (rows.len() as u64) < size && (number <= 1 || !rows.is_empty()) => skipped + rows.len() as u64,
            None => self.count_some(db).await?,
        };
        Ok(Page { rows, count: Ord::min(found, Self::MOST_COUNTED), more: found > Self::MOST_COUNTED })
    }

    /// How many rows there are, at most one more than [`MOST_COUNTED`](Self::MOST_COUNTED).
    pub(super) async fn count_some(&self, db: &Db) -> Result<u64, DbErr> {
        let found = db.query_one_raw(self.counted(db.backend())).await?;
        let found = found.map(|row| row.try_get::<i64>("", "found")).transpose()?;
        Ok(found.and_then(|found| u64::try_from(found).ok()).unwrap_or_default())
    }

    pub(super) fn counted(&self, backend: DbBackend) -> Statement {
        let some = Query::select()
            .column(Column::Id)
            .from(Entity)
            .cond_where(self.condition(backend, Way::Usual))
            .limit(Self::MOST_COUNTED + 1)
            .to_owned();
        let count = Query::select()
            .expr_as(Expr::cust("COUNT(*)"), Alias::new("found"))
            .from_subquery(some, Alias::new("some"))
            .to_owned();
        backend.build(&count)
    }

    /// Those that the index on durations has, the slowest first.
    pub(super) fn slow_ones(&self, number: u64, backend: DbBackend, way: Way) -> Statement {
        Entity::find()
            .filter(self.condition(backend, way).add(Expr::cust(format!("duration_us >= {SLOW}"))))
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
        let way = self.way(db).await?;
        let slow = Entity::find().from_raw_sql(self.slow_ones(number, db.backend(), way)).all(db).await?;
        if slow.len() as u64 == number {
            return Ok(slow);
        }
        let mut newest: Vec<(i64, Option<i64>)> = self
            .listed(db.backend(), way)
            .select_only()
            .column(Column::Id)
            .column(Column::DurationUs)
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
