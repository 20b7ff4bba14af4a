//! Wallet agents: connected, heard and commanded through real sockets. What was sent, received and timed is left in
//! `target/streaming-results`.

pub mod agent;
mod centrifugo;
mod commands;
mod messages;
mod registration;
pub mod results;
mod simulated;
