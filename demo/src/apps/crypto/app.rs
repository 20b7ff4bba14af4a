//! What the folder alone does not say about this app.

use steeple::{Access, App};

use super::demo_data;

/// Fills the tables with something to look at, the first time they are there, and says how to look.
pub fn app(app: App) -> App {
    app.access("*", Access::Public)
        .first_run(demo_data::fill)
        .first_call("crypto.CryptoService/GetCoin", r#"{"symbol":"BTC"}"#)
}
