//! Something happened to a wallet of an agent. Reported once or often, it counts once.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
    sea_query::OnConflict,
};
use steeple::{Code, Context, Error, Fixed, Result, clock, stream::Session};

use crate::{
    apps::{
        crypto::transfers,
        crypto_streaming::{agents::Agents, commands, input, models::transaction, wallets},
    },
    pb::crypto::TransactionReport,
};

const COMPLETED: &str = "completed";

/// Keeps the report; one that is completed for the first time moves money.
pub async fn handle(session: &Session<Agents>, report: &TransactionReport) -> Result<()> {
    let id = input::text("transaction_id", &report.transaction_id, 64)?;
    let kind = input::one_of("type", &report.r#type, &["deposit", "withdrawal", "transfer"])?;
    let symbol = input::symbol(&report.symbol)?;
    let amount = input::amount(&report.amount)?;
    let status = input::one_of("status", &report.status, &["pending", COMPLETED, "failed"])?;
    let details = input::optional("details", &report.details, 500)?;
    if kind == "transfer" {
        input::text("details", details, 150)?;
    }
    let agent_id = session.state().id()?;
    let done = session
        .context()
        .transaction(async |cx| {
            let now = clock::now();
            let new = transaction::ActiveModel {
                agent_id: Set(agent_id),
                transaction_id: Set(id.to_owned()),
                kind: Set(kind.to_owned()),
                symbol: Set(symbol.clone()),
                amount: Set(amount),
                status: Set("new".to_owned()),
                details: Set(details.to_owned()),
                created_at: Set(now),
                updated_at: Set(now),
                ..Default::default()
            };
            let mut known = OnConflict::columns([transaction::Column::AgentId, transaction::Column::TransactionId]);
            known.do_nothing_on([transaction::Column::Id]);
            transaction::Entity::insert(new).on_conflict(known).exec_without_returning(cx.db()).await?;
            let row = transaction::Entity::find()
                .filter(transaction::Column::AgentId.eq(agent_id))
                .filter(transaction::Column::TransactionId.eq(id))
                .lock_exclusive()
                .one(cx.db())
                .await?
                .ok_or_else(|| Error::not_found("transaction", id))?;
            if (row.kind.as_str(), row.symbol.as_str(), row.amount) != (kind, symbol.as_str(), amount) {
                let other = format!("transaction {id} was reported before with other values");
                return Err(Error::failed_precondition(other).reason("TRANSACTION_CHANGED", transfers::DOMAIN));
            }
            if row.status == COMPLETED || row.status == status {
                return Ok(());
            }
            if status == COMPLETED {
                apply(&cx, session.client_id(), kind, &symbol, amount, details).await?;
            }
            let mut row = row.into_active_model();
            row.status = Set(status.to_owned());
            row.updated_at = Set(now);
            row.update(cx.db()).await?;
            Ok(())
        })
        .await;
    if done.as_ref().is_err_and(|error: &Error| error.code() == Code::FailedPrecondition) {
        // Our wallet and the agent's do not agree: ask what it holds. If its queue is full it has worse problems.
        let _ = session.send(commands::sync_wallets([symbol.as_str()]));
    }
    done
}

async fn apply(cx: &Context, owner: &str, kind: &str, symbol: &str, amount: Fixed<8>, details: &str) -> Result<()> {
    let wallet = wallets::of(cx, owner, symbol).await?;
    match kind {
        "deposit" => transfers::deposit(cx.db(), wallet.id, amount).await.map(drop),
        "withdrawal" => transfers::withdraw(cx.db(), wallet.id, amount).await.map(drop),
        _ => {
            let to = wallets::of(cx, details.trim(), symbol).await?;
            transfers::transfer(cx.db(), wallet.id, to.id, amount).await.map(drop)
        }
    }
}
