//! What the folder alone does not say about this app.

use steeple::{Access, App};

use super::{demo_data, lookup};

/// Everybody may look; the stock is for those who may change products.
pub fn app(app: App) -> App {
    app.access("products.ProductService", Access::Public)
        .access("products.StockService", Access::permission("products.change_product"))
        .receive(lookup::forget)
        .first_run(demo_data::fill)
}
