//! How an agent is.

use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use steeple::{Error, Result, clock, stream::Session};

use crate::{
    apps::crypto_streaming::{agents::Agents, input, models::agent},
    pb::crypto::{ClientStatus, StatusUpdate},
};

/// Keeps it in the agent's row.
pub async fn handle(session: &Session<Agents>, update: &StatusUpdate) -> Result<()> {
    let status = ClientStatus::try_from(update.status)
        .map_err(|_| Error::invalid("status", "must be one of the values of ClientStatus"))?;
    set(session, status, input::optional("details", &update.details, 500)?).await
}

/// Notes how the agent is, as somebody else says.
pub async fn set(session: &Session<Agents>, status: ClientStatus, details: &str) -> Result<()> {
    let agent = agent::ActiveModel {
        id: Set(session.state().id()?),
        status: Set(status.into()),
        status_details: Set(details.chars().take(500).collect()),
        updated_at: Set(clock::now()),
        ..Default::default()
    };
    agent.update(session.context().db()).await?;
    Ok(())
}
