//! The data floor: connecting, transactions, migrations, models and their rows, on every database.

mod connecting;
