//! Connecting by URL, and what is said when it does not work.

use crate::databases::on_every_database;

on_every_database! {
    async fn answers_a_ping(database: Database) {
        let db = database.connect().await;
        db.ping().await.expect("answers");
        db.close().await;
        assert!(db.ping().await.is_err(), "closed");
    }
}
