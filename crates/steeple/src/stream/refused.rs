//! Why a command did not reach its client: the sentences and reasons, in one place.

use std::time::Duration;

use crate::error::{DOMAIN, Error, Result};

/// Longest name of a client, in bytes: it becomes part of subjects, channels and keys.
const NAME_LIMIT: usize = 64;

/// Refuses what cannot be the name of a client.
pub(super) fn unfit(client_id: &str) -> Result<()> {
    let problem = if client_id.is_empty() {
        "may not be empty"
    } else if client_id.len() > NAME_LIMIT {
        "may not be longer than 64 bytes"
    } else if client_id.chars().any(char::is_control) {
        "may not have control characters"
    } else {
        return Ok(());
    };
    Err(Error::invalid("client_id", problem))
}

pub(super) fn not_connected(client_id: &str) -> Error {
    Error::failed_precondition(format!("client {client_id} is not connected")).reason("CLIENT_NOT_CONNECTED", DOMAIN)
}

pub(super) fn full(client_id: &str, size: usize) -> Error {
    Error::resource_exhausted(format!("client {client_id} has {size} commands waiting, and takes no more"))
        .reason("QUEUE_FULL", DOMAIN)
        .retry_after(Duration::from_secs(1))
}

pub(super) fn too_many_commands(client_id: &str, most: usize) -> Error {
    Error::resource_exhausted(format!("{most} commands of client {client_id} are waited for, which is the limit"))
        .reason("TOO_MANY_COMMANDS", DOMAIN)
        .retry_after(Duration::from_secs(1))
}

pub(super) fn silent(client_id: &str, deadline: Duration) -> Error {
    let seconds = deadline.as_secs_f64();
    Error::deadline_exceeded(format!("client {client_id} did not answer within {seconds} s"))
        .reason("CLIENT_SILENT", DOMAIN)
}

pub(super) fn not_read(client_id: &str, deadline: Duration) -> Error {
    let seconds = deadline.as_secs_f64();
    Error::deadline_exceeded(format!(
        "client {client_id} did not read the command within {seconds} s; it was taken back"
    ))
    .reason("NOT_READ", DOMAIN)
}

pub(super) fn taken_back(command_id: &str) -> Error {
    Error::cancelled(format!("command {command_id} was taken back before its client read it"))
        .reason("TAKEN_BACK", DOMAIN)
}

pub(super) fn left(client_id: &str) -> Error {
    Error::unavailable(format!("client {client_id} left before it answered")).reason("CLIENT_LEFT", DOMAIN)
}
