//! The log as it grows: what `logs --follow` prints and the live pages show.
//!
//! Takes a question, gives the rows that are new at each look, from whatever node they come. It costs a query a look,
//! and nothing when nobody looks. Must never: give a row twice in the same state.

use std::collections::BTreeSet;

use sea_orm::{
    ColumnTrait as _, DbBackend, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::{Column, Entity, RequestLog, RequestLogRow};
use crate::{Db, record::State};

/// Rows of one look; of more, the newest.
const AT_ONCE: u64 = 1000;
/// Numbers that are looked at again, where nodes may commit in another order than they took their numbers. SQLite has
/// one writer at a time.
const AGAIN: i64 = 2000;
/// Running calls whose end is waited for.
const AWAITED: usize = 1000;

/// A reader at the end of the log.
#[derive(Debug)]
pub struct Tail {
    question: RequestLog,
    /// `None` before the first look.
    newest: Option<i64>,
    /// What was given, of the numbers that are looked at again.
    given: BTreeSet<i64>,
    /// Given as pending.
    awaited: BTreeSet<i64>,
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
        Tail { question: self, newest: None, given: BTreeSet::new(), awaited: BTreeSet::new() }
    }
}

impl Tail {
    /// Gives what is new since the last look; the first look gives nothing and remembers where the log ends.
    ///
    /// # Errors
    /// The database's. The next look makes up for it.
    pub async fn look(&mut self, db: &Db) -> Result<News, DbErr> {
        let Some(newest) = self.newest else {
            let last = Entity::find().select_only().column(Column::Id).order_by_desc(Column::Id).limit(1);
            self.newest = Some(last.into_tuple::<i64>().one(db).await?.unwrap_or_default());
            return Ok(News::default());
        };
        let again = if db.backend() == DbBackend::Sqlite { 0 } else { AGAIN };
        let rows = self.question.clone().after(newest.saturating_sub(again)).limit(AT_ONCE).all(db).await?;
        let gap = rows.len() as u64 == AT_ONCE && again == 0;
        let mut news: Vec<_> = rows.into_iter().rev().filter(|row| !self.given.contains(&row.id)).collect();
        // What was there before the first look is no news.
        if self.given.is_empty() && again > 0 {
            news.retain(|row| row.id > newest);
        }
        let ended = self.ended(db).await?;
        self.remember(&news, again);
        news.extend(ended);
        Ok(News { rows: news, gap })
    }

    /// Those of the calls that were given as pending that have ended since.
    async fn ended(&mut self, db: &Db) -> Result<Vec<RequestLogRow>, DbErr> {
        if self.awaited.is_empty() {
            return Ok(vec![]);
        }
        let rows = Entity::find()
            .filter(Column::Id.is_in(self.awaited.iter().copied()))
            .filter(Column::Status.ne(State::Pending.as_str()))
            .order_by_asc(Column::Id)
            .all(db)
            .await?;
        for row in &rows {
            self.awaited.remove(&row.id);
        }
        Ok(rows)
    }

    fn remember(&mut self, news: &[RequestLogRow], again: i64) {
        let newest = news.iter().map(|row| row.id).max().max(self.newest).unwrap_or_default();
        self.newest = Some(newest);
        if again > 0 {
            self.given.extend(news.iter().map(|row| row.id));
            self.given = self.given.split_off(&newest.saturating_sub(again));
        }
        let pending = news.iter().filter(|row| row.status == State::Pending.as_str()).map(|row| row.id);
        self.awaited.extend(pending);
        while self.awaited.len() > AWAITED {
            self.awaited.pop_first();
        }
    }
}
