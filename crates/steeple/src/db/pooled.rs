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
use sqlx::{AssertSqlSafe, Database, Executor, IntoArguments, MySql, MySqlPool, PgPool, Postgres, Sqlite, SqlitePool};

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
    turn.done();
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
