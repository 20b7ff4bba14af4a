//! The data floor: connecting, transactions, migrations, models and their rows, on every database.

mod coin;
mod connecting;
mod migrations;
mod reading;
mod transactions;
mod writing;
