//! What the folder alone does not say about this app.

use steeple::{Access, App};

/// Who may send agents commands: users with this permission, and superusers.
const COMMANDS: Access = Access::permission("crypto_streaming.change_agent");

/// Users connect agents of their own; commands are for those who run the site. Agents report on wallets, which are the
/// crypto app's.
pub fn app(app: App) -> App {
    app.after("crypto")
        .access("*", Access::Authenticated)
        .access("crypto.CryptoStreamingService/SendCommandToClient", COMMANDS)
        .access("crypto.CryptoStreamingService/ExecuteCommandSync", COMMANDS)
}
