//! Rows into messages.

use super::models::{
    order::{self, Status},
    order_line,
};
use crate::{apps::products::models::product, convert::timestamp, pb::orders as pb};

impl From<Status> for pb::OrderStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Placed => Self::Placed,
            Status::Shipped => Self::Shipped,
            Status::Cancelled => Self::Cancelled,
        }
    }
}

/// A line is shown with its product, so it takes both rows.
impl From<(order_line::Model, product::Model)> for pb::OrderLine {
    fn from((row, product): (order_line::Model, product::Model)) -> Self {
        Self {
            product_id: product.id,
            sku: product.sku,
            name: product.name,
            quantity: row.quantity,
            unit_price_usd: format!("{:.2}", row.unit_price_usd),
            total_usd: format!("{:.2}", row.total_usd),
        }
    }
}

/// An order is shown with its lines.
impl From<(order::Model, Vec<pb::OrderLine>)> for pb::Order {
    fn from((row, lines): (order::Model, Vec<pb::OrderLine>)) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id.into(),
            status: pb::OrderStatus::from(row.status).into(),
            lines,
            total_usd: format!("{:.2}", row.total_usd),
            created_at: Some(timestamp(row.created_at)),
            updated_at: Some(timestamp(row.updated_at)),
        }
    }
}
