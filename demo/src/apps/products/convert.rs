//! Rows into messages.

use super::models::{category, product};
use crate::{convert::timestamp, pb::products as pb};

impl From<category::Model> for pb::Category {
    fn from(row: category::Model) -> Self {
        Self { slug: row.slug, name: row.name }
    }
}

/// A product is shown with its category, so it takes both rows.
impl From<(product::Model, category::Model)> for pb::Product {
    fn from((row, category): (product::Model, category::Model)) -> Self {
        Self {
            id: row.id,
            sku: row.sku,
            name: row.name,
            description: row.description,
            category: Some(category.into()),
            price_usd: format!("{:.2}", row.price_usd),
            stock: row.stock,
            withdrawn: row.withdrawn,
            created_at: Some(timestamp(row.created_at)),
            updated_at: Some(timestamp(row.updated_at)),
        }
    }
}
