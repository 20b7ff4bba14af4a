//! The life of an order: placed, then shipped or cancelled. Its goods leave the stock when it is placed, and come back
//! when it is cancelled.
//!
//! An order is locked before it changes, so that of two changes at once the second sees what the first made of it.
//! Orders are locked before products, everywhere.
//!
//! Must never: be called outside a transaction.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, ModelTrait, QuerySelect};
use steeple::{Context, Db, Error, Fixed, Result, clock};

use super::models::{
    order::{self, Status},
    order_line,
};
use crate::apps::products::stock::{self, Lot};

/// The domain of the reasons below, in `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "orders";

/// An order was placed; sent once that is committed.
#[derive(Debug)]
pub struct OrderPlaced {
    /// Which order.
    pub order_id: i64,
}

/// Takes `lots` out of the stock and writes them down as an order of this user, at the prices of now.
pub async fn place(cx: &Context, user_id: i64, lots: &[Lot]) -> Result<order::Model> {
    let user_id = i32::try_from(user_id).map_err(|cause| Error::internal("internal error").because(cause))?;
    let products = stock::take(cx, lots).await?;
    let priced: Option<Vec<_>> = products
        .iter()
        .zip(lots)
        .map(|(product, lot)| Some((product.price_usd, product.price_usd.checked_times(lot.quantity.into())?)))
        .collect();
    let priced = priced.ok_or_else(too_large)?;
    let total = sum(priced.iter().map(|(_, total)| *total)).ok_or_else(too_large)?;
    let now = clock::now();
    let order = order::ActiveModel {
        user_id: Set(user_id),
        status: Set(Status::Placed),
        total_usd: Set(total),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let order = order.insert(cx.db()).await?;
    let lines = lots.iter().zip(priced).map(|(lot, (price, total))| order_line::ActiveModel {
        order_id: Set(order.id),
        product_id: Set(lot.product_id),
        quantity: Set(lot.quantity),
        unit_price_usd: Set(price),
        total_usd: Set(total),
        ..Default::default()
    });
    order_line::Entity::insert_many(lines).exec(cx.db()).await?;
    cx.signal(OrderPlaced { order_id: order.id });
    Ok(order)
}

/// Takes a locked order back: its goods are in the stock again.
pub async fn cancel(cx: &Context, order: order::Model) -> Result<order::Model> {
    still_open(&order)?;
    let lines = order.find_related(order_line::Entity).all(cx.db()).await?;
    let lots: Vec<_> = lines.iter().map(|line| Lot { product_id: line.product_id, quantity: line.quantity }).collect();
    stock::put_back(cx, &lots).await?;
    written(cx.db(), order, Status::Cancelled).await
}

/// Notes that a locked order has left.
pub async fn ship(db: &Db, order: order::Model) -> Result<order::Model> {
    still_open(&order)?;
    written(db, order, Status::Shipped).await
}

/// The order with this id, nobody else's to change until the transaction ends.
pub async fn locked(db: &Db, id: i64) -> Result<order::Model> {
    let order = order::Entity::find_by_id(id).lock_exclusive().one(db).await?;
    order.ok_or_else(|| Error::not_found("order", id))
}

fn still_open(order: &order::Model) -> Result<()> {
    let (reason, what) = match order.status {
        Status::Placed => return Ok(()),
        Status::Shipped => ("ORDER_SHIPPED", "shipped"),
        Status::Cancelled => ("ORDER_CANCELLED", "cancelled"),
    };
    Err(Error::failed_precondition(format!("order {} was {what} before", order.id)).reason(reason, DOMAIN))
}

async fn written(db: &Db, order: order::Model, status: Status) -> Result<order::Model> {
    let mut changed = order.into_active_model();
    changed.status = Set(status);
    changed.updated_at = Set(clock::now());
    Ok(changed.update(db).await?)
}

fn sum(amounts: impl IntoIterator<Item = Fixed<2>>) -> Option<Fixed<2>> {
    amounts.into_iter().try_fold(Fixed::ZERO, Fixed::checked_add)
}

fn too_large() -> Error {
    Error::failed_precondition("the order costs more than can be written").reason("TOTAL_TOO_LARGE", DOMAIN)
}
