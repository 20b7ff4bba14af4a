//! What a wallet of an agent holds: the site's wallet of the agent's name follows.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use steeple::{Error, Result, clock, stream::Session};

use crate::{
    apps::crypto_streaming::{agents::Agents, input, wallets},
    pb::crypto::WalletUpdate,
};

/// Sets the balance, unless what is known is newer.
pub async fn handle(session: &Session<Agents>, update: &WalletUpdate) -> Result<()> {
    input::text("wallet_id", &update.wallet_id, 100)?;
    let symbol = input::symbol(&update.symbol)?;
    let (available, locked) = (
        input::balance("balance_available", &update.balance_available)?,
        input::balance("balance_locked", &update.balance_locked)?,
    );
    let balance = available
        .checked_add(locked)
        .ok_or_else(|| Error::invalid("balance_locked", "makes more than a wallet can hold"))?;
    let synced = update.last_sync.map(input::moment).transpose()?;
    // A clock that is ahead must not make all that follows look old.
    let as_of = synced.map_or_else(clock::now, |synced| synced.min(clock::now()));
    session
        .context()
        .transaction(async |cx| {
            let wallet = wallets::of(&cx, session.client_id(), &symbol).await?;
            if synced.is_some() && wallet.updated_at > as_of && wallet.created_at < wallet.updated_at {
                return Ok(());
            }
            let mut wallet = wallet.into_active_model();
            wallet.balance = Set(balance);
            wallet.updated_at = Set(as_of);
            wallet.update(cx.db()).await?;
            Ok(())
        })
        .await
}
