//! The demo's GetCoin written by hand with tonic and sqlx: one prepared lookup in the demo's own table, nothing logged.
//!
//! Pools are as large as Steeple's, SQLite has the same pragmas, and a connection is never tested before use.

use std::{net::SocketAddr, time::Duration};

use ::sqlx::{
    ConnectOptions, PgPool, SqlitePool,
    pool::PoolOptions,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    types::chrono::{DateTime, Utc},
};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::{
    Outcome, machine,
    stock::crypto::{
        Coin, CoinResponse, DepositRequest, GetCoinRequest, GetWalletRequest, ListCoinsRequest, ListCoinsResponse,
        ListWalletsRequest, ListWalletsResponse, SearchCoinsRequest, SearchCoinsResponse, TransferRequest,
        TransferResponse, WalletResponse, WithdrawRequest,
        crypto_service_server::{CryptoService, CryptoServiceServer},
    },
};

/// One row of `crypto_coin`; amounts are whole numbers of their smallest unit.
type Row = (i64, String, String, i32, i64, i64, i64, i64, bool, String, DateTime<Utc>);

macro_rules! lookup {
    ($parameter:literal) => {
        concat!(
            "select id, symbol, name, rank, price_usd, market_cap_usd, volume_24h_usd, change_24h_percent, ",
            "stablecoin, website, updated_at from crypto_coin where symbol = ",
            $parameter
        )
    };
}

enum Coins {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Coins {
    async fn open(url: &str) -> Outcome<Self> {
        let workers = machine::cores() as u32;
        if url.starts_with("sqlite:") {
            let file = url
                .parse::<SqliteConnectOptions>()?
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
                .busy_timeout(Duration::from_secs(5))
                .foreign_keys(true)
                .pragma("mmap_size", "268435456")
                .pragma("temp_store", "memory")
                .disable_statement_logging();
            let pool = PoolOptions::new().max_connections((2 * workers).clamp(4, 16)).test_before_acquire(false);
            Ok(Self::Sqlite(pool.connect_with(file).await?))
        } else {
            let pool = PoolOptions::new().max_connections((4 * workers).clamp(8, 32)).test_before_acquire(false);
            let server = url.parse::<PgConnectOptions>()?.disable_statement_logging();
            Ok(Self::Postgres(pool.connect_with(server).await?))
        }
    }

    async fn by_symbol(&self, symbol: &str) -> Result<Option<Row>, ::sqlx::Error> {
        match self {
            Self::Sqlite(pool) => ::sqlx::query_as(lookup!("?")).bind(symbol).fetch_optional(pool).await,
            Self::Postgres(pool) => ::sqlx::query_as(lookup!("$1")).bind(symbol).fetch_optional(pool).await,
        }
    }
}

#[tonic::async_trait]
impl CryptoService for Coins {
    async fn get_coin(&self, request: Request<GetCoinRequest>) -> Result<Response<CoinResponse>, Status> {
        let symbol = request.into_inner().symbol.to_ascii_uppercase();
        let row = self.by_symbol(&symbol).await.map_err(|error| Status::unavailable(error.to_string()))?;
        let Some(row) = row else {
            return Err(Status::not_found(format!("coin {symbol} not found")));
        };
        Ok(Response::new(CoinResponse { success: true, coin: Some(coin(row)) }))
    }

    async fn list_coins(&self, _: Request<ListCoinsRequest>) -> Result<Response<ListCoinsResponse>, Status> {
        Err(unmeasured())
    }

    async fn search_coins(&self, _: Request<SearchCoinsRequest>) -> Result<Response<SearchCoinsResponse>, Status> {
        Err(unmeasured())
    }

    async fn get_wallet(&self, _: Request<GetWalletRequest>) -> Result<Response<WalletResponse>, Status> {
        Err(unmeasured())
    }

    async fn list_wallets(&self, _: Request<ListWalletsRequest>) -> Result<Response<ListWalletsResponse>, Status> {
        Err(unmeasured())
    }

    async fn deposit(&self, _: Request<DepositRequest>) -> Result<Response<WalletResponse>, Status> {
        Err(unmeasured())
    }

    async fn withdraw(&self, _: Request<WithdrawRequest>) -> Result<Response<WalletResponse>, Status> {
        Err(unmeasured())
    }

    async fn transfer(&self, _: Request<TransferRequest>) -> Result<Response<TransferResponse>, Status> {
        Err(unmeasured())
    }
}

fn unmeasured() -> Status {
    Status::unimplemented("this server only serves GetCoin")
}

fn coin(row: Row) -> Coin {
    let (id, symbol, name, rank, price, market_cap, volume, change, stablecoin, website, updated_at) = row;
    Coin {
        id,
        symbol,
        name,
        rank,
        price_usd: decimal(price, 8),
        market_cap_usd: decimal(market_cap, 2),
        volume_24h_usd: decimal(volume, 2),
        change_24h_percent: decimal(change, 2),
        stablecoin,
        website,
        updated_at: Some(prost_types::Timestamp {
            seconds: updated_at.timestamp(),
            nanos: updated_at.timestamp_subsec_nanos().cast_signed(),
        }),
    }
}

/// `units` of ten to the minus `places`, spelled as the demo spells them: without needless zeros.
fn decimal(units: i64, places: u32) -> String {
    let unit = 10_u64.pow(places);
    let (whole, part) = (units.unsigned_abs() / unit, units.unsigned_abs() % unit);
    let sign = if units < 0 { "-" } else { "" };
    let mut text = format!("{sign}{whole}.{part:0places$}", places = places as usize);
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    text
}

/// Serves until SIGTERM.
pub async fn serve(listen: SocketAddr, url: &str) -> Outcome<()> {
    let coins = Coins::open(url).await?;
    let incoming = TcpIncoming::bind(listen)?.with_nodelay(Some(true));
    Server::builder()
        .add_service(CryptoServiceServer::new(coins))
        .serve_with_incoming_shutdown(incoming, super::terminated()?)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn amounts_keep_every_digit() {
        assert_eq!(decimal(1, 8), "0.00000001");
        assert_eq!(decimal(-250, 2), "-2.5");
        assert_eq!(decimal(10_000, 2), "100");
        assert_eq!(decimal(i64::MIN, 2), "-92233720368547758.08");
    }
}
