//! The log as it grows: what `logs --follow` prints and the live pages show.
//!
//! Takes a question, gives the rows that are new at each look, from whatever node they come. A look costs a few small
//! queries, and nothing when nobody looks. Must never: give a row twice in the same state.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{
    ColumnTrait as _, Condition, DbBackend, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
    sea_query::{Expr, SimpleExpr},
};

use super::{Column, Entity, NOT_SUCCESS, RequestLog, RequestLogRow, Way};
use crate::{Db, record::State};

/// Rows of one look; of more, the newest.
const AT_ONCE: usize = 1000;
/// Numbers that are looked at again, where nodes may commit in another order than they took their numbers. SQLite has
/// one writer at a time.
const AGAIN: i64 = 2000;
/// Running calls whose end is waited for.
const AWAITED: usize = 1000;

/// A reader at the end of the log.
#[derive(Debug)]
pub struct Tail {
    question: RequestLog,
    /// Where the log ended at the last look; `None` before the first.
    newest: Option<i64>,
    /// What was found, of the numbers that are looked at again.
    given: BTreeSet<i64>,
    /// Calls that ran when they were last looked at, whatever is asked of their end; whether they were given so.
    awaited: BTreeMap<i64, bool>,
}

/// What is new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// The rows, oldest first: calls that ended, and long ones that still run, which come again when they end.
    pub rows: Vec<RequestLogRow>,
    /// There were more rows than one look gives; older ones were left out.
    pub gap: bool,
}

impl RequestLog {
    /// Follows the log from now on.
    pub fn follow(self) -> Tail {
        Tail { question: self, newest: None, given: BTreeSet::new(), awaited: BTreeMap::new() }
    }
}

impl Tail {
    /// Gives what is new since the last look; the first look gives nothing and remembers where the log ends, and which
    /// calls run.
    ///
    /// # Errors
    /// The database's. The next look makes up for it.
    pub async fn look(&mut self, db: &Db) -> Result<News, DbErr> {
        let again = if db.backend() == DbBackend::Sqlite { 0 } else { AGAIN };
        let last = Entity::find().select_only().column(Column::Id).order_by_desc(Column::Id).limit(1);
        let last = last.into_tuple::<i64>().one(db).await?.unwrap_or_default();
        let Some(newest) = self.newest else {
            let running = self.running(db, within(0, last)).await?;
            if again > 0 {
                self.given = self.found(db, within(last.saturating_sub(again), last)).await?.into_iter().collect();
            }
            self.awaited = running.into_iter().map(|id| (id, false)).collect();
            self.newest = Some(last);
            return Ok(News::default());
        };
        // Retention may have taken the last row.
        let last = last.max(newest);
        let floor = newest.saturating_sub(again);
        // First the calls that run, then what is there: one that ends in between is among the second.
        let running = self.running(db, within(floor, last)).await?;
        let found = self.found(db, within(floor, last)).await?;
        let mut fresh: Vec<_> = found.iter().copied().filter(|id| !self.given.contains(id)).collect();
        let gap = fresh.len() > AT_ONCE;
        fresh.truncate(AT_ONCE);
        let mut rows = self.rows(db, &fresh, &[]).await?;
        let mut awaited = self.awaited.clone();
        for id in running {
            awaited.entry(id).or_insert(false);
        }
        for row in &rows {
            if row.status == State::Pending.as_str() {
                awaited.insert(row.id, true);
            } else {
                awaited.remove(&row.id);
            }
        }
        rows.extend(self.ended(db, &mut awaited).await?);
        while awaited.len() > AWAITED {
            awaited.pop_first();
        }
        self.awaited = awaited;
        if again > 0 {
            self.given.extend(found);
            // One that ended between the two questions is among these alone.
            self.given.extend(rows.iter().map(|row| row.id));
            self.given = self.given.split_off(&last.saturating_sub(again));
        }
        self.newest = Some(last);
        Ok(News { rows, gap })
    }

    /// The ids of what is asked for, newest first: all that are looked at again, and one more than is given at once.
    async fn found(&self, db: &Db, within: Condition) -> Result<Vec<i64>, DbErr> {
        let ids = self.question.listed(db.backend(), Way::ByIds).filter(within).select_only().column(Column::Id);
        ids.limit(AGAIN as u64 + AT_ONCE as u64 + 1).into_tuple().all(db).await
    }

    /// The ids of calls that run and may turn out to be asked for, newest first.
    async fn running(&self, db: &Db, within: Condition) -> Result<Vec<i64>, DbErr> {
        let ids = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(self.question.lasting(db.backend(), Way::ByIds))
            .filter(pending())
            .filter(within);
        ids.order_by_desc(Column::Id).limit(AWAITED as u64).into_tuple().all(db).await
    }

    /// The rows with these ids that are asked for, and those that were given before, oldest first.
    async fn rows(&self, db: &Db, ids: &[i64], before: &[i64]) -> Result<Vec<RequestLogRow>, DbErr> {
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let mut wanted = Condition::any().add(self.question.condition(db.backend(), Way::ByIds));
        if !before.is_empty() {
            wanted = wanted.add(Column::Id.is_in(before.iter().copied()));
        }
        let rows = Entity::find().filter(Column::Id.is_in(ids.iter().copied())).filter(wanted);
        rows.order_by_asc(Column::Id).all(db).await
    }

    /// Those of the awaited calls that have ended since; they are awaited no longer.
    async fn ended(&self, db: &Db, awaited: &mut BTreeMap<i64, bool>) -> Result<Vec<RequestLogRow>, DbErr> {
        if awaited.is_empty() {
            return Ok(vec![]);
        }
        let ids = Entity::find().select_only().column(Column::Id).filter(Column::Id.is_in(awaited.keys().copied()));
        let running: BTreeSet<i64> = ids.filter(pending()).into_tuple().all(db).await?.into_iter().collect();
        let (mut ended, mut before) = (Vec::new(), Vec::new());
        awaited.retain(|&id, &mut given| {
            let runs = running.contains(&id);
            if !runs {
                ended.push(id);
                before.extend(given.then_some(id));
            }
            runs
        });
        self.rows(db, &ended, &before).await
    }
}

/// Numbers after `floor`, up to `last`.
pub(super) fn within(floor: i64, last: i64) -> Condition {
    Condition::all().add(Column::Id.gt(floor)).add(Column::Id.lte(last))
}

/// In the words of the index on the status.
fn pending() -> Condition {
    let not_success: SimpleExpr = Expr::cust(NOT_SUCCESS);
    Condition::all().add(Column::Status.eq(State::Pending.as_str())).add(not_success)
}
