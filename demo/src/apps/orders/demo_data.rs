//! What a new site has to show: the orders of the last weeks.

use std::time::Duration;

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use steeple::{Db, Error, Fixed, Result, auth::tables::user, clock};

use super::models::{
    order::{self, Status},
    order_line,
};
use crate::apps::products::models::product;

/// Username, days ago, status, and SKU and quantity of each line.
type Ordered = (&'static str, u64, Status, &'static [(&'static str, i32)]);

/// By people whom app `users` puts in before.
#[rustfmt::skip]
const ORDERS: [Ordered; 12] = [
    ("alice", 41, Status::Shipped, &[("FUR-DSK-STD", 1), ("FUR-CHR-MSH", 1), ("FUR-LMP-LED", 2)]),
    ("bob", 38, Status::Shipped, &[("KEY-TKL-BRN", 1), ("KEY-CAP-PBT", 1)]),
    ("alice", 30, Status::Shipped, &[("DSP-27-4K", 2), ("DSP-ARM-ONE", 2), ("CAB-USC-2M", 4)]),
    ("carol", 27, Status::Cancelled, &[("DSP-34-UWD", 1)]),
    ("carol", 27, Status::Shipped, &[("DSP-34-UWD", 1), ("CAB-DCK-TB4", 1)]),
    ("dave", 19, Status::Shipped, &[("AUD-CAM-2K", 1), ("AUD-MIC-USB", 1), ("FUR-LMP-LED", 1)]),
    ("bob", 12, Status::Shipped, &[("PTR-TRK-BAL", 1)]),
    ("erin", 9, Status::Shipped, &[("KEY-SPL-ERG", 1), ("PTR-MSE-VRT", 1), ("PTR-MAT-XXL", 1)]),
    ("alice", 6, Status::Shipped, &[("CAB-HDM-2M", 10), ("CAB-USC-2M", 10)]),
    ("dave", 3, Status::Cancelled, &[("AUD-SPK-DSK", 1)]),
    ("erin", 1, Status::Placed, &[("AUD-HPH-OVR", 1), ("CAB-USC-2M", 1)]),
    ("alice", 0, Status::Placed, &[("DSP-16-PRT", 1)]),
];

/// Puts the orders into empty tables: all of them, or none. The stock is what they have left of it.
pub async fn fill(db: Db) -> Result<()> {
    db.transaction(async |db: Db| {
        let products = product::Entity::find().all(&db).await?;
        let users = user::Entity::find().filter(user::Column::Username.is_in(ORDERS.map(|ordered| ordered.0)));
        let users = users.all(&db).await?;
        for (username, days, status, lines) in ORDERS {
            let user = users.iter().find(|user| user.username == username);
            let user = user.ok_or_else(|| Error::not_found("user", username))?;
            let at = clock::now() - Duration::from_secs(days * 24 * 60 * 60);
            let mut total = Fixed::<2>::ZERO;
            let mut rows = Vec::with_capacity(lines.len());
            for (sku, quantity) in lines {
                let product = products.iter().find(|product| product.sku == *sku);
                let product = product.ok_or_else(|| Error::not_found("product", sku))?;
                let sum = product.price_usd.checked_times((*quantity).into());
                let sum = sum.ok_or_else(|| Error::internal("the demo data is wrong"))?;
                total = total.checked_add(sum).ok_or_else(|| Error::internal("the demo data is wrong"))?;
                rows.push(order_line::ActiveModel {
                    product_id: Set(product.id),
                    quantity: Set(*quantity),
                    unit_price_usd: Set(product.price_usd),
                    total_usd: Set(sum),
                    ..Default::default()
                });
            }
            let order = order::ActiveModel {
                user_id: Set(user.id),
                status: Set(status),
                total_usd: Set(total),
                created_at: Set(at),
                updated_at: Set(at),
                ..Default::default()
            };
            let order = order.insert(&db).await?;
            let rows = rows.into_iter().map(|row| order_line::ActiveModel { order_id: Set(order.id), ..row });
            order_line::Entity::insert_many(rows).exec(&db).await?;
        }
        Ok(())
    })
    .await
}
