//! Whose turn it is to use a connection, and connections that go from one statement to the next.
//!
//! A pool of sqlx asks the database whether a connection is well each time one comes back: a round trip, on SQLite two
//! changes of threads, before anybody else may use it. Where statements wait for connections that is half of all that
//! their database hears. A connection whose statement has just succeeded is well, so whoever waits gets it at once.
//!
//! Takes a pool; gives turns, as many at a time as the pool has connections. Connections are handed on only while somebody
//! waits here, at most [`MOST`] times and for [`LONGEST`] before they go by way of the pool: transactions, and whoever uses
//! the pool itself, wait there. One whose statement failed, or was given up before its end, goes back to the pool at once and
//! is looked at there.
//!
//! Must never: keep a connection that nobody uses, or hand on one that is within a transaction or has more to say.

use std::{
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use sqlx::{
    Connection as _, Database,
    pool::{Pool, PoolConnection},
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout_at,
};

/// How often a connection is handed on before it goes back to the pool.
const MOST: u32 = 32;
/// For how long it is handed on: whoever waits at the pool waits no longer for slow statements than for quick ones.
const LONGEST: Duration = Duration::from_millis(10);

/// The turns at the connections of one pool.
#[derive(Debug)]
pub(super) struct Turns<D: Database> {
    pool: Pool<D>,
    places: Semaphore,
    /// How many wait for a place.
    waiting: AtomicUsize,
    /// On their way from one statement to the next.
    handed: Mutex<Vec<Lent<D>>>,
    patience: Duration,
    longest: Duration,
}

/// A connection, and how often it was handed on.
#[derive(Debug)]
struct Lent<D: Database> {
    connection: PoolConnection<D>,
    times: u32,
    /// When it left the pool.
    since: Instant,
}

impl<D: Database> Turns<D> {
    pub fn new(pool: Pool<D>) -> Self {
        let options = pool.options();
        let places = Semaphore::new(options.get_max_connections() as usize);
        let patience = options.get_acquire_timeout();
        Self { pool, places, waiting: AtomicUsize::new(0), handed: Mutex::default(), patience, longest: LONGEST }
    }

    /// Waits for a turn, and for a connection; for both together as long as the pool's acquire timeout.
    ///
    /// # Errors
    /// The pool's.
    pub async fn turn(&self) -> Result<Turn<'_, D>, sqlx::Error> {
        let (place, lent) = if let Ok(place) = self.places.try_acquire() {
            (place, self.handed().pop())
        } else {
            let until = tokio::time::Instant::now() + self.patience;
            return timeout_at(until, self.waited()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        };
        Turn { turns: self, lent, _place: place }.with_a_connection().await
    }

    async fn waited(&self) -> Result<Turn<'_, D>, sqlx::Error> {
        let waiting = Waiting::begin(self);
        let place = self.places.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let lent = self.handed().pop();
        drop(waiting);
        Turn { turns: self, lent, _place: place }.with_a_connection().await
    }

    /// The pool.
    pub fn pool(&self) -> &Pool<D> {
        &self.pool
    }

    fn handed(&self) -> MutexGuard<'_, Vec<Lent<D>>> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives what is on its way back to the pool when nobody waits for it any more.
    fn tidy(&self) {
        if self.waiting.load(SeqCst) == 0 {
            let left = mem::take(&mut *self.handed());
            drop(left);
        }
    }
}

/// Somebody waits for a place, until this is dropped.
struct Waiting<'t, D: Database>(&'t Turns<D>);

impl<'t, D: Database> Waiting<'t, D> {
    fn begin(turns: &'t Turns<D>) -> Self {
        turns.waiting.fetch_add(1, SeqCst);
        Self(turns)
    }
}

impl<D: Database> Drop for Waiting<'_, D> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
        // Whoever gave up may have been the one for whom a connection was left.
        self.0.tidy();
    }
}

/// One statement's time with a connection. Dropped before [`done`](Self::done), the connection goes back to the pool.
pub(super) struct Turn<'t, D: Database> {
    turns: &'t Turns<D>,
    lent: Option<Lent<D>>,
    /// Dropped last: who comes next finds what is left for them.
    _place: SemaphorePermit<'t>,
}

impl<D: Database> Turn<'_, D> {
    async fn with_a_connection(mut self) -> Result<Self, sqlx::Error> {
        if self.lent.is_none() {
            let connection = self.turns.pool.acquire().await?;
            self.lent = Some(Lent { connection, times: 0, since: Instant::now() });
        }
        Ok(self)
    }

    /// The connection.
    pub fn connection(&mut self) -> &mut D::Connection {
        &mut self.lent.as_mut().expect("a turn has its connection until it ends").connection
    }

    /// The statement has succeeded, to its end: the next one may have the connection.
    pub fn done(mut self) {
        let turns = self.turns;
        let next = self.lent.take_if(|lent| {
            let may = lent.times < MOST && lent.since.elapsed() < turns.longest;
            may && !lent.connection.is_in_transaction() && !turns.pool.is_closed()
        });
        let Some(mut lent) = next else { return };
        lent.times += 1;
        let mut handed = turns.handed();
        if handed.len() < turns.waiting.load(SeqCst) {
            handed.push(lent);
        }
    }
}

impl<D: Database> Drop for Turn<'_, D> {
    fn drop(&mut self) {
        drop(self.lent.take());
        self.turns.tidy();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicBool};

    use sqlx::{Sqlite, pool::PoolOptions, sqlite::SqliteConnectOptions};
    use tokio::task::JoinSet;

    use super::*;

    struct House {
        turns: Arc<Turns<Sqlite>>,
        /// How many connections came back to the pool.
        back: Arc<AtomicUsize>,
        _folder: tempfile::TempDir,
    }

    async fn house(connections: u32) -> House {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = SqliteConnectOptions::new().filename(folder.path().join("turns.sqlite3")).create_if_missing(true);
        let back = Arc::new(AtomicUsize::new(0));
        let count = back.clone();
        let pool = PoolOptions::<Sqlite>::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(20))
            .test_before_acquire(false)
            .after_release(move |_, _| {
                count.fetch_add(1, SeqCst);
                Box::pin(async { Ok(true) })
            })
            .connect_with(file)
            .await
            .expect("a file");
        // How often is counted here, whatever the machine's pace; for how long has a test of its own.
        let turns = Turns { longest: Duration::MAX, ..Turns::new(pool) };
        House { turns: Arc::new(turns), back, _folder: folder }
    }

    async fn one(turns: &Turns<Sqlite>) -> Result<i64, sqlx::Error> {
        let mut turn = turns.turn().await?;
        let one = sqlx::query_scalar("SELECT 1").fetch_one(turn.connection()).await?;
        turn.done();
        Ok(one)
    }

    impl House {
        /// Nobody has anything any more, and nothing is on its way.
        async fn is_tidy(&self) {
            let pool = self.turns.pool();
            for _ in 0..2000 {
                let all_there = pool.num_idle() == pool.size() as usize;
                if all_there && self.turns.places.available_permits() == pool.options().get_max_connections() as usize {
                    assert!(self.turns.handed().is_empty());
                    assert_eq!(self.turns.waiting.load(SeqCst), 0);
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            panic!("of {} connections {} are idle: {:?}", pool.size(), pool.num_idle(), self.turns);
        }
    }

    #[tokio::test]
    async fn connections_are_handed_on_while_somebody_waits() {
        let house = house(2).await;
        let mut statements = JoinSet::new();
        for _ in 0..660 {
            let turns = house.turns.clone();
            statements.spawn(async move { one(&turns).await.expect("an answer") });
        }
        assert_eq!(statements.join_all().await, vec![1; 660]);
        house.is_tidy().await;
        let back = house.back.load(SeqCst);
        assert!((20..=60).contains(&back), "{back} of 660 went by way of the pool");
        // With nobody waiting each goes back.
        for _ in 0..10 {
            one(&house.turns).await.expect("an answer");
        }
        house.is_tidy().await;
        assert_eq!(house.back.load(SeqCst), back + 10);
    }

    #[tokio::test]
    async fn whoever_uses_the_pool_itself_has_a_turn_among_them() {
        let house = house(2).await;
        let over = Arc::new(AtomicBool::new(false));
        let mut statements = JoinSet::new();
        for _ in 0..50 {
            let (turns, over) = (house.turns.clone(), over.clone());
            statements.spawn(async move {
                while !over.load(SeqCst) {
                    one(&turns).await.expect("an answer");
                }
            });
        }
        for _ in 0..20 {
            let mut transaction = house.turns.pool().begin().await.expect("a transaction");
            sqlx::query("SELECT 1").execute(&mut *transaction).await.expect("an answer");
            transaction.commit().await.expect("nothing to commit");
        }
        over.store(true, SeqCst);
        statements.join_all().await;
        house.is_tidy().await;
    }

    #[tokio::test]
    async fn one_that_is_given_up_leaves_nothing_behind() {
        let house = house(3).await;
        let slow =
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT max(i) FROM n";
        let mut statements = JoinSet::new();
        for number in 0..600_u64 {
            let turns = house.turns.clone();
            statements.spawn(async move {
                let statement = async {
                    let mut turn = turns.turn().await.expect("a turn");
                    let most: i64 = sqlx::query_scalar(slow).fetch_one(turn.connection()).await.expect("an answer");
                    assert_eq!(most, 3000);
                    turn.done();
                };
                tokio::time::timeout(Duration::from_micros(number * 137 % 20_000), statement).await.is_ok()
            });
        }
        let ended = statements.join_all().await;
        assert!(ended.iter().any(|ended| !ended), "none was given up");
        house.is_tidy().await;
        assert_eq!(one(&house.turns).await.expect("an answer"), 1);
    }

    #[tokio::test]
    async fn a_connection_within_a_transaction_or_after_a_failure_is_not_handed_on() {
        let house = house(1).await;
        let mut turn = house.turns.turn().await.expect("a turn");
        let transaction = turn.connection().begin().await.expect("a transaction");
        mem::forget(transaction);
        let next = tokio::spawn({
            let turns = house.turns.clone();
            async move {
                let mut turn = turns.turn().await.expect("a turn");
                assert!(turn.lent.as_ref().is_some_and(|lent| lent.times == 0));
                assert!(sqlx::query("no statement").execute(turn.connection()).await.is_err());
            }
        });
        while house.turns.waiting.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        turn.done();
        next.await.expect("the next one");
        house.is_tidy().await;
        assert_eq!(house.back.load(SeqCst), 2);
    }

    #[tokio::test]
    async fn slow_statements_hand_on_nothing() {
        let house = house(2).await;
        let turns = Arc::new(Turns { longest: Duration::ZERO, ..Turns::new(house.turns.pool().clone()) });
        let mut statements = JoinSet::new();
        for _ in 0..100 {
            let turns = turns.clone();
            statements.spawn(async move { one(&turns).await.expect("an answer") });
        }
        statements.join_all().await;
        house.is_tidy().await;
        assert_eq!(house.back.load(SeqCst), 100);
    }

    #[tokio::test]
    async fn waiting_has_an_end() {
        let house = house(1).await;
        let turns = Turns { patience: Duration::from_millis(30), ..Turns::new(house.turns.pool().clone()) };
        let turn = turns.turn().await.expect("a turn");
        assert!(matches!(one(&turns).await, Err(sqlx::Error::PoolTimedOut)));
        turn.done();
        assert!(turns.handed().is_empty());
        assert_eq!(one(&turns).await.expect("an answer"), 1);
    }
}
