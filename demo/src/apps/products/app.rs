//! What the folder alone does not say about this app.

use steeple::{Access, App};

use super::{demo_data, lookup, models::product};

/// Everybody may look; the stock is for those who may change products.
pub fn app(app: App) -> App {
    app.access("products.ProductService", Access::Public)
        .access("products.StockService", Access::permission("products.change_product"))
        .admin::<product::Entity>(|products| {
            products
                .columns(["sku", "name", "category_id", "price_usd", "stock", "withdrawn"])
                .search(["sku", "name"])
                .filters(["category_id", "withdrawn"])
                .order("sku")
                .made_at("created_at")
                .changed_at("updated_at")
        })
        .receive(lookup::forget)
        .first_run(demo_data::fill)
}
