//! What the folder alone does not say about this app.

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use steeple::{Access, App, Result, Setup, model::Row};

use super::{
    demo_data,
    models::{coin, wallet},
};

/// Everybody may look at coins; wallets are for callers who are logged in.
pub fn app(app: App) -> App {
    app.access("*", Access::Authenticated)
        .access("crypto.CryptoService/GetCoin", Access::Public)
        .access("crypto.CryptoService/ListCoins", Access::Public)
        .access("crypto.CryptoService/SearchCoins", Access::Public)
        .admin::<coin::Entity>(|coins| {
            coins
                .columns(["symbol", "name", "rank", "price_usd", "change_24h_percent", "stablecoin", "updated_at"])
                .search(["symbol", "name"])
                .filters(["stablecoin", "updated_at"])
                .order("rank")
                .label("symbol")
                .changed_at("updated_at")
                .action("mark_stable", "Mark as stablecoins", mark_stable)
        })
        .admin::<wallet::Entity>(|wallets| {
            wallets
                .columns(["owner", "coin_id", "balance", "updated_at"])
                .filters(["coin_id"])
                .label("owner")
                .read_only(["balance"])
                .made_at("created_at")
                .changed_at("updated_at")
        })
        .first_run(demo_data::fill)
        .first_call("crypto.CryptoService/GetCoin", r#"{"symbol":"BTC"}"#)
}

/// For the admin: money that is to be worth a dollar.
async fn mark_stable(coins: Vec<Row>, setup: Setup) -> Result<()> {
    let ids = coins.iter().filter_map(|coin| coin.get("id")?.as_i64());
    coin::Entity::update_many()
        .col_expr(coin::Column::Stablecoin, true.into())
        .filter(coin::Column::Id.is_in(ids))
        .exec(setup.db())
        .await?;
    Ok(())
}
