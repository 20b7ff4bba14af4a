//! Something went wrong at an agent.

use steeple::{Result, stream::Session};

use super::{entries, status};
use crate::{
    apps::crypto_streaming::{agents::Agents, input},
    pb::crypto::{ClientStatus, ErrorReport},
};

/// Keeps it; a critical one is how the agent is from now on.
pub async fn handle(session: &Session<Agents>, report: &ErrorReport) -> Result<()> {
    let severity = input::one_of("severity", &report.severity, &["warning", "error", "critical"])?;
    let message = input::prose("message", &report.message)?;
    entries::add(session, "error", severity, message, input::optional_prose("traceback", &report.traceback)?).await?;
    if severity == "critical" {
        status::set(session, ClientStatus::Error, message).await?;
    }
    Ok(())
}
