//! Money in, out and across: exact, never below nothing, never more or less in sum.
//!
//! Every change locks the rows it reads, in the order of their ids, so that two transfers between the same wallets wait
//! for each other instead of blocking each other. PostgreSQL and MySQL lock rows (`FOR UPDATE`); on SQLite a
//! transaction of `cx.transaction` is the only writer of the whole file.
//!
//! Must never: be called outside a transaction.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use steeple::{Db, Error, Fixed, Result, clock};

use super::models::{coin, wallet};

/// The domain of the reasons below, in `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "crypto";

/// Adds `amount` to a wallet.
pub async fn deposit(db: &Db, id: i64, amount: Fixed<8>) -> Result<(wallet::Model, coin::Model)> {
    let [wallet] = locked(db, [id]).await?;
    let balance = added(&wallet, amount)?;
    let wallet = written(db, wallet, balance).await?;
    let coin = coin_of(db, &wallet).await?;
    Ok((wallet, coin))
}

/// Takes `amount` out of a wallet.
pub async fn withdraw(db: &Db, id: i64, amount: Fixed<8>) -> Result<(wallet::Model, coin::Model)> {
    let [wallet] = locked(db, [id]).await?;
    let balance = taken(&wallet, amount)?;
    let wallet = written(db, wallet, balance).await?;
    let coin = coin_of(db, &wallet).await?;
    Ok((wallet, coin))
}

/// Both wallets after a transfer, and their coin.
#[derive(Debug)]
pub struct Transferred {
    /// The wallet that paid.
    pub from: wallet::Model,
    /// The wallet that received.
    pub to: wallet::Model,
    /// What both hold.
    pub coin: coin::Model,
}

/// Moves `amount` from one wallet to another of the same coin.
pub async fn transfer(db: &Db, from: i64, to: i64, amount: Fixed<8>) -> Result<Transferred> {
    if from == to {
        let same = Error::invalid("to_wallet_id", "must be another wallet than from_wallet_id");
        return Err(same.reason("SAME_WALLET", DOMAIN));
    }
    let [from, to] = locked(db, [from, to]).await?;
    if from.coin_id != to.coin_id {
        let mixed = format!("wallets {} and {} hold different coins", from.id, to.id);
        return Err(Error::failed_precondition(mixed).reason("COIN_MISMATCH", DOMAIN));
    }
    // Both sums before the first write: a refusal costs no rollback of a row.
    let (less, more) = (taken(&from, amount)?, added(&to, amount)?);
    let from = written(db, from, less).await?;
    let to = written(db, to, more).await?;
    let coin = coin_of(db, &from).await?;
    Ok(Transferred { from, to, coin })
}

/// The wallets with these ids, in this order, nobody else's to change until the transaction ends.
async fn locked<const N: usize>(db: &Db, ids: [i64; N]) -> Result<[wallet::Model; N]> {
    let rows = wallet::Entity::find()
        .filter(wallet::Column::Id.is_in(ids))
        .order_by_asc(wallet::Column::Id)
        .lock_exclusive()
        .all(db)
        .await?;
    let row = |id| rows.iter().find(|row| row.id == id).cloned().ok_or_else(|| Error::not_found("wallet", id));
    let found: Vec<_> = ids.into_iter().map(row).collect::<Result<_>>()?;
    Ok(found.try_into().expect("one row for each id"))
}

fn added(wallet: &wallet::Model, amount: Fixed<8>) -> Result<Fixed<8>> {
    wallet.balance.checked_add(amount).ok_or_else(|| {
        let full = format!("wallet {} cannot hold {amount} more", wallet.id);
        Error::failed_precondition(full).reason("BALANCE_TOO_LARGE", DOMAIN)
    })
}

fn taken(wallet: &wallet::Model, amount: Fixed<8>) -> Result<Fixed<8>> {
    wallet.balance.checked_sub(amount).filter(|rest| *rest >= Fixed::ZERO).ok_or_else(|| {
        let short = format!("wallet {} holds less than {amount}", wallet.id);
        Error::failed_precondition(short).reason("INSUFFICIENT_FUNDS", DOMAIN)
    })
}

async fn written(db: &Db, wallet: wallet::Model, balance: Fixed<8>) -> Result<wallet::Model> {
    let mut changed = wallet.into_active_model();
    changed.balance = Set(balance);
    changed.updated_at = Set(clock::now());
    Ok(changed.update(db).await?)
}

async fn coin_of(db: &Db, wallet: &wallet::Model) -> Result<coin::Model> {
    coin::Entity::find_by_id(wallet.coin_id).one(db).await?.ok_or_else(|| Error::not_found("coin", wallet.coin_id))
}
