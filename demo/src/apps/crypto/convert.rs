//! Rows into messages.

use steeple::Fixed;

use super::models::{coin, wallet};
use crate::{convert::timestamp, pb::crypto as pb};

impl From<coin::Model> for pb::Coin {
    fn from(row: coin::Model) -> Self {
        Self {
            id: row.id,
            symbol: row.symbol,
            name: row.name,
            rank: row.rank,
            price_usd: row.price_usd.to_string(),
            market_cap_usd: row.market_cap_usd.to_string(),
            volume_24h_usd: row.volume_24h_usd.to_string(),
            change_24h_percent: row.change_24h_percent.to_string(),
            stablecoin: row.stablecoin,
            website: row.website,
            updated_at: Some(timestamp(row.updated_at)),
        }
    }
}

/// A wallet is shown with its coin, so it takes both rows.
impl From<(wallet::Model, &coin::Model)> for pb::Wallet {
    fn from((row, coin): (wallet::Model, &coin::Model)) -> Self {
        Self {
            id: row.id,
            owner: row.owner,
            symbol: coin.symbol.clone(),
            coin_name: coin.name.clone(),
            balance: row.balance.to_string(),
            value_usd: value_usd(row.balance, coin.price_usd),
            created_at: Some(timestamp(row.created_at)),
            updated_at: Some(timestamp(row.updated_at)),
        }
    }
}

/// `balance` at `price`, cut to cents. The largest of both is a number of 38 digits: it fits an `i128`, not an `i64`.
fn value_usd(balance: Fixed<8>, price: Fixed<8>) -> String {
    let cents = i128::from(balance.units()) * i128::from(price.units()) / 10_i128.pow(8 + 8 - 2);
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_exact_and_cut_to_cents() {
        let value = |balance: &str, price: &str| value_usd(balance.parse().unwrap(), price.parse().unwrap());
        assert_eq!(value("0.1", "97250.15"), "9725.01");
        assert_eq!(value("0.00000001", "1"), "0.00");
        assert_eq!(value("0", "5"), "0.00");
        let largest = "92233720368.54775807";
        assert_eq!(value(largest, largest), "8507059173023461584739.69");
    }
}
