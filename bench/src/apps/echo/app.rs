//! Anyone may call: what is measured is the way, and not the gate.

use steeple::{Access, App};

/// Opens the app.
pub fn app(app: App) -> App {
    app.access("*", Access::Public)
}
