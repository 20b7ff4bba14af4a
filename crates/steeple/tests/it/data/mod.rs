//! The data floor: connecting, transactions, migrations, models and their rows, on every database.

pub mod coin;
mod connecting;
mod migrations;
mod prepared;
mod reading;
mod transactions;
mod writing;
