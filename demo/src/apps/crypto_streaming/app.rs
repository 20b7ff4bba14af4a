//! What the folder alone does not say about this app.

use steeple::{Access, App};

/// Agents report on wallets, which are the crypto app's.
pub fn app(app: App) -> App {
    app.after("crypto").access("*", Access::Public)
}
