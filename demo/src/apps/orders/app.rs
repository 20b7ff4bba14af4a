//! What the folder alone does not say about this app.

use steeple::{Access, App};

use super::{demo_data, mail_out};

/// Users see to their own orders; the warehouse ships them. The lines refer to products, and the first orders are of users,
/// so their tables come first.
pub fn app(app: App) -> App {
    app.after("products")
        .after("users")
        .access("orders.OrderService", Access::Authenticated)
        .access("orders.OrderService/CreateOrder", Access::scope("orders:write"))
        .access("orders.OrderService/CancelOrder", Access::scope("orders:write"))
        .access("orders.OrderService/ShipOrder", Access::permission("orders.change_order"))
        .receive(mail_out::confirm)
        .first_run(demo_data::fill)
}
