//! The site's wallets of agents: those of the crypto app whose owner is the agent.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Select, sea_query::OnConflict};
use steeple::{Context, Error, Fixed, Result, clock};

use crate::apps::crypto::models::{coin, wallet};

/// The wallet of this owner for this coin, nobody else's to change until the transaction ends; made if there is none.
pub async fn of(cx: &Context, owner: &str, symbol: &str) -> Result<wallet::Model> {
    let coin = coin::Entity::find_by_symbol(symbol).one(cx.db()).await?;
    let coin = coin.ok_or_else(|| Error::not_found("coin", symbol))?;
    let find =
        || wallet::Entity::find().filter(wallet::Column::Owner.eq(owner)).filter(wallet::Column::CoinId.eq(coin.id));
    // First without a lock: MySQL would lock the gap where a new row belongs, for everybody who is about to fill it.
    if find().one(cx.db()).await?.is_some() {
        return locked(cx, find(), owner, symbol).await;
    }
    let now = clock::now();
    let new = wallet::ActiveModel {
        owner: Set(owner.to_owned()),
        coin_id: Set(coin.id),
        balance: Set(Fixed::ZERO),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let mut made = OnConflict::columns([wallet::Column::Owner, wallet::Column::CoinId]);
    made.do_nothing_on([wallet::Column::Id]);
    wallet::Entity::insert(new).on_conflict(made).exec_without_returning(cx.db()).await?;
    locked(cx, find(), owner, symbol).await
}

async fn locked(cx: &Context, found: Select<wallet::Entity>, owner: &str, symbol: &str) -> Result<wallet::Model> {
    let wallet = found.lock_exclusive().one(cx.db()).await?;
    wallet.ok_or_else(|| Error::not_found("wallet", format!("{owner}/{symbol}")))
}
