//! What the folder alone does not say about this app.

use steeple::{Access, App};

use super::{
    demo_data, mail_out,
    models::{order, order_line},
};

/// Users see to their own orders; the warehouse ships them. The lines refer to products, and the first orders are of users,
/// so their tables come first.
pub fn app(app: App) -> App {
    app.after("products")
        .after("users")
        .access("orders.OrderService", Access::Authenticated)
        .access("orders.OrderService/CreateOrder", Access::scope("orders:write"))
        .access("orders.OrderService/CancelOrder", Access::scope("orders:write"))
        .access("orders.OrderService/ShipOrder", Access::permission("orders.change_order"))
        .admin::<order::Entity>(|orders| {
            orders
                .choices::<order::Status>("status")
                .columns(["id", "user_id", "status", "total_usd", "created_at"])
                .filters(["status", "created_at"])
                .read_only(["user_id", "total_usd"])
                .made_at("created_at")
                .changed_at("updated_at")
        })
        .admin::<order_line::Entity>(|lines| {
            lines
                .title("Order lines")
                .columns(["order_id", "product_id", "quantity", "total_usd"])
                .filters(["product_id"])
        })
        .receive(mail_out::confirm)
        .first_run(demo_data::fill)
}
