//! A select that is built once finds what it would find each time.

use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use steeple::{Error, model::Prepared};

use super::coin::{self, connected, insert};
use crate::databases::on_every_database;

on_every_database! {
    async fn a_prepared_select_finds_the_first_row_for_each_value(database: Database) {
        static BY_SYMBOL: Prepared<coin::Entity> = Prepared::new(|| coin::Entity::find_by_symbol(""));
        static AT_LEAST: Prepared<coin::Entity> = Prepared::new(|| {
            coin::Entity::find().filter(coin::Column::Rank.gte(0)).order_by_asc(coin::Column::Rank)
        });
        let db = connected(&database).await;
        for (symbol, rank) in [("BTC", 1), ("ETH", 2), ("XRP", 3)] {
            insert(&db, symbol, Some(rank)).await;
        }
        for symbol in ["ETH", "BTC", "' OR 1=1 --", "ETH", ""] {
            let each_time = coin::Entity::find_by_symbol(symbol).one(&db).await.unwrap();
            assert_eq!(BY_SYMBOL.one(&db, [symbol.into()]).await.unwrap(), each_time, "{symbol}");
        }
        let second = AT_LEAST.one(&db, [2.into()]).await.unwrap().expect("two of them");
        assert_eq!(second.symbol, "ETH", "the first in its order");

        // Within a transaction it sees what is not committed.
        let seen = db.transaction(async |tx| {
            insert(&tx, "SOL", Some(4)).await;
            Ok::<_, Error>(BY_SYMBOL.one(&tx, ["SOL".into()]).await?.is_some())
        });
        assert!(seen.await.unwrap());
    }

    async fn a_prepared_select_refuses_more_or_fewer_values(database: Database) {
        static BY_SYMBOL: Prepared<coin::Entity> = Prepared::new(|| coin::Entity::find_by_symbol(""));
        let db = connected(&database).await;
        let wrong = |found: Result<Option<coin::Model>, DbErr>| found.unwrap_err().to_string();
        assert!(wrong(BY_SYMBOL.one(&db, []).await).contains("a prepared select of 1 values was given 0"));
        let two = BY_SYMBOL.one(&db, ["BTC".into(), "ETH".into()]).await;
        assert!(wrong(two).contains("a prepared select of 1 values was given 2"));
    }
}
