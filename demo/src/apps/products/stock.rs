//! The stock: orders take from it, cancelled ones give back, deliveries add to it. Never below nothing, however many
//! orders come at once.
//!
//! Every change locks the rows it reads, in the order of their ids, so that two orders of the same products wait for
//! each other instead of blocking each other, and writes all of them in one statement. PostgreSQL and MySQL lock rows
//! (`FOR UPDATE`); on SQLite a transaction of `cx.transaction` is the only writer of the whole file.
//!
//! Who has to know of a change hears it as [`StockChanged`].
//!
//! Must never: be called outside a transaction.

use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{CaseStatement, Expr},
};
use steeple::{Context, Db, Error, Result, clock};

use super::models::product;

/// The domain of the reasons below, in `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "products";
/// What the warehouse holds of one product at most.
const MOST: i64 = 1_000_000;

/// So many of one product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lot {
    /// Which product.
    pub product_id: i64,
    /// How many, more than none.
    pub quantity: i32,
}

/// The stock of these products has changed; sent once the change is committed.
#[derive(Debug)]
pub struct StockChanged {
    /// Which products.
    pub product_ids: Vec<i64>,
}

/// Takes each of `lots`, of different products, out of the stock; gives their products, in the order of `lots`.
pub async fn take(cx: &Context, lots: &[Lot]) -> Result<Vec<product::Model>> {
    let mut products = locked(cx.db(), lots).await?;
    for (product, lot) in products.iter_mut().zip(lots) {
        if product.withdrawn {
            return Err(withdrawn(product));
        }
        let rest = product.stock - i64::from(lot.quantity);
        if rest < 0 {
            let short = format!("only {} of product {} are left", product.stock, product.id);
            return Err(Error::failed_precondition(short).reason("OUT_OF_STOCK", DOMAIN));
        }
        product.stock = rest;
    }
    write(cx, &products).await?;
    Ok(products)
}

/// Puts each of `lots`, of different products, back where [`take`] had it from.
pub async fn put_back(cx: &Context, lots: &[Lot]) -> Result<()> {
    let mut products = locked(cx.db(), lots).await?;
    for (product, lot) in products.iter_mut().zip(lots) {
        // What was taken fits: it may go past what a delivery could add, never past the column.
        product.stock = product.stock.saturating_add(lot.quantity.into());
    }
    write(cx, &products).await
}

/// Adds a delivery.
pub async fn add(cx: &Context, lot: Lot) -> Result<product::Model> {
    let [product] = &mut locked(cx.db(), &[lot]).await?[..] else {
        return Err(Error::not_found("product", lot.product_id));
    };
    if product.withdrawn {
        return Err(withdrawn(product));
    }
    product.stock += i64::from(lot.quantity);
    if product.stock > MOST {
        let full =
            format!("{} more of product {} are more than the {MOST} that can be stored", lot.quantity, product.id);
        return Err(Error::failed_precondition(full).reason("STOCK_TOO_LARGE", DOMAIN));
    }
    write(cx, std::slice::from_ref(product)).await?;
    Ok(product.clone())
}

/// The products of `lots`, in their order, nobody else's to change until the transaction ends.
async fn locked(db: &Db, lots: &[Lot]) -> Result<Vec<product::Model>> {
    let rows = product::Entity::find()
        .filter(product::Column::Id.is_in(lots.iter().map(|lot| lot.product_id)))
        .order_by_asc(product::Column::Id)
        .lock_exclusive()
        .all(db)
        .await?;
    let row = |lot: &Lot| {
        let found = rows.iter().find(|row| row.id == lot.product_id).cloned();
        found.ok_or_else(|| Error::not_found("product", lot.product_id))
    };
    lots.iter().map(row).collect()
}

/// Writes the stock of locked rows, and tells it.
async fn write(cx: &Context, products: &[product::Model]) -> Result<()> {
    let mut stock = CaseStatement::new();
    for product in products {
        stock = stock.case(product::Column::Id.eq(product.id), Expr::value(product.stock));
    }
    product::Entity::update_many()
        .col_expr(product::Column::Stock, stock.into())
        .col_expr(product::Column::UpdatedAt, Expr::value(clock::now()))
        .filter(product::Column::Id.is_in(products.iter().map(|product| product.id)))
        .exec(cx.db())
        .await?;
    cx.signal(StockChanged { product_ids: products.iter().map(|product| product.id).collect() });
    Ok(())
}

fn withdrawn(product: &product::Model) -> Error {
    let gone = format!("product {} is no longer sold", product.id);
    Error::failed_precondition(gone).reason("PRODUCT_WITHDRAWN", DOMAIN)
}
