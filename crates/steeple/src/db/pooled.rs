//! One pool, to one of the three databases: statements in turn, and everything else by SeaORM's connection.
//!
//! Takes statements as SeaORM builds them and gives what SeaORM reads, as SeaORM itself would by way of the pool; its errors
//! are of the same kinds. Must never: run what is more than one statement in a turn.

use std::{fmt, sync::Arc, time::Instant};

use sea_orm::{
    ConnAcquireErr, DatabaseConnection, DbErr, ExecResult, QueryResult, RuntimeErr, SqlxMySqlConnector,
    SqlxPostgresConnector, SqlxSqliteConnector, Statement, Values, metric::Info,
};
use sea_query_sqlx::SqlxValues;
use sqlx::{
    AssertSqlSafe, Connection as _, Database, Executor, IntoArguments, MySql, MySqlPool, PgPool, Postgres, Sqlite,
    SqlitePool,
};

use super::{Pool, turns::Turns};

/// The pool of a [`Db`](super::Db).
#[derive(Clone)]
pub struct Pooled {
    connection: DatabaseConnection,
    turns: Of,
    /// Whoever wants to know of each statement.
    metric: Option<Metric>,
}

type Metric = Arc<dyn Fn(&Info<'_>) + Send + Sync>;

#[derive(Clone)]
enum Of {
    Sqlite(Arc<Turns<Sqlite>>),
    Postgres(Arc<Turns<Postgres>>),
    MySql(Arc<Turns<MySql>>),
}

/// Runs a statement in a turn, and tells whoever wants to know.
macro_rules! run {
    ($pooled:expr, $run:ident, $statement:expr) => {{
        let began = $pooled.metric.as_ref().map(|metric| (metric, $statement.clone(), Instant::now()));
        let result = match &$pooled.turns {
            Of::Sqlite(turns) => $run(turns, $statement).await,
            Of::Postgres(turns) => $run(turns, $statement).await,
            Of::MySql(turns) => $run(turns, $statement).await,
        };
        if let Some((metric, statement, began)) = began {
            metric(&Info { elapsed: began.elapsed(), statement: &statement, failed: result.is_err() });
        }
        result
    }};
}

impl Pooled {
    /// Has this function told of each statement from now on, by this handle and clones of it, within transactions too: for
    /// tests that count them, and for whoever looks for slow ones. The same as SeaORM's, with the time that was waited for a
    /// connection.
    pub fn set_metric_callback(&mut self, callback: impl Fn(&Info<'_>) + Send + Sync + 'static) {
        let metric: Metric = Arc::new(callback);
        self.connection.set_metric_callback({
            let metric = metric.clone();
            move |info| metric(info)
        });
        self.metric = Some(metric);
    }

    pub(super) async fn execute(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        run!(self, execute, statement)
    }

    pub(super) async fn query_one(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        run!(self, query_one, statement)
    }

    pub(super) async fn query_all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        run!(self, query_all, statement)
    }

    /// The same pool as SeaORM has it.
    pub(super) fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// The same pool as sqlx has it.
    pub(super) fn pool(&self) -> Pool<'_> {
        match &self.turns {
            Of::Sqlite(turns) => Pool::Sqlite(turns.pool()),
            Of::Postgres(turns) => Pool::Postgres(turns.pool()),
            Of::MySql(turns) => Pool::MySql(turns.pool()),
        }
    }
}

impl From<SqlitePool> for Pooled {
    fn from(pool: SqlitePool) -> Self {
        let connection = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.clone());
        Self { connection, turns: Of::Sqlite(Arc::new(Turns::new(pool))), metric: None }
    }
}

impl From<PgPool> for Pooled {
    fn from(pool: PgPool) -> Self {
        let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone());
        Self { connection, turns: Of::Postgres(Arc::new(Turns::new(pool))), metric: None }
    }
}

impl From<MySqlPool> for Pooled {
    fn from(pool: MySqlPool) -> Self {
        let connection = SqlxMySqlConnector::from_sqlx_mysql_pool(pool.clone());
        Self { connection, turns: Of::MySql(Arc::new(Turns::new(pool))), metric: None }
    }
}

impl fmt::Debug for Pooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pooled").field("connection", &self.connection).finish_non_exhaustive()
    }
}

async fn execute<D>(turns: &Turns<D>, statement: Statement) -> Result<ExecResult, DbErr>
where
    D: Database,
    SqlxValues: IntoArguments<D>,
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
    ExecResult: From<D::QueryResult>,
{
    let Statement { sql, values, .. } = statement;
    let mut turn = turns.turn().await.map_err(not_acquired)?;
    let query = sqlx::query_with(AssertSqlSafe(sql), bound(values));
    let result = query.execute(turn.connection()).await.map_err(|error| DbErr::Exec(failed(error)))?;
    turn.done();
    Ok(result.into())
}

async fn query_one<D>(turns: &Turns<D>, statement: Statement) -> Result<Option<QueryResult>, DbErr>
where
    D: Database,
    SqlxValues: IntoArguments<D>,
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
    QueryResult: From<D::Row>,
{
    let Statement { sql, values, .. } = statement;
    let mut turn = turns.turn().await.map_err(not_acquired)?;
    let query = sqlx::query_with(AssertSqlSafe(sql), bound(values));
    let row = query.fetch_optional(turn.connection()).await.map_err(|error| DbErr::Query(failed(error)))?;
    // MySQL may have more to say than the first row: nothing that the next statement should hear.
    if turn.connection().flush().await.is_ok() {
        turn.done();
    }
    Ok(row.map(Into::into))
}

async fn query_all<D>(turns: &Turns<D>, statement: Statement) -> Result<Vec<QueryResult>, DbErr>
where
    D: Database,
    SqlxValues: IntoArguments<D>,
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
    QueryResult: From<D::Row>,
{
    let Statement { sql, values, .. } = statement;
    let mut turn = turns.turn().await.map_err(not_acquired)?;
    let query = sqlx::query_with(AssertSqlSafe(sql), bound(values));
    let rows = query.fetch_all(turn.connection()).await.map_err(|error| DbErr::Query(failed(error)))?;
    turn.done();
    Ok(rows.into_iter().map(Into::into).collect())
}

fn bound(values: Option<Values>) -> SqlxValues {
    SqlxValues(values.unwrap_or_else(|| Values(Vec::new())))
}

fn failed(error: sqlx::Error) -> RuntimeErr {
    RuntimeErr::SqlxError(error.into())
}

fn not_acquired(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        error => DbErr::Conn(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
        time::Duration,
    };

    use sea_orm::{ConnectionTrait as _, DbBackend};
    use sqlx::{pool::PoolOptions, sqlite::SqliteConnectOptions};

    use super::*;
    use crate::{Db, db::Config, record::databases::Database};

    #[tokio::test]
    async fn a_connection_whose_statement_failed_goes_back_to_the_pool() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = SqliteConnectOptions::new().filename(folder.path().join("db.sqlite3")).create_if_missing(true);
        let back = Arc::new(AtomicUsize::new(0));
        let count = back.clone();
        let options = PoolOptions::<Sqlite>::new().max_connections(1).after_release(move |_, _| {
            count.fetch_add(1, SeqCst);
            Box::pin(async { Ok(true) })
        });
        let pooled = Pooled::from(options.connect_with(file).await.expect("a file"));
        let statement = |sql| Statement::from_string(DbBackend::Sqlite, sql);
        let good = || pooled.query_one(statement("SELECT 1"));
        let (first, second, third, fourth) = tokio::join!(
            pooled.query_one(statement("SELECT nothing")),
            pooled.query_all(statement("SELECT nothing")),
            pooled.execute(statement("SELECT nothing")),
            good()
        );
        assert!(matches!((first, second, third), (Err(DbErr::Query(_)), Err(DbErr::Query(_)), Err(DbErr::Exec(_)))));
        assert!(fourth.expect("an answer").is_some());
        for _ in 0..5000 {
            if back.load(SeqCst) == 4 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("{} of 4 came back: one whose statement failed was handed on", back.load(SeqCst));
    }

    #[tokio::test]
    async fn what_a_statement_has_not_said_yet_is_nobody_elses_on_mysql() {
        let Some(database) = Database::mysql().await else { return };
        let db = Db::connect(&Config { max_connections: Some(1), ..database.config() }, 1).await.expect("a database");
        db.execute_unprepared("CREATE TABLE t (id bigint PRIMARY KEY)").await.expect("a table");
        db.execute_unprepared("INSERT INTO t VALUES (1), (2), (3)").await.expect("rows");
        // Its first row comes, then an error: the second has two values for one.
        let half = "SELECT id, (SELECT other.id FROM t AS other WHERE other.id <= t.id) AS less FROM t ORDER BY id";
        let ask = |sql| db.query_one_raw(Statement::from_string(DbBackend::MySql, sql));
        for _ in 0..20 {
            let (_, one, two) = tokio::join!(ask(half), ask("SELECT 1"), ask("SELECT 2"));
            assert!(one.expect("an answer").is_some() && two.expect("an answer").is_some());
        }
        db.close().await;
    }
}
