//! `Db` as SeaORM's connection: pool or transaction, with SQLite's spelling on the way.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use super::{Db, spelling};

/// One match per method; every statement passes `spelling::respelled`.
#[async_trait::async_trait]
impl ConnectionTrait for Db {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Pool(pool) => pool.connection().get_database_backend(),
            Self::Transaction(transaction) => transaction.connection().get_database_backend(),
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let statement = spelling::respelled(statement);
        match self {
            Self::Pool(pool) => pool.execute(statement).await,
            Self::Transaction(transaction) => transaction.connection().execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Self::Pool(pool) => pool.connection().execute_unprepared(sql).await,
            Self::Transaction(transaction) => transaction.connection().execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let statement = spelling::respelled(statement);
        match self {
            Self::Pool(pool) => pool.query_one(statement).await,
            Self::Transaction(transaction) => transaction.connection().query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let statement = spelling::respelled(statement);
        match self {
            Self::Pool(pool) => pool.query_all(statement).await,
            Self::Transaction(transaction) => transaction.connection().query_all_raw(statement).await,
        }
    }

    fn support_returning(&self) -> bool {
        match self {
            Self::Pool(pool) => pool.connection().support_returning(),
            Self::Transaction(transaction) => transaction.connection().support_returning(),
        }
    }
}
