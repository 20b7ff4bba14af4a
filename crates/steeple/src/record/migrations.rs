//! The tables of the request log.
//!
//! Written per database, because what makes a row cheap differs: partial indexes hold only the rare rows (SQLite,
//! PostgreSQL), a BRIN index on the time costs next to nothing where rows arrive in time order (PostgreSQL), names
//! compare by byte (`utf8mb4_bin` on MySQL: two methods may differ in case alone). Newest first is always the order of
//! the id, which every index ends with. Services and methods are indexed by one number (`method_key`).
//!
//! On SQLite, where each index costs a third of what a bare row costs, the id does the work of two more: it is the
//! moment of writing in microseconds (the next number when that is taken), so a time is a range of ids, and so is the
//! neighbourhood of a request id that was made here, a UUID of version 7, which begins with its time. Only the callers'
//! own request ids are indexed. There, too, each text costs a copy and its bytes, so calls are kept in a table of their own,
//! `steeple_request_call`, and `steeple_request_log` is a view of it: what follows from another column (`status` from the
//! code, the client's address from the peer's, every time from a number of microseconds) is computed when it is read.
//! Generated columns would not do: SQLite computes virtual ones at every insert too, which was a quarter of the log
//! thread's time. Filters on times ask for `created_us`, which is stored.
//!
//! The index of failures, which are few, has what lists filter failures by, so that many can be counted without their rows.
//!
//! One statement each on MySQL, where a migration that fails half-way stays half done.
//!
//! Must never: change once released; add a migration instead.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use crate::db::migrate::Migration;

/// The label under which the history knows these migrations.
pub const APP: &str = "steeple_log";

/// The migrations of the request log, in their order.
pub fn migrations() -> Vec<Migration> {
    vec![
        Migration::new(APP, "0001_request_log", Step { name: "0001_request_log", statements: request_log }),
        Migration::new(APP, "0002_request_stats", Step { name: "0002_request_stats", statements: request_stats }),
        Migration::new(APP, "0003_caller_stats", Step { name: "0003_caller_stats", statements: caller_stats }),
        Migration::new(APP, "0004_slow_calls", Step { name: "0004_slow_calls", statements: slow_calls }),
    ]
}

struct Step {
    name: &'static str,
    statements: fn(DbBackend) -> Option<&'static [&'static str]>,
}

impl MigrationName for Step {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait]
#[expect(elided_lifetimes_in_paths, reason = "the trait is written so, and spelling it out is another signature")]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let statements = (self.statements)(backend)
            .ok_or_else(|| DbErr::Custom(format!("the request log has no tables for {backend:?}")))?;
        for statement in statements {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

fn request_log(backend: DbBackend) -> Option<&'static [&'static str]> {
    match backend {
        DbBackend::Sqlite => Some(&[
            "CREATE TABLE steeple_request_call (
                id integer NOT NULL PRIMARY KEY,
                request_id varchar(100) NOT NULL,
                service_name varchar(200) NOT NULL,
                method_name varchar(200) NOT NULL,
                method_key bigint NOT NULL,
                request_size bigint NOT NULL,
                response_size bigint NOT NULL,
                request_messages bigint NOT NULL,
                response_messages bigint NOT NULL,
                code smallint NULL,
                error_message text NULL,
                duration_us bigint NULL,
                user_id bigint NULL,
                api_key_id bigint NULL,
                peer varchar(200) NULL,
                user_agent varchar(500) NULL,
                created_us bigint NOT NULL
            )",
            "CREATE VIEW steeple_request_log AS SELECT id, request_id, service_name, method_name, method_key,
                '/' || service_name || '/' || method_name AS full_method,
                request_size, response_size, request_messages, response_messages, code,
                CASE code WHEN 0 THEN 'success' WHEN 1 THEN 'cancelled' WHEN 4 THEN 'timeout'
                    ELSE iif(code IS NULL, 'pending', 'error') END AS status,
                CASE code WHEN 0 THEN 'OK' WHEN 1 THEN 'CANCELLED' WHEN 2 THEN 'UNKNOWN' WHEN 3 THEN 'INVALID_ARGUMENT'
                    WHEN 4 THEN 'DEADLINE_EXCEEDED' WHEN 5 THEN 'NOT_FOUND' WHEN 6 THEN 'ALREADY_EXISTS'
                    WHEN 7 THEN 'PERMISSION_DENIED' WHEN 8 THEN 'RESOURCE_EXHAUSTED' WHEN 9 THEN 'FAILED_PRECONDITION'
                    WHEN 10 THEN 'ABORTED' WHEN 11 THEN 'OUT_OF_RANGE' WHEN 12 THEN 'UNIMPLEMENTED' WHEN 13 THEN 'INTERNAL'
                    WHEN 14 THEN 'UNAVAILABLE' WHEN 15 THEN 'DATA_LOSS' WHEN 16 THEN 'UNAUTHENTICATED'
                    END AS grpc_status_code,
                error_message, duration_us / 1000 AS duration_ms, duration_us, user_id, api_key_id,
                user_id IS NOT NULL OR api_key_id IS NOT NULL AS is_authenticated,
                trim(rtrim(rtrim(peer, '0123456789'), ':'), '[]') AS client_ip, user_agent, peer, created_us,
                strftime('%Y-%m-%d %H:%M:%S', created_us / 1000000, 'unixepoch')
                    || printf('.%06d', created_us % 1000000) AS created_at,
                strftime('%Y-%m-%d %H:%M:%S', (created_us + duration_us) / 1000000, 'unixepoch')
                    || printf('.%06d', (created_us + duration_us) % 1000000) AS completed_at
                FROM steeple_request_call",
            "CREATE INDEX steeple_request_call_request_id ON steeple_request_call (request_id) \
             WHERE (length(request_id) <> 36 OR substr(request_id, 15, 1) <> '7')",
            "CREATE INDEX steeple_request_call_method ON steeple_request_call (method_key)",
            // Word for word what the view calls `status`, with the collation that SQLite gives to a column of a view when
            // it looks through it: no question to the view would find the index otherwise.
            "CREATE INDEX steeple_request_call_status ON steeple_request_call (
                CASE code WHEN 0 THEN 'success' WHEN 1 THEN 'cancelled' WHEN 4 THEN 'timeout'
                    ELSE iif(code IS NULL, 'pending', 'error') END COLLATE BINARY, id, code, created_us)
                WHERE CASE code WHEN 0 THEN 'success' WHEN 1 THEN 'cancelled' WHEN 4 THEN 'timeout'
                    ELSE iif(code IS NULL, 'pending', 'error') END COLLATE BINARY <> 'success'",
            "CREATE INDEX steeple_request_call_user ON steeple_request_call (user_id) WHERE user_id IS NOT NULL",
            "CREATE INDEX steeple_request_call_api_key ON steeple_request_call (api_key_id) WHERE api_key_id IS NOT NULL",
        ]),
        DbBackend::Postgres => Some(&[
            r#"CREATE TABLE steeple_request_log (
                id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
                request_id varchar(100) COLLATE "C" NOT NULL,
                service_name varchar(200) COLLATE "C" NOT NULL,
                method_name varchar(200) COLLATE "C" NOT NULL,
                method_key bigint NOT NULL,
                full_method varchar(400) COLLATE "C" NOT NULL,
                request_size bigint NOT NULL,
                response_size bigint NOT NULL,
                request_messages bigint NOT NULL,
                response_messages bigint NOT NULL,
                status varchar(20) NOT NULL,
                grpc_status_code varchar(50) NULL,
                error_message text NULL,
                duration_ms bigint NULL,
                duration_us bigint NULL,
                user_id bigint NULL,
                api_key_id bigint NULL,
                is_authenticated boolean NOT NULL,
                client_ip varchar(45) NULL,
                user_agent varchar(500) NULL,
                peer varchar(200) NULL,
                created_at timestamp with time zone NOT NULL,
                completed_at timestamp with time zone NULL
            )"#,
            "CREATE INDEX steeple_request_log_request_id ON steeple_request_log (request_id) \
             WHERE (length(request_id) <> 36 OR substr(request_id, 15, 1) <> '7')",
            "CREATE INDEX steeple_request_log_method ON steeple_request_log (method_key, id)",
            // In the order of lists: whatever else is asked of those that failed, the newest are found along it.
            "CREATE INDEX steeple_request_log_status ON steeple_request_log (id) \
             INCLUDE (status, grpc_status_code, created_at) WHERE status <> 'success'",
            "CREATE INDEX steeple_request_log_user ON steeple_request_log (user_id, id) WHERE user_id IS NOT NULL",
            "CREATE INDEX steeple_request_log_api_key ON steeple_request_log (api_key_id, id) WHERE api_key_id IS NOT NULL",
            "CREATE INDEX steeple_request_log_created_at ON steeple_request_log USING brin (created_at) \
             WITH (pages_per_range = 32, autosummarize = on)",
        ]),
        DbBackend::MySql => Some(&["CREATE TABLE steeple_request_log (
                id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
                request_id varchar(100) NOT NULL,
                service_name varchar(200) NOT NULL,
                method_name varchar(200) NOT NULL,
                method_key bigint NOT NULL,
                full_method varchar(400) NOT NULL,
                request_size bigint NOT NULL,
                response_size bigint NOT NULL,
                request_messages bigint NOT NULL,
                response_messages bigint NOT NULL,
                status varchar(20) NOT NULL,
                grpc_status_code varchar(50) NULL,
                error_message text NULL,
                duration_ms bigint NULL,
                duration_us bigint NULL,
                user_id bigint NULL,
                api_key_id bigint NULL,
                is_authenticated bool NOT NULL,
                client_ip varchar(45) NULL,
                user_agent varchar(500) NULL,
                peer varchar(200) NULL,
                created_at datetime(6) NOT NULL,
                completed_at datetime(6) NULL,
                INDEX steeple_request_log_request_id (request_id),
                INDEX steeple_request_log_method (method_key),
                INDEX steeple_request_log_status (status),
                INDEX steeple_request_log_user (user_id),
                INDEX steeple_request_log_api_key (api_key_id),
                INDEX steeple_request_log_created_at (created_at)
            ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"]),
        _ => None,
    }
}

fn request_stats(backend: DbBackend) -> Option<&'static [&'static str]> {
    match backend {
        DbBackend::Sqlite => Some(&["CREATE TABLE steeple_request_stats (
                period integer NOT NULL,
                starts_at bigint NOT NULL,
                service_name varchar(200) NOT NULL,
                method_name varchar(200) NOT NULL,
                grpc_code smallint NOT NULL,
                node bigint NOT NULL,
                calls bigint NOT NULL,
                duration_us bigint NOT NULL,
                request_bytes bigint NOT NULL,
                response_bytes bigint NOT NULL,
                last_us bigint NOT NULL,
                histogram blob NOT NULL,
                PRIMARY KEY (period, starts_at, service_name, method_name, grpc_code, node)
            ) WITHOUT ROWID"]),
        DbBackend::Postgres => Some(&[r#"CREATE TABLE steeple_request_stats (
                period integer NOT NULL,
                starts_at bigint NOT NULL,
                service_name varchar(200) COLLATE "C" NOT NULL,
                method_name varchar(200) COLLATE "C" NOT NULL,
                grpc_code smallint NOT NULL,
                node bigint NOT NULL,
                calls bigint NOT NULL,
                duration_us bigint NOT NULL,
                request_bytes bigint NOT NULL,
                response_bytes bigint NOT NULL,
                last_us bigint NOT NULL,
                histogram bytea NOT NULL,
                PRIMARY KEY (period, starts_at, service_name, method_name, grpc_code, node)
            )"#]),
        DbBackend::MySql => Some(&["CREATE TABLE steeple_request_stats (
                period integer NOT NULL,
                starts_at bigint NOT NULL,
                service_name varchar(200) NOT NULL,
                method_name varchar(200) NOT NULL,
                grpc_code smallint NOT NULL,
                node bigint NOT NULL,
                calls bigint NOT NULL,
                duration_us bigint NOT NULL,
                request_bytes bigint NOT NULL,
                response_bytes bigint NOT NULL,
                last_us bigint NOT NULL,
                histogram blob NOT NULL,
                PRIMARY KEY (period, starts_at, service_name, method_name, grpc_code, node)
            ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"]),
        _ => None,
    }
}

fn caller_stats(backend: DbBackend) -> Option<&'static [&'static str]> {
    match backend {
        DbBackend::Sqlite => Some(&["CREATE TABLE steeple_caller_stats (
                starts_at bigint NOT NULL,
                user_id bigint NOT NULL,
                api_key_id bigint NOT NULL,
                grpc_code smallint NOT NULL,
                node bigint NOT NULL,
                calls bigint NOT NULL,
                duration_us bigint NOT NULL,
                request_bytes bigint NOT NULL,
                response_bytes bigint NOT NULL,
                last_us bigint NOT NULL,
                PRIMARY KEY (starts_at, user_id, api_key_id, grpc_code, node)
            ) WITHOUT ROWID"]),
        DbBackend::Postgres | DbBackend::MySql => Some(&["CREATE TABLE steeple_caller_stats (
                starts_at bigint NOT NULL,
                user_id bigint NOT NULL,
                api_key_id bigint NOT NULL,
                grpc_code smallint NOT NULL,
                node bigint NOT NULL,
                calls bigint NOT NULL,
                duration_us bigint NOT NULL,
                request_bytes bigint NOT NULL,
                response_bytes bigint NOT NULL,
                last_us bigint NOT NULL,
                PRIMARY KEY (starts_at, user_id, api_key_id, grpc_code, node)
            )"]),
        _ => None,
    }
}

/// Slow calls by their duration: few rows, so that the others cost nothing. `log.rs` asks with the same number.
fn slow_calls(backend: DbBackend) -> Option<&'static [&'static str]> {
    match backend {
        DbBackend::Sqlite => Some(&["CREATE INDEX steeple_request_call_slow ON steeple_request_call (duration_us) \
             WHERE duration_us >= 100000"]),
        DbBackend::Postgres => {
            Some(&["CREATE INDEX steeple_request_log_slow ON steeple_request_log (duration_us, id) \
             WHERE duration_us >= 100000"])
        }
        DbBackend::MySql => Some(&["CREATE INDEX steeple_request_log_slow ON steeple_request_log (duration_us)"]),
        _ => None,
    }
}
