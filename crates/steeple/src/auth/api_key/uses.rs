//! How often each key was used: counted in memory, written behind.
//!
//! A use adds one to a number that only ever grows. Writing adds to the row what has grown since the last writing that
//! succeeded; one that fails changes nothing here, so the next one has it all. The number belongs to the key's id and not
//! to what the cache holds: loading a key again finds the same number.
//!
//! Bounded: a number goes when it is written and nobody holds the key any more, so there are as many as the cache holds
//! and a second's callers use. A number is made only for a key that is in the table.
//!
//! Must never: count what was written twice. The one exception is out of reach: when the connection breaks between the
//! database's commit and its answer, that statement's uses are written again.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicI64, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryTrait as _,
    sea_query::{CaseStatement, Expr, ExprTrait as _},
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::table::{Column, Entity};
use crate::{
    clock::{self, Time},
    db::Db,
};

/// Between two writings.
const EVERY: Duration = Duration::from_secs(1);
/// Between two attempts at the end.
const AGAIN: Duration = Duration::from_millis(100);
/// Keys of one statement.
const AT_ONCE: usize = 100;

/// The uses of one key since this process first saw it.
#[derive(Debug, Default)]
pub(super) struct Uses {
    count: AtomicU64,
    /// Microseconds since 1970; 0: never.
    last: AtomicI64,
}

impl Uses {
    /// One more.
    pub fn add(&self) {
        // First the moment: whoever sees the use sees when it was, or a later one.
        self.last.fetch_max(clock::now().timestamp_micros(), Relaxed);
        self.count.fetch_add(1, Release);
    }
}

/// The uses of all keys, and what of them is written.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    keys: Mutex<BTreeMap<i64, Account>>,
    /// One writing at a time: what is under way is not yet written, and must not be written twice.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Account {
    uses: Arc<Uses>,
    written: u64,
}

impl Account {
    fn due(&self) -> u64 {
        self.uses.count.load(Acquire) - self.written
    }
}

/// What a row lacks.
#[derive(Debug, Clone, Copy)]
struct Due {
    id: i64,
    uses: u64,
    last: Time,
}

impl Ledger {
    /// The number of the key with this id.
    pub fn of(&self, id: i64) -> Arc<Uses> {
        self.keys().entry(id).or_default().uses.clone()
    }

    /// Writes what is due.
    pub async fn flush(&self, db: &Db) -> Result<(), DbErr> {
        let _alone = self.writing.lock().await;
        for part in self.due().chunks(AT_ONCE) {
            write(db, part).await?;
            let mut keys = self.keys();
            for due in part {
                keys.entry(due.id).and_modify(|account| account.written += due.uses);
            }
        }
        Ok(())
    }

    pub async fn keep_written(&self, db: &Db, stop: CancellationToken) {
        let mut failing = false;
        while stop.run_until_cancelled(sleep(EVERY)).await.is_some() {
            match (self.flush(db).await, failing) {
                (Ok(()), true) => tracing::info!("uses of api keys are written again"),
                (Err(error), false) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "uses of api keys cannot be written; they are kept, calls go on");
                    failing = true;
                    continue;
                }
                (Err(_), true) => continue,
                (Ok(()), false) => {}
            }
            failing = false;
        }
    }

    /// Writes the last; how many uses could not be written.
    pub async fn finish(&self, db: &Db, patience: Duration) -> u64 {
        let written = async {
            while self.flush(db).await.is_err() {
                sleep(AGAIN).await;
            }
        };
        // Either way, what is left tells.
        let _ = timeout(patience, written).await;
        self.unwritten()
    }

    fn unwritten(&self) -> u64 {
        self.keys().values().map(Account::due).sum()
    }

    /// What is due, by id, so that two nodes lock rows in the same order. Forgets what nobody needs any more.
    fn due(&self) -> Vec<Due> {
        let mut due = Vec::new();
        self.keys().retain(|id, account| {
            let last = Time::from_timestamp_micros(account.uses.last.load(Relaxed)).unwrap_or_default();
            match account.due() {
                // Nobody else holds it, and none can get at it while the list is locked.
                0 => Arc::get_mut(&mut account.uses).is_none_or(|uses| *uses.count.get_mut() > account.written),
                uses => {
                    due.push(Due { id: *id, uses, last });
                    true
                }
            }
        });
        due
    }

    fn keys(&self) -> MutexGuard<'_, BTreeMap<i64, Account>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One statement for all of them. A key that is gone is none of its rows.
async fn write(db: &Db, part: &[Due]) -> Result<(), DbErr> {
    let (mut counts, mut moments) = (CaseStatement::new(), CaseStatement::new());
    for Due { id, uses, last } in part {
        let count = Expr::col(Column::RequestCount).add(uses.cast_signed());
        counts = counts.case(Column::Id.eq(*id), count);
        // Another node may have written a later one.
        let later = Column::LastUsedAt.is_null().or(Column::LastUsedAt.lt(*last));
        moments = moments.case(Column::Id.eq(*id).and(later), Expr::val(*last));
    }
    let update = Entity::update_many()
        .col_expr(Column::RequestCount, counts.finally(Expr::col(Column::RequestCount)).into())
        .col_expr(Column::LastUsedAt, moments.finally(Expr::col(Column::LastUsedAt)).into())
        .filter(Column::Id.is_in(part.iter().map(|due| due.id)));
    db.execute(&update.into_query()).await.map(drop)
}
