//! Single products, as callers see them: out of the cache, until their stock changes.
//!
//! A product is kept as the message it is: protobuf stays readable when the message gets new fields. What changes a stock
//! sends [`StockChanged`], and its receiver here empties the cache; whatever else changes a product counts within
//! [`KEPT`], and so does a change on another node when each has a cache of its own (`cache.url` in memory).
//!
//! Must never: be asked within a transaction, which may see what is not committed.

use std::{sync::Arc, time::Duration};

use prost::Message;
use sea_orm::EntityTrait;
use steeple::{Context, Db, Error, Result, Setup};

use super::{
    models::{category, product},
    stock::StockChanged,
};
use crate::pb::products::Product;

/// How long a product is kept.
const KEPT: Duration = Duration::from_secs(30);

/// The product with this id, as it was [`KEPT`] ago at the earliest.
pub async fn product(cx: &Context, id: i64) -> Result<Product> {
    let found = || async { Ok(of_now(cx.db(), id).await?.encode_to_vec()) };
    let kept: Vec<u8> = cx.cache().get_or_compute(&key(id), KEPT, found).await?;
    Product::decode(&kept[..]).map_err(|cause| Error::internal("internal error").because(cause))
}

/// The product with this id, as the database has it.
pub async fn of_now(db: &Db, id: i64) -> Result<Product> {
    let row = product::Entity::find_by_id(id).find_both_related(category::Entity).one(db).await?;
    row.map(Into::into).ok_or_else(|| Error::not_found("product", id))
}

/// Forgets products whose stock has changed.
pub async fn forget(changed: Arc<StockChanged>, setup: Setup) -> Result<()> {
    for id in &changed.product_ids {
        setup.cache().delete(&key(*id)).await?;
    }
    Ok(())
}

fn key(id: i64) -> String {
    format!("product:{id}")
}
