//! What the site does with its wallet agents: who may be one, what becomes of their messages, and what is noted of them.
//!
//! A name belongs to whoever used it first: an agent is a row with an owner. The names of users are theirs from the start,
//! because an agent moves money in the wallets of its name. Nobody but a superuser has more than `MOST_NAMES`.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, sea_query::OnConflict};
use steeple::{
    Code, Context, Error, Result,
    auth::Users,
    clock,
    stream::{Cause, Handlers, Session},
};

use super::{handlers, models::agent};
use crate::pb::crypto::{ClientStatus, CommandAck, client_message::Payload};

/// How often a message is tried that loses against a concurrent change.
const TRIES: u32 = 5;
/// Names that one user may have. Those who come with the last ones at the same time may have a few more.
const MOST_NAMES: u64 = 100;
/// The first pause between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// The wallet agents.
#[derive(Debug)]
pub struct Agents {
    /// Whose names are taken.
    pub users: Users,
}

/// What is kept of a connected agent.
#[derive(Debug, Default)]
pub struct Agent {
    id: OnceLock<i64>,
    /// The type it has introduced itself with: the label of its session.
    kind: Mutex<String>,
}

impl Agent {
    /// The agent's row; known from the moment it has connected.
    pub fn id(&self) -> Result<i64> {
        self.id.get().copied().ok_or_else(|| Error::internal("internal error").because("the agent has not connected"))
    }

    /// Notes its type; gives the former one, empty when there was none.
    pub fn replace_kind(&self, kind: &str) -> String {
        std::mem::replace(&mut *self.kind.lock().unwrap_or_else(PoisonError::into_inner), kind.to_owned())
    }
}

impl Handlers for Agents {
    type State = Agent;

    async fn admit(&self, cx: &Context, client_id: &str) -> Result<()> {
        let user = cx.require_user()?;
        let namesake = self.users.by_username(client_id).await?;
        if namesake.is_some_and(|namesake| i64::from(namesake.id) != user.id) {
            return Err(taken(client_id));
        }
        if let Some(agent) = found(cx, client_id).await? {
            return if agent.owner_id == user.id { Ok(()) } else { Err(taken(client_id)) };
        }
        // The row is made when the client has connected: the limits of the node come in between.
        let names = agent::Entity::find().filter(agent::Column::OwnerId.eq(user.id)).count(cx.db()).await?;
        if names >= MOST_NAMES {
            return Err(Error::resource_exhausted(format!("you have {names} agents, and may have no more names"))
                .reason("TOO_MANY_NAMES", "crypto"));
        }
        Ok(())
    }

    async fn connected(&self, session: &Session<Self>) -> Result<()> {
        let cx = session.context();
        let user = cx.require_user()?;
        let agent = found_or_made(cx, session.client_id(), user.id).await?;
        // Two may have come at once under a new name. A superuser goes by any name, and was not asked above.
        if agent.owner_id != user.id && !cx.check_superuser() {
            return Err(taken(session.client_id()));
        }
        // Set once: a session connects once.
        let _ = session.state().id.set(agent.id);
        if ClientStatus::try_from(agent.status) == Ok(ClientStatus::Stopped) {
            handlers::status::set(session, ClientStatus::Active, "connected").await?;
        }
        Ok(())
    }

    async fn handle(&self, session: &Session<Self>, content: Payload) -> Result<()> {
        // No agent repeats what it was not told has failed, so what lost against another agent is tried again here.
        for tries in 1..TRIES {
            match handled(session, &content).await {
                Err(error) if error.code() == Code::Aborted => tokio::time::sleep(PAUSE * tries).await,
                done => return done,
            }
        }
        handled(session, &content).await
    }

    async fn unawaited(&self, session: &Session<Self>, ack: CommandAck, _late: bool) -> Result<()> {
        match ClientStatus::try_from(ack.current_status) {
            Ok(ClientStatus::Unknown) | Err(_) => Ok(()),
            Ok(status) => handlers::status::set(session, status, &ack.message).await,
        }
    }

    async fn offline(&self, session: &Session<Self>, cause: Cause) -> Result<()> {
        // Refused when it had just connected: the row is somebody else's, or there is none.
        if session.state().id.get().is_none() {
            return Ok(());
        }
        handlers::status::set(session, ClientStatus::Stopped, cause.as_str()).await
    }
}

async fn handled(session: &Session<Agents>, content: &Payload) -> Result<()> {
    match content {
        Payload::Register(registration) => handlers::registration::handle(session, registration).await,
        Payload::WalletUpdate(update) => handlers::wallet_update::handle(session, update).await,
        Payload::Transaction(report) => handlers::transaction::handle(session, report).await,
        Payload::Status(update) => handlers::status::handle(session, update).await,
        Payload::Error(report) => handlers::error::handle(session, report).await,
        Payload::Log(entry) => handlers::log::handle(session, entry).await,
        // The hub keeps these to itself, see `read`.
        Payload::Heartbeat(_) | Payload::CommandAck(_) => Ok(()),
    }
}

fn taken(client_id: &str) -> Error {
    Error::permission_denied(format!("the name {client_id} belongs to somebody else")).reason("NAME_TAKEN", "crypto")
}

/// The agent of this name.
async fn found(cx: &Context, client_id: &str) -> Result<Option<agent::Model>> {
    Ok(agent::Entity::find().filter(agent::Column::ClientId.eq(client_id)).one(cx.db()).await?)
}

/// The agent of this name; a new one belongs to `owner`.
async fn found_or_made(cx: &Context, client_id: &str, owner: i64) -> Result<agent::Model> {
    if let Some(agent) = found(cx, client_id).await? {
        return Ok(agent);
    }
    let now = clock::now();
    let new = agent::ActiveModel {
        client_id: Set(client_id.to_owned()),
        owner_id: Set(owner),
        name: Set(String::new()),
        kind: Set(String::new()),
        version: Set(String::new()),
        api_url: Set(String::new()),
        status: Set(ClientStatus::Active.into()),
        status_details: Set(String::new()),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    // Two may come at once under a new name: the first one's row stands, for both.
    let mut first = OnConflict::column(agent::Column::ClientId);
    first.do_nothing_on([agent::Column::Id]);
    agent::Entity::insert(new).on_conflict(first).exec_without_returning(cx.db()).await?;
    found(cx, client_id).await?.ok_or_else(|| Error::not_found("agent", client_id))
}
