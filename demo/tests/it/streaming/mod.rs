//! Wallet agents: connected, heard and commanded through real sockets. What was sent, received and timed is left in
//! `target/streaming-results`.

mod agent;
mod commands;
mod messages;
mod registration;
mod results;
mod simulated;
