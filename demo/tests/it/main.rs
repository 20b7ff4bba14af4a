//! The demo behaves: real calls to a running server, on SQLite always, on PostgreSQL and MySQL when
//! `STEEPLE_TEST_POSTGRES_URL` and `STEEPLE_TEST_MYSQL_URL` name one.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod access;
mod admin;
mod coins;
#[path = "../../../crates/steeple/tests/it/databases.rs"]
mod databases;
mod people;
mod process;
mod refused;
mod shop;
mod site;
mod statements;
mod streaming;
mod transfers;
mod wallets;
