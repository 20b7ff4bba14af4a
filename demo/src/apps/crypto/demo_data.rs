//! What a new site has to show: twenty coins as the market had them one day, and the wallets of six people.

use sea_orm::{ActiveValue::Set, EntityTrait};
use steeple::{Db, Error, Fixed, Result, clock};

use super::models::{coin, wallet};

/// Symbol, name, price, market cap, volume and change of 24 hours, stablecoin, home page; by rank.
type Listed = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, bool, &'static str);

#[rustfmt::skip]
const COINS: [Listed; 20] = [
    ("BTC", "Bitcoin", "97250.15", "1925340812455.20", "48210337120.55", "1.84", false, "https://bitcoin.org"),
    ("ETH", "Ethereum", "3120.42", "375801233910.77", "21930445871.02", "-0.62", false, "https://ethereum.org"),
    ("USDT", "Tether", "1.0003", "139882114520.31", "98771203345.90", "0.01", true, "https://tether.to"),
    ("SOL", "Solana", "236.81", "112340771982.66", "7012884310.45", "3.27", false, "https://solana.com"),
    ("BNB", "BNB", "612.57", "88214903377.18", "1930221845.70", "0.44", false, "https://www.bnbchain.org"),
    ("XRP", "XRP", "1.1384", "64801223904.05", "6120338871.29", "-2.15", false, "https://xrpl.org"),
    ("DOGE", "Dogecoin", "0.38951", "57203118824.90", "6840227719.33", "5.02", false, "https://dogecoin.com"),
    ("USDC", "USD Coin", "0.9999", "38710225934.48", "8204417723.61", "0.00", true, "https://www.circle.com"),
    ("ADA", "Cardano", "0.81402", "28890417732.15", "1904338210.07", "4.71", false, "https://cardano.org"),
    ("TRX", "TRON", "0.19985", "17254880913.74", "812204771.58", "-0.33", false, "https://tron.network"),
    ("SHIB", "Shiba Inu", "0.00002487", "14650338177.02", "910447338.95", "-1.48", false, "https://shibatoken.com"),
    ("AVAX", "Avalanche", "35.12", "14370229918.83", "640338172.44", "1.09", false, "https://www.avax.network"),
    ("TON", "Toncoin", "5.43", "13840227715.60", "330448127.16", "-0.91", false, "https://ton.org"),
    ("BCH", "Bitcoin Cash", "489.73", "9690114827.36", "820337614.20", "8.12", false, "https://bitcoincash.org"),
    ("LINK", "Chainlink", "15.04", "9431227740.51", "711348220.83", "3.95", false, "https://chain.link"),
    ("DOT", "Polkadot", "5.87", "8924471830.29", "402218845.37", "2.66", false, "https://polkadot.com"),
    ("XLM", "Stellar", "0.24315", "7301448826.47", "980227731.12", "-4.36", false, "https://stellar.org"),
    ("LTC", "Litecoin", "88.61", "6668203374.11", "790228413.69", "-0.27", false, "https://litecoin.org"),
    ("UNI", "Uniswap", "9.17", "5504338812.75", "310447822.40", "0.78", false, "https://uniswap.org"),
    ("DAI", "Dai", "1.0001", "5361227718.94", "158330472.85", "0.02", true, "https://makerdao.com"),
];

#[rustfmt::skip]
const WALLETS: [(&str, &str, &str); 24] = [
    ("alice", "BTC", "0.84210077"), ("alice", "ETH", "12.5"), ("alice", "USDT", "15230.75"), ("alice", "SOL", "140.2"),
    ("alice", "LINK", "310"),
    ("bob", "BTC", "0.05"), ("bob", "ETH", "3.20000001"), ("bob", "DOGE", "250000"), ("bob", "USDC", "4800.5"),
    ("carol", "BTC", "2.13370042"), ("carol", "USDT", "98000"), ("carol", "ADA", "42000.123456"), ("carol", "DOT", "975.5"),
    ("dave", "ETH", "0.75"), ("dave", "SHIB", "185000000"), ("dave", "USDT", "320.1"), ("dave", "XRP", "5400"),
    ("erin", "BTC", "0.00012345"), ("erin", "SOL", "18.75"), ("erin", "AVAX", "62.4"), ("erin", "USDC", "0"),
    ("frank", "LTC", "41.07"), ("frank", "BCH", "6.6"), ("frank", "USDT", "2750"),
];

/// Puts the coins and the wallets into empty tables: all of them, or none.
pub async fn fill(db: Db) -> Result<()> {
    db.transaction(async |db: Db| {
        let now = clock::now();
        let mut coins = Vec::with_capacity(COINS.len());
        for (rank, (symbol, name, price, market_cap, volume, change, stablecoin, website)) in (1..).zip(COINS) {
            coins.push(coin::ActiveModel {
                symbol: Set(symbol.to_owned()),
                name: Set(name.to_owned()),
                rank: Set(rank),
                price_usd: Set(number(price)?),
                market_cap_usd: Set(number(market_cap)?),
                volume_24h_usd: Set(number(volume)?),
                change_24h_percent: Set(number(change)?),
                stablecoin: Set(stablecoin),
                website: Set(website.to_owned()),
                updated_at: Set(now),
                ..Default::default()
            });
        }
        coin::Entity::insert_many(coins).exec(&db).await?;

        let coins = coin::Entity::find().all(&db).await?;
        let mut wallets = Vec::with_capacity(WALLETS.len());
        for (owner, symbol, balance) in WALLETS {
            let coin =
                coins.iter().find(|coin| coin.symbol == symbol).ok_or_else(|| Error::not_found("coin", symbol))?;
            wallets.push(wallet::ActiveModel {
                owner: Set(owner.to_owned()),
                coin_id: Set(coin.id),
                balance: Set(number(balance)?),
                created_at: Set(now),
                updated_at: Set(now),
                ..Default::default()
            });
        }
        wallet::Entity::insert_many(wallets).exec(&db).await?;
        Ok(())
    })
    .await
}

fn number<const SCALE: u32>(text: &str) -> Result<Fixed<SCALE>> {
    text.parse().map_err(|cause| Error::internal("the demo data is wrong").because(cause))
}
