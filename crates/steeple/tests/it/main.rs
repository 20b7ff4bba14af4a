//! Behaviour of the crate against real databases, servers and sockets. One module per behaviour.

#![expect(clippy::unwrap_used, reason = "clippy knows test functions, and not what they share")]

mod caches;
mod databases;
mod frames;
mod lines;
mod trial;

mod access;
mod api_keys;
mod bus;
mod cache;
mod calls;
mod centrifugo;
mod config;
mod context;
mod data;
mod discovery;
mod errors;
mod floors;
mod generated;
mod health;
mod interceptors;
mod login;
mod monitor;
mod node;
mod options;
mod read_only;
mod reflection;
mod request_log;
mod signals;
mod start;
mod stock;
mod streams;
mod tokens;
mod users;
mod wire;
