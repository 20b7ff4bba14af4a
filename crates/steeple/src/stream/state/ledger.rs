//! The task that writes rows and events, in batches, behind the streams.

use std::{
    collections::HashMap,
    sync::Weak,
    time::{Duration, Instant},
};

use metrics::Counter;
use sea_orm::{
    ActiveValue::NotSet,
    ColumnTrait as _, DbBackend, DbErr, EntityTrait as _, IdenStatic as _, IntoActiveModel as _, Iterable as _,
    QueryFilter as _,
    sea_query::{Expr, ExprTrait as _, OnConflict},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::MissedTickBehavior,
};

use super::{Connection, Event, Status, event, row};
use crate::{Db, clock, db::is_of_data, stream::Config};

/// What may wait to be written: with the default limit every client of a node may come and go twice.
const QUEUE: usize = 65_536;
/// Rows of one statement; SQLite takes 32,766 values.
const CHUNK: usize = 500;
/// How often what is too old is removed.
const SWEEP: Duration = Duration::from_mins(1);
/// A row of an open session is believed for so long at least.
const LEAST_OPEN: Duration = Duration::from_secs(5);
/// A row that says longer would not have room for the moment.
const LONGEST_GRACE: Duration = Duration::from_hours(366 * 24);
/// How long rows of a node that said no more wait before anybody else marks them.
const LOST: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

/// Where rows and events are handed in.
#[derive(Debug, Clone)]
pub(in crate::stream) struct Ledger {
    entries: mpsc::Sender<Entry>,
    /// What a full queue did not take, the database refused, or the end left over. Rows heal at the next refresh, events do
    /// not.
    dropped: Counter,
    keeps_open: Duration,
    task: AbortHandle,
}

#[derive(Debug)]
enum Entry {
    Row(Box<Connection>),
    Event(Box<Event>),
    /// Write what there is, and say how much could not be.
    Flush(oneshot::Sender<usize>),
}

/// Who knows the clients that are connected now.
pub(in crate::stream) trait Source: Send + Sync + 'static {
    /// The rows of all open sessions.
    fn rows(&self) -> Vec<Connection>;
}

impl Ledger {
    /// Starts the task; it ends when the ledger and the source are gone.
    pub fn start(db: Db, config: &Config, source: Weak<dyn Source>, dropped: Counter) -> Self {
        let (entries, receiver) = mpsc::channel(QUEUE);
        let task = Task {
            db,
            config: config.clone(),
            source,
            dropped: dropped.clone(),
            entries: receiver,
            rows: HashMap::new(),
            events: vec![],
        };
        let task = tokio::spawn(task.run()).abort_handle();
        // Three refreshes may fail before the row is doubted, and a busy machine may be late.
        let keeps_open = (config.refresh_interval * 3 + config.flush_interval).max(LEAST_OPEN);
        Self { entries, dropped, keeps_open, task }
    }

    /// Until when a row written now may be believed: of an open session, or of one that is in its `grace`, of which nothing
    /// more is written until that is over.
    pub fn valid_until(&self, grace: Duration) -> clock::Time {
        clock::now() + self.keeps_open + grace.min(LONGEST_GRACE)
    }

    /// A session began, changed or ended.
    pub fn row(&self, row: Connection) {
        self.put(Entry::Row(Box::new(row)));
    }

    /// Something happened.
    pub fn event(&self, event: Event) {
        self.put(Entry::Event(Box::new(event)));
    }

    fn put(&self, entry: Entry) {
        if self.entries.try_send(entry).is_err() {
            self.dropped.increment(1);
        }
    }

    /// Waits until everything handed in so far is written, or could not be; tells how much could not.
    async fn flush(&self) -> usize {
        let (done, left) = oneshot::channel();
        if self.entries.send(Entry::Flush(done)).await.is_err() {
            return 0;
        }
        left.await.unwrap_or_default()
    }

    /// Writes what there is, and nothing after it. What is left is counted when the task ends.
    pub async fn finish(&self, within: Duration) {
        match tokio::time::timeout(within, self.flush()).await {
            Ok(0) => {}
            Ok(left) => tracing::warn!(left, "the last connections could not be written"),
            Err(_) => tracing::warn!("the last connections could not be written in time"),
        }
        self.task.abort();
    }
}

struct Task {
    db: Db,
    config: Config,
    source: Weak<dyn Source>,
    dropped: Counter,
    entries: mpsc::Receiver<Entry>,
    /// By service and client: the row of its latest session.
    rows: HashMap<(String, String), Connection>,
    events: Vec<Event>,
}

impl Task {
    async fn run(mut self) {
        let mut tick = tokio::time::interval(self.config.flush_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut refreshed, mut swept) = (Instant::now(), None::<Instant>);
        loop {
            tokio::select! {
                entry = self.entries.recv() => match entry {
                    Some(Entry::Row(row)) => self.keep(*row),
                    Some(Entry::Event(event)) => self.events.push(*event),
                    Some(Entry::Flush(done)) => {
                        self.write().await;
                        let _ = done.send(self.left());
                    }
                    None => return self.write().await,
                },
                _ = tick.tick() => {
                    if refreshed.elapsed() >= self.config.refresh_interval {
                        refreshed = Instant::now();
                        self.refresh();
                    }
                    self.write().await;
                    if swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
                        swept = Some(Instant::now());
                        if let Err(error) = self.sweep().await {
                            tracing::warn!(%error, "old connections could not be removed");
                        }
                    }
                }
            }
            // What the database does not take must not grow: rows are one for each client, events are not. Many at once, for
            // all that stay are moved.
            if self.events.len() >= QUEUE + CHUNK {
                let surplus = self.events.len() - QUEUE;
                self.events.drain(..surplus);
                self.dropped.increment(surplus as u64);
            }
        }
    }

    /// Of two rows of one client, the later session's, by this node's own order; of one session, the later word.
    fn keep(&mut self, row: Connection) {
        let key = (row.service.clone(), row.client_id.clone());
        match self.rows.get_mut(&key) {
            Some(kept) if kept.connected_at > row.connected_at => {}
            Some(kept) => *kept = row,
            None => {
                self.rows.insert(key, row);
            }
        }
    }

    /// What waits to be written.
    fn left(&self) -> usize {
        self.rows.len() + self.events.len()
    }

    fn refresh(&mut self) {
        let Some(source) = self.source.upgrade() else { return };
        for row in source.rows() {
            self.keep(row);
        }
    }

    /// Writes what has come together; what the database does not take now is tried again with the next, what it refuses is
    /// dropped and counted. Events do not wait for rows.
    async fn write(&mut self) {
        let mut refused = Refused::default();
        if let Err(error) = self.put_rows(&mut refused).await {
            tracing::warn!(%error, rows = self.rows.len(), "connections could not be written, trying again");
        }
        if let Err(error) = self.put_events(&mut refused).await {
            tracing::warn!(%error, events = self.events.len(), "connection events could not be written, trying again");
        }
        if let Some(error) = refused.last {
            let count = refused.count;
            self.dropped.increment(count);
            tracing::warn!(%error, count, "the database refuses rows or events of connections; dropped them");
        }
    }

    async fn put_rows(&mut self, refused: &mut Refused) -> Result<(), DbErr> {
        let rows: Vec<_> = self.rows.values().cloned().collect();
        let (mut done, mut size) = (0, CHUNK);
        while done < rows.len() {
            let part = &rows[done..rows.len().min(done + size)];
            match write_rows(&self.db, part).await {
                Ok(()) => size = (size * 2).min(CHUNK),
                Err(error) if !is_of_data(&error) => return Err(error),
                Err(_) if part.len() > 1 => {
                    size = part.len() / 2;
                    continue;
                }
                Err(error) => refused.note(error),
            }
            for row in part {
                self.rows.remove(&(row.service.clone(), row.client_id.clone()));
            }
            done += part.len();
        }
        Ok(())
    }

    async fn put_events(&mut self, refused: &mut Refused) -> Result<(), DbErr> {
        let mut size = CHUNK;
        while !self.events.is_empty() {
            let part = self.events.len().min(size);
            match write_events(&self.db, &self.events[..part]).await {
                Ok(()) => size = (size * 2).min(CHUNK),
                Err(error) if !is_of_data(&error) => return Err(error),
                Err(_) if part > 1 => {
                    size = part / 2;
                    continue;
                }
                Err(error) => refused.note(error),
            }
            self.events.drain(..part);
        }
        Ok(())
    }

    /// Marks clients of nodes that died, removes what is older than `keep`.
    async fn sweep(&self) -> Result<(), DbErr> {
        let now = clock::now();
        row::Entity::update_many()
            .col_expr(row::Column::Status, Expr::value(Status::Disconnected.as_str()))
            .col_expr(row::Column::Cause, Expr::value("node_lost"))
            // One in its grace has said itself when it ended.
            .col_expr(row::Column::DisconnectedAt, Expr::cust("COALESCE(disconnected_at, valid_until)"))
            .filter(row::Column::Status.ne(Status::Disconnected.as_str()))
            .filter(row::Column::ValidUntil.lt(now - LOST))
            .exec(&self.db)
            .await?;
        let keep = self.config.keep;
        if keep.is_zero() {
            return Ok(());
        }
        event::Entity::delete_many().filter(event::Column::CreatedAt.lt(now - keep)).exec(&self.db).await?;
        row::Entity::delete_many()
            .filter(row::Column::Status.eq(Status::Disconnected.as_str()))
            .filter(row::Column::LastSeenAt.lt(now - keep))
            .exec(&self.db)
            .await?;
        Ok(())
    }
}

impl Drop for Task {
    /// Nobody writes it any more, also when the task is aborted in the middle of it.
    fn drop(&mut self) {
        // Before it is counted: what is handed in from now on is counted there.
        self.entries.close();
        let mut lost = self.left();
        while let Ok(entry) = self.entries.try_recv() {
            lost += usize::from(!matches!(entry, Entry::Flush(_)));
        }
        self.dropped.increment(lost as u64);
    }
}

/// What the database will never take.
#[derive(Default)]
struct Refused {
    count: u64,
    last: Option<DbErr>,
}

impl Refused {
    fn note(&mut self, error: DbErr) {
        self.count += 1;
        self.last = Some(error);
    }
}

async fn write_events(db: &Db, events: &[Event]) -> Result<(), DbErr> {
    let models = events.iter().cloned().map(|event| {
        let mut model = event.into_active_model();
        model.id = NotSet;
        model
    });
    event::Entity::insert_many(models).exec_without_returning(db).await.map(drop)
}

/// Inserts the rows, or puts them in the place of an older session's, or of one that is over if theirs is open: clocks of
/// nodes differ, and the refresh brings back what a clock that is ahead has kept out.
async fn write_rows(db: &Db, rows: &[Connection]) -> Result<(), DbErr> {
    let models = rows.iter().cloned().map(|row| {
        let mut model = row.into_active_model();
        model.id = NotSet;
        model
    });
    let changed = row::Column::iter().filter(|column| {
        use row::Column::{ClientId, ConnectedAt, Id, Service, Status};
        !matches!(column, Id | Service | ClientId | ConnectedAt | Status)
    });
    // What is compared comes last: MySQL has no condition, and assigns from left to right. The moment comes before the
    // status: once it is assigned, the first half of the condition holds.
    let changed = changed.chain([row::Column::ConnectedAt, row::Column::Status]);
    let (open, stored) = (Status::Connected.as_str(), Expr::col((row::Entity, row::Column::Status)));
    let mut conflict = OnConflict::columns([row::Column::Service, row::Column::ClientId]);
    if db.backend() == DbBackend::MySql {
        for column in changed {
            let name = column.as_str();
            let wins =
                format!("VALUES(connected_at) >= connected_at OR VALUES(status) = '{open}' AND status <> '{open}'");
            let newer = format!("IF({wins}, VALUES({name}), {name})");
            conflict.value(column, Expr::cust(newer));
        }
    } else {
        conflict.update_columns(changed);
        let excluded = |column: row::Column| Expr::col(("excluded", column));
        let newer = excluded(row::Column::ConnectedAt).gte(Expr::col((row::Entity, row::Column::ConnectedAt)));
        let back = excluded(row::Column::Status).eq(open).and(stored.ne(open));
        conflict.action_and_where(newer.or(back));
    }
    row::Entity::insert_many(models).on_conflict(conflict).exec_without_returning(db).await.map(drop)
}

#[cfg(test)]
mod tests;
