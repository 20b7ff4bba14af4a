//! Clients that stay connected: sessions, commands, faults and ends, through real sockets.

mod commands;
mod ending;
mod faults;
pub mod fleet;
mod kept;
mod nodes;
mod published;
mod revoked;
mod sessions;
