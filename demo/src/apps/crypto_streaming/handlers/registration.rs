//! An agent introduces itself: its row has what it says, its session one label, for its type.

use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use steeple::{Result, clock, stream::Session};

use crate::{
    apps::crypto_streaming::{agents::Agents, input, models::agent},
    pb::crypto::{ClientRegistration, ClientStatus},
};

/// Keeps what the agent says of itself.
pub async fn handle(session: &Session<Agents>, registration: &ClientRegistration) -> Result<()> {
    let name = input::optional("client_name", &registration.client_name, 100)?;
    let kind = input::optional("client_type", &registration.client_type, 50)?;
    let version = input::optional("version", &registration.version, 50)?;
    let api_url = input::optional("api_url", &registration.api_url, 200)?;
    // Before the row: what cannot be a label changes nothing.
    if !kind.is_empty() {
        session.join(kind)?;
    }
    // A session has few labels, and an agent one type.
    let former = session.state().replace_kind(kind);
    if former != kind && !former.is_empty() {
        session.leave(&former);
    }
    let agent = agent::ActiveModel {
        id: Set(session.state().id()?),
        name: Set(name.to_owned()),
        kind: Set(kind.to_owned()),
        version: Set(version.to_owned()),
        api_url: Set(api_url.to_owned()),
        status: Set(ClientStatus::Active.into()),
        status_details: Set("registered".to_owned()),
        updated_at: Set(clock::now()),
        ..Default::default()
    };
    agent.update(session.context().db()).await?;
    session.set_version(version);
    Ok(())
}
