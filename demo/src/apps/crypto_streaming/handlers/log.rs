//! A line of an agent's log.

use steeple::{Result, stream::Session};

use super::entries;
use crate::{
    apps::crypto_streaming::{agents::Agents, input},
    pb::crypto::LogEntry,
};

/// Keeps it.
pub async fn handle(session: &Session<Agents>, entry: &LogEntry) -> Result<()> {
    let level = input::one_of("level", &entry.level, &["debug", "info", "warning", "error"])?;
    let message = input::prose("message", &entry.message)?;
    entries::add(session, "log", level, message, input::optional_prose("extra_data", &entry.extra_data)?).await
}
