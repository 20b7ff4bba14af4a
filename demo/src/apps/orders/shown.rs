//! Orders as callers see them: with their lines, and the products of these.
//!
//! Takes rows of orders; gives messages, for one order or a hundred with one more statement.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use steeple::{Db, Result};

use super::models::{order, order_line};
use crate::{
    apps::products::models::product,
    pb::orders::{Order, OrderLine},
};

/// The orders with their lines, in the order given.
pub async fn all(db: &Db, orders: Vec<order::Model>) -> Result<Vec<Order>> {
    if orders.is_empty() {
        return Ok(vec![]);
    }
    let rows = order_line::Entity::find()
        .find_both_related(product::Entity)
        .filter(order_line::Column::OrderId.is_in(orders.iter().map(|order| order.id)))
        .order_by_asc(order_line::Column::Id)
        .all(db)
        .await?;
    let mut lines: HashMap<i64, Vec<OrderLine>> = HashMap::with_capacity(orders.len());
    for (line, product) in rows {
        lines.entry(line.order_id).or_default().push((line, product).into());
    }
    let with_lines = |order: order::Model| {
        let own = lines.remove(&order.id).unwrap_or_default();
        (order, own).into()
    };
    Ok(orders.into_iter().map(with_lines).collect())
}

/// One order with its lines.
pub async fn one(db: &Db, order: order::Model) -> Result<Order> {
    let mut shown = all(db, vec![order]).await?;
    Ok(shown.remove(0))
}
