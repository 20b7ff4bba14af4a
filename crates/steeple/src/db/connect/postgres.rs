//! PostgreSQL: sessions in UTC (sqlx sets that), named after this program.

use std::str::FromStr as _;

use sqlx::{ConnectOptions as _, Postgres, postgres::PgConnectOptions};

use super::{probe, remote_pool};
use crate::db::{Address, Config, ConnectError, Db};

pub(super) async fn connect(config: &Config, workers: usize, address: &Address) -> Result<Db, ConnectError> {
    let mut options = PgConnectOptions::from_str(address.secret()).map_err(|_| ConnectError::malformed(address))?;
    if !address.secret().contains("statement-cache-capacity") {
        options = options.statement_cache_capacity(config.statement_cache);
    }
    if options.get_application_name().is_none() {
        options = options.application_name("steeple");
    }
    let options = options.disable_statement_logging();
    probe::<Postgres>(&options, config, address).await?;
    let pool = remote_pool::<Postgres>(config, workers).connect_lazy_with(options);
    Ok(Db::Pool(pool.into()))
}
