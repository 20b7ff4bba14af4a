use steeple::{Access, App};

/// Anyone may be greeted. What no rule covers is for callers who are logged in.
pub fn app(app: App) -> App {
    app.access("*", Access::Public)
}
