//! The database that is filled.

use std::time::Duration;

use sqlx::{
    ConnectOptions, Connection, Executor as _, PgConnection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use steeple::method::method_key;

use super::{
    METHODS,
    sums::{Sum, UserSum},
};
use crate::Outcome;

/// A connection to it.
pub enum Target {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

const SQLITE_ROWS: &str = "
    WITH RECURSIVE number (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM number WHERE i + 1 < ?2),
    spread (i, s) AS (SELECT i, i * 7919 % 1000003 FROM number),
    trace (i, method, code, us, at, user) AS (
        SELECT i, s * s % 10007 * 20 / 10007 * (s % 20) / 20,
            CASE WHEN i % 499 = 7 THEN 13 WHEN i % 97 = 5 THEN 5 ELSE 0 END,
            100 + s * s / 5000000, ?4 + i * ?5 / ?3, CASE WHEN i % 2 = 0 THEN 1 + i / 2 % 1000 END
        FROM spread)
    INSERT INTO steeple_request_call (id, request_id, service_name, method_name, method_key, request_size, response_size,
        request_messages, response_messages, code, error_message, duration_us, user_id, user_agent, peer, created_us)
    SELECT ?4 * 1000000 + i * (?5 * 1000000) / ?3, printf('%08x-0000-7000-8000-%012x', at, i), 'bench.Filled',
        'Method' || method, json_extract(?6, '$[' || method || ']'), 100, 200, 1, 1, code,
        CASE code WHEN 0 THEN NULL ELSE 'filled in by the bench' END, us, user, 'steeple-bench', '127.0.0.1:40000',
        at * 1000000
    FROM trace";

const POSTGRES_ROWS: &str = "
    INSERT INTO steeple_request_log (request_id, service_name, method_name, method_key, full_method, request_size,
        response_size, request_messages, response_messages, status, grpc_status_code, error_message, duration_ms,
        duration_us, user_id, is_authenticated, client_ip, user_agent, peer, created_at, completed_at)
    SELECT lpad(to_hex(at), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(i), 12, '0'), 'bench.Filled',
        'Method' || method, ($6::bigint[])[method + 1], '/bench.Filled/Method' || method, 100, 200, 1, 1,
        CASE code WHEN 0 THEN 'success' ELSE 'error' END,
        CASE code WHEN 0 THEN 'OK' WHEN 5 THEN 'NOT_FOUND' ELSE 'INTERNAL' END,
        CASE code WHEN 0 THEN NULL ELSE 'filled in by the bench' END, us / 1000, us,
        CASE WHEN i % 2 = 0 THEN 1 + i / 2 % 1000 END, i % 2 = 0, '127.0.0.1', 'steeple-bench', '127.0.0.1:40000',
        to_timestamp(at), to_timestamp(at) + us * interval '1 microsecond'
    FROM (
        SELECT i, s * s % 10007 * 20 / 10007 * (s % 20) / 20 AS method,
            CASE WHEN i % 499 = 7 THEN 13 WHEN i % 97 = 5 THEN 5 ELSE 0 END AS code,
            100 + s * s / 5000000 AS us, $4 + i * $5 / $3 AS at
        FROM (SELECT i, i * 7919 % 1000003 AS s FROM generate_series($1::bigint, $2::bigint - 1) AS i) AS spread
    ) AS trace ORDER BY i";

const SUM: &str = "INSERT INTO steeple_request_stats (period, starts_at, service_name, method_name, grpc_code, node,
    calls, duration_us, request_bytes, response_bytes, last_us, histogram)
    VALUES ($1, $2, $3, $4, $5, 1, $6, $7, 100 * $6, 200 * $6, $8, $9)";
const USER: &str =
    "INSERT INTO steeple_caller_stats (starts_at, user_id, api_key_id, grpc_code, node, calls, duration_us,
    request_bytes, response_bytes, last_us) VALUES ($1, $2, 0, $3, 1, $4, $5, 100 * $4, 200 * $4, $6)";

macro_rules! insert_sum {
    ($connection:expr, $sum:expr) => {{
        let (sum, (service, method)) = ($sum, $sum.name());
        let query = sqlx::query(SUM).bind(sum.period as i32).bind(sum.starts_at).bind(service).bind(method);
        let query = query.bind(sum.code as i16).bind(sum.calls).bind(sum.duration_us).bind(sum.last_us);
        query.bind(sum.histogram()?).execute($connection).await?;
    }};
}

macro_rules! insert_user {
    ($connection:expr, $user:expr) => {{
        let query = sqlx::query(USER).bind($user.starts_at).bind($user.user).bind($user.code as i16);
        let query = query.bind($user.calls).bind($user.duration_us).bind($user.last_us);
        query.execute($connection).await?;
    }};
}

impl Target {
    /// Connects, in a hurry: what is filled in may be filled in again.
    pub async fn connect(url: &str) -> Outcome<Self> {
        if url.starts_with("postgres") {
            let mut connection = PgConnection::connect(url).await?;
            connection.execute("SET synchronous_commit = off").await?;
            return Ok(Self::Postgres(connection));
        }
        let connection = url
            .parse::<SqliteConnectOptions>()?
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Off)
            .busy_timeout(Duration::from_secs(5))
            .disable_statement_logging()
            .connect()
            .await?;
        Ok(Self::Sqlite(connection))
    }

    /// The rows of the calls `first` up to `end`, of `calls` that are spread over `seconds` after `from`.
    pub async fn rows(&mut self, (first, end): (i64, i64), calls: i64, (from, seconds): (i64, i64)) -> Outcome<()> {
        let keys: Vec<_> = (0..METHODS).map(|method| method_key("bench.Filled", &format!("Method{method}"))).collect();
        match self {
            Self::Sqlite(connection) => {
                let rows = sqlx::query(SQLITE_ROWS).bind(first).bind(end).bind(calls).bind(from).bind(seconds);
                rows.bind(serde_json::to_string(&keys)?).execute(connection).await?;
            }
            Self::Postgres(connection) => {
                let rows = sqlx::query(POSTGRES_ROWS).bind(first).bind(end).bind(calls).bind(from).bind(seconds);
                rows.bind(keys).execute(connection).await?;
            }
        }
        Ok(())
    }

    /// Begins the transaction of the sums.
    pub async fn begin(&mut self) -> Outcome<()> {
        self.execute("BEGIN").await
    }

    /// Writes what has passed.
    pub async fn sums(&mut self, sums: Vec<Sum>, users: Vec<UserSum>) -> Outcome<()> {
        match self {
            Self::Sqlite(connection) => {
                for sum in &sums {
                    insert_sum!(&mut *connection, sum);
                }
                for user in &users {
                    insert_user!(&mut *connection, user);
                }
            }
            Self::Postgres(connection) => {
                for sum in &sums {
                    insert_sum!(&mut *connection, sum);
                }
                for user in &users {
                    insert_user!(&mut *connection, user);
                }
            }
        }
        Ok(())
    }

    /// Ends the transaction and lets the planner know what is there, as a server that has run for a day does.
    pub async fn finish(mut self) -> Outcome<()> {
        self.execute("COMMIT").await?;
        match self {
            Self::Sqlite(connection) => connection.close().await?,
            Self::Postgres(mut connection) => {
                connection.execute("VACUUM ANALYZE").await?;
                connection.close().await?;
            }
        }
        Ok(())
    }

    async fn execute(&mut self, statement: &'static str) -> Outcome<()> {
        match self {
            Self::Sqlite(connection) => connection.execute(statement).await.map(drop)?,
            Self::Postgres(connection) => connection.execute(statement).await.map(drop)?,
        }
        Ok(())
    }
}
