//! What the folder alone does not say about this app.

use steeple::{Access, App};

use super::demo_data;

/// Everybody sees to themselves; the rest is for those who run the site.
pub fn app(app: App) -> App {
    app.access("*", Access::Authenticated)
        .access("users.UserService/ListUsers", Access::Staff)
        .access("users.UserService/SetUserActive", Access::Superuser)
        .first_run(demo_data::fill)
}
