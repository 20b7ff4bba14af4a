//! No rule of its own: configuration says who may call, so that the way is measured open and guarded.

use steeple::App;

/// Opens the app.
pub fn app(app: App) -> App {
    app
}
