//! Why a command did not reach its client, or its answer not the caller: the sentences and reasons that the bus has not.
//!
//! The bus's own table is [`reason`](crate::bus::reason): a caller reads the same wherever the client is.

use std::time::Duration;

use crate::{
    bus::{Fault, LONGEST_NAME},
    error::{DOMAIN, Error, Result},
};

/// Refuses what cannot be the name of a client.
pub(super) fn unfit(client_id: &str) -> Result<()> {
    let problem = if client_id.is_empty() {
        "may not be empty"
    } else if client_id.len() > LONGEST_NAME {
        "may not be longer than 64 bytes"
    } else if client_id.chars().any(char::is_control) {
        "may not have control characters"
    } else {
        return Ok(());
    };
    Err(Error::invalid("client_id", problem))
}

pub(super) fn connected(client_id: &str) -> Error {
    Error::already_exists("client", client_id).reason("ALREADY_CONNECTED", DOMAIN)
}

pub(super) fn not_connected(client_id: &str) -> Error {
    Fault::NotConnected.of(client_id)
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

pub(super) fn silent(client_id: &str) -> Error {
    Fault::ClientSilent.of(client_id)
}

pub(super) fn not_read(client_id: &str) -> Error {
    Error::deadline_exceeded(format!("client {client_id} did not read the command in time; it was taken back"))
        .reason("NOT_READ", DOMAIN)
}

pub(super) fn taken_back(command_id: &str) -> Error {
    Error::cancelled(format!("command {command_id} was taken back before its client read it"))
        .reason("TAKEN_BACK", DOMAIN)
}

/// A hook that a session waits for did not return within the heartbeat timeout.
pub(super) fn overdue(hook: &'static str) -> Error {
    Error::unavailable("the service took too long to take this client, connect again")
        .because(format!("the hook {hook} did not return in time"))
        .retry_after(Duration::from_secs(1))
}

pub(super) fn too_large(size: usize, most: usize) -> Error {
    Error::resource_exhausted(format!("the message of {size} bytes is larger than the {most} bytes a client may send"))
        .reason("MESSAGE_TOO_LARGE", DOMAIN)
}

pub(super) fn left(client_id: &str) -> Error {
    Fault::Left.of(client_id)
}
