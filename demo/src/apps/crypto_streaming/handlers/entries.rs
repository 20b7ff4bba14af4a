//! What agents write down: their logs and errors, the newest of each.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use steeple::{Result, clock, stream::Session};

use crate::apps::crypto_streaming::{agents::Agents, models::entry};

/// How many of one agent are kept, in round numbers.
const KEPT: u64 = 1_000;
/// How often the surplus is removed: once in so many.
const ROUND: i64 = 100;

/// Adds one.
pub async fn add(session: &Session<Agents>, kind: &str, level: &str, message: &str, extra: &str) -> Result<()> {
    let (db, agent) = (session.context().db(), session.state().id()?);
    let new = entry::ActiveModel {
        agent_id: Set(agent),
        kind: Set(kind.to_owned()),
        level: Set(level.to_owned()),
        message: Set(message.to_owned()),
        extra: Set(extra.to_owned()),
        created_at: Set(clock::now()),
        ..Default::default()
    };
    let id = entry::Entity::insert(new).exec(db).await?.last_insert_id;
    if id % ROUND != 0 {
        return Ok(());
    }
    let of_agent = || entry::Column::AgentId.eq(agent);
    let newest = entry::Entity::find().filter(of_agent()).order_by_desc(entry::Column::Id);
    let last: Option<i64> =
        newest.select_only().column(entry::Column::Id).offset(KEPT).limit(1).into_tuple().one(db).await?;
    if let Some(last) = last {
        entry::Entity::delete_many().filter(of_agent()).filter(entry::Column::Id.lte(last)).exec(db).await?;
    }
    Ok(())
}
