//! What the folder alone does not say about this app.

use steeple::{Access, App};

use super::demo_data;

/// Users see to their own orders; the warehouse ships them. The lines refer to products, so their tables come first.
pub fn app(app: App) -> App {
    app.after("products")
        .access("orders.OrderService", Access::Authenticated)
        .access("orders.OrderService/CreateOrder", Access::scope("orders:write"))
        .access("orders.OrderService/CancelOrder", Access::scope("orders:write"))
        .access("orders.OrderService/ShipOrder", Access::permission("orders.change_order"))
        .first_run(demo_data::fill)
}
