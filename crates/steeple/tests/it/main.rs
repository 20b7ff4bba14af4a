//! Behaviour of the crate against real databases, servers and sockets. One module per behaviour.

mod databases;
mod trial;

mod calls;
mod config;
mod data;
mod floors;
mod generated;
mod request_log;
mod wire;
