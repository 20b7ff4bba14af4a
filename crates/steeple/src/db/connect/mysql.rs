//! MySQL and MariaDB: sessions in UTC and utf8mb4 (sqlx sets both), and strict, so that a value that does not fit is an
//! error and not another value.

use std::str::FromStr as _;

use sqlx::{ConnectOptions as _, Executor as _, MySql, mysql::MySqlConnectOptions};

use super::{probe, remote_pool};
use crate::db::{Address, Config, ConnectError, Db};

/// Whatever the server's default is. `PIPES_AS_CONCAT` makes `||` what it is in SQL; double quotes stay text, because
/// hand-written MySQL relies on it.
const SESSION: &str = "SET sql_mode = 'STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,ERROR_FOR_DIVISION_BY_ZERO,\
     NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION,PIPES_AS_CONCAT'";

pub(super) async fn connect(config: &Config, workers: usize, address: &Address) -> Result<Db, ConnectError> {
    let mut options = MySqlConnectOptions::from_str(address.secret()).map_err(|_| ConnectError::malformed(address))?;
    if !address.secret().contains("statement-cache-capacity") {
        options = options.statement_cache_capacity(config.statement_cache);
    }
    let options = options.charset("utf8mb4").timezone("+00:00".to_owned()).disable_statement_logging();
    probe::<MySql>(&options, config, address).await?;
    let pool = remote_pool::<MySql>(config, workers)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(SESSION).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options);
    Ok(Db::Pool(pool.into()))
}
