//! Reads the fields of requests, within the limits of this app's columns.

use steeple::{Error, Result};

pub use crate::input::id;
use crate::{
    apps::{orders::models::order::Status, products::stock::Lot},
    input::quantity,
    pb::orders::{OrderStatus, create_order_request::Line},
};

/// The most lines of an order.
const LINES: usize = 50;
/// The most of one product in an order.
const QUANTITY: i32 = 1_000;

/// What is ordered: lots of different products.
pub fn lines(lines: &[Line]) -> Result<Vec<Lot>> {
    if lines.is_empty() {
        return Err(Error::invalid("lines", "may not be empty"));
    }
    if lines.len() > LINES {
        return Err(Error::invalid("lines", format!("may be {LINES} at most")));
    }
    let mut lots: Vec<Lot> = Vec::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        let field = format!("lines[{at}].product_id");
        let product_id = id(&field, line.product_id)?;
        if lots.iter().any(|lot| lot.product_id == product_id) {
            return Err(Error::invalid(field, "may be in one line only"));
        }
        lots.push(Lot { product_id, quantity: quantity(&format!("lines[{at}].quantity"), line.quantity, QUANTITY)? });
    }
    Ok(lots)
}

/// The status to look for; `None` for any.
pub fn status(status: i32) -> Result<Option<Status>> {
    match OrderStatus::try_from(status) {
        Ok(OrderStatus::Unspecified) => Ok(None),
        Ok(OrderStatus::Placed) => Ok(Some(Status::Placed)),
        Ok(OrderStatus::Shipped) => Ok(Some(Status::Shipped)),
        Ok(OrderStatus::Cancelled) => Ok(Some(Status::Cancelled)),
        Err(_) => Err(Error::invalid("status", "must be one of the values of OrderStatus")),
    }
}
