//! Letters about orders, written down for whoever sends mail.
//!
//! Must never: make an order wait or fail. A letter is lost when the process dies between the order and the letter; what
//! the user needs to know is in the order itself.

use std::sync::Arc;

use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait};
use steeple::{Result, Setup, clock};

use super::{
    life::OrderPlaced,
    models::{mail, order},
};

/// Confirms an order that was placed, to whoever has an address.
pub async fn confirm(placed: Arc<OrderPlaced>, setup: Setup) -> Result<()> {
    let Some(order) = order::Entity::find_by_id(placed.order_id).one(setup.db()).await? else { return Ok(()) };
    let user = setup.identity().users.by_id(order.user_id.into()).await?;
    let Some(user) = user.filter(|user| !user.email.is_empty()) else { return Ok(()) };
    let name = if user.first_name.is_empty() { user.username } else { user.first_name };
    let letter = mail::ActiveModel {
        order_id: Set(order.id),
        recipient: Set(user.email),
        subject: Set(format!("Your order {}", order.id)),
        body: Set(format!("Dear {name},\n\nthank you for your order of {:.2} US dollars.\n", order.total_usd)),
        created_at: Set(clock::now()),
        ..Default::default()
    };
    letter.insert(setup.db()).await?;
    Ok(())
}
