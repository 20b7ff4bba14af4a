//! No rule of its own: configuration says who may call.

use steeple::App;

/// Opens the app.
pub fn app(app: App) -> App {
    app
}
