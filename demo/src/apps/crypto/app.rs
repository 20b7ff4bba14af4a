//! What the folder alone does not say about this app.

use steeple::{Access, App};

use super::demo_data;

/// Everybody may look at coins; wallets are for callers who are logged in.
pub fn app(app: App) -> App {
    app.access("*", Access::Authenticated)
        .access("crypto.CryptoService/GetCoin", Access::Public)
        .access("crypto.CryptoService/ListCoins", Access::Public)
        .access("crypto.CryptoService/SearchCoins", Access::Public)
        .first_run(demo_data::fill)
        .first_call("crypto.CryptoService/GetCoin", r#"{"symbol":"BTC"}"#)
}
