//! Behaviour of the crate against real databases, servers and sockets. One module per behaviour.

mod databases;
mod frames;
mod trial;

mod calls;
mod config;
mod data;
mod discovery;
mod errors;
mod floors;
mod generated;
mod health;
mod interceptors;
mod options;
mod reflection;
mod request_log;
mod stock;
mod wire;
