//! Models described, and their rows listed.

use sea_orm::{ActiveEnum as _, ConnectionTrait as _, EntityTrait, sea_query::ArrayType};
use serde_json::{Value as Json, json};
use steeple::model::{Model, ModelRows as _, Op, Query, Registered as _, Row, Rows, RowsError};

use super::coin::{self, Kind, basket, bitcoin, connected, insert};
use crate::databases::on_every_database;

#[test]
fn an_entity_describes_itself() {
    let model = Model::of::<coin::Entity>("crypto");
    assert_eq!((model.app, model.name, model.table), ("crypto", "coin", "crypto_coin"));
    assert_eq!(model.keys().map(|field| field.name).collect::<Vec<_>>(), ["id"]);
    assert!(model.auto_key);
    let field = |name| model.field(name).expect("a field");
    assert!(field("symbol").unique && !field("symbol").null);
    assert!(field("note").null && field("rank").null);
    assert_eq!((&field("price").kind, field("price").scale), (&ArrayType::BigInt, Some(8)));
    assert_eq!((field("fee").scale, field("fee").null), (Some(2), true));
    assert_eq!(field("supply").scale, None);

    let model = Model::of::<basket::Entity>("crypto");
    assert_eq!(model.keys().map(|field| field.name).collect::<Vec<_>>(), ["name", "coin_id"]);
    assert!(!model.auto_key);
    let reference = model.field("coin_id").and_then(|field| field.references.clone());
    assert_eq!(reference, Some(("crypto_coin".to_owned(), "id".to_owned())));
    // A table without its app in front keeps its name
    assert_eq!(Model::of::<basket::Entity>("shop").name, "crypto_basket");
}

#[test]
fn a_text_enum_is_told_its_choices() {
    let rows = Rows::<coin::Entity>::new("crypto").choices::<Kind>("kind").choices::<Kind>("nosuch");
    assert_eq!(rows.model().field("kind").expect("a field").choices, ["coin", "token"]);
    assert_eq!(Kind::values().len(), 2);
}

fn symbols(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row["symbol"].as_str().expect("text")).collect()
}

on_every_database! {
    async fn filters_of_every_kind(database: Database) {
        let db = connected(&database).await;
        let rows = coin::Entity::rows("crypto");
        rows.insert(&db, &bitcoin()).await.expect("inserts");
        for (symbol, rank) in [("ETH", Some(2)), ("X_Y", None), ("X%Y", Some(-3))] {
            insert(&db, symbol, rank).await;
        }
        for (field, op, value, expected) in [
            ("symbol", Op::Eq, json!("BTC"), &["BTC"][..]),
            ("symbol", Op::Ne, json!("BTC"), &["ETH", "X_Y", "X%Y"]),
            ("symbol", Op::In, json!(["BTC", "X_Y", "nosuch"]), &["BTC", "X_Y"]),
            ("symbol", Op::In, json!([]), &[]),
            ("symbol", Op::Contains, json!("tc"), &["BTC"]),
            ("symbol", Op::Contains, json!("x_"), &["X_Y"]),
            ("symbol", Op::Contains, json!("%"), &["X%Y"]),
            ("symbol", Op::Contains, json!("\\"), &[]),
            ("kind", Op::Eq, json!("token"), &["ETH", "X_Y", "X%Y"]),
            ("price", Op::Eq, json!("64123.12345678"), &["BTC"]),
            ("price", Op::Lt, json!("1.50000001"), &["ETH", "X_Y", "X%Y"]),
            ("fee", Op::Gte, json!("0.1"), &["ETH", "X_Y", "X%Y"]),
            ("fee", Op::IsNull, json!(true), &["BTC"]),
            ("weight", Op::Eq, json!("1.5"), &["BTC", "ETH", "X_Y", "X%Y"]),
            ("score", Op::Lt, json!(0.3), &["BTC"]),
            ("listed", Op::Eq, json!(true), &["BTC"]),
            ("rank", Op::Gt, json!(1), &["ETH"]),
            ("rank", Op::Lte, json!("1"), &["BTC", "X%Y"]),
            ("rank", Op::IsNull, json!(false), &["BTC", "ETH", "X%Y"]),
            ("supply", Op::Eq, json!("9007199254740993"), &["BTC"]),
            ("born", Op::Lt, json!("2010-01-01"), &["BTC"]),
            ("seen_at", Op::Eq, json!("2026-11-20T19:23:03.911776+01:00"), &["BTC"]),
            ("seen_at", Op::Lt, json!("2026-11-20T18:23:03.911777Z"), &["BTC"]),
            ("key", Op::Eq, json!("67e55044-10b1-426f-9247-bb680e5fe0c8"), &["BTC"]),
        ] {
            // other rows are seen "now", which may be before or after the moment asked for
            let query = Query::default().filter(field, op, value.clone()).ascending("id");
            let query = if field == "seen_at" { query.filter("symbol", Op::Eq, "BTC") } else { query };
            let found = rows.list(&db, &query).await.expect("lists");
            assert_eq!(symbols(&found), expected, "{field} {op:?} {value}");
            assert_eq!(rows.count(&db, &query).await.expect("counts"), expected.len() as u64, "{field} {op:?} {value}");
            let up_to_two = rows.count_up_to(&db, &query, 2).await.expect("counts");
            assert_eq!(up_to_two, expected.len().min(2) as u64, "{field} {op:?} {value}");
        }
        for (query, problem) in [
            (Query::default().filter("nosuch", Op::Eq, 1), "nosuch: no such field"),
            (Query::default().filter("rank", Op::Eq, "one"), "rank: must be a whole number"),
            (Query::default().filter("rank", Op::In, 1), "rank: must be a list"),
            (Query::default().filter("rank", Op::IsNull, 1), "rank: must be true or false"),
            (Query::default().ascending("nosuch"), "nosuch: no such field"),
            (Query::default().ascending("tags"), "tags: cannot be ordered by"),
            (Query::default().search("x", ["nosuch"]), "nosuch: no such field"),
            (Query::default().ascending("rank").after(Row::new()), "rank: is missing in the row to go on after"),
        ] {
            assert_eq!(rows.list(&db, &query).await.expect_err("refused").to_string(), problem);
        }
    }

    async fn search_finds_every_word_somewhere(database: Database) {
        let db = connected(&database).await;
        let rows = coin::Entity::rows("crypto");
        for symbol in ["BTC", "ETH", "BETH"] {
            insert(&db, symbol, None).await;
        }
        let found = async |text: &str| {
            let query = Query::default().search(text, ["symbol", "slug", "kind", "id"]).ascending("symbol");
            symbols(&rows.list(&db, &query).await.expect("lists")).join(" ")
        };
        assert_eq!(found("eth").await, "BETH ETH");
        assert_eq!(found("ToKen b").await, "BETH BTC");
        assert_eq!(found("nosuch").await, "");
        assert_eq!(found("  ").await, "BETH BTC ETH");
        assert_eq!(found("' OR 1=1 --").await, "");
    }

    /// Every order of two fields, in both directions each: the pages put together are the whole list, NULLs last.
    async fn pages_follow_one_another_also_over_nulls(database: Database) {
        let db = connected(&database).await;
        let rows = coin::Entity::rows("crypto");
        for (at, rank) in [Some(2), None, Some(1), None, Some(2), Some(3), None, Some(1), Some(2)].into_iter().enumerate() {
            insert(&db, &format!("C{at}"), rank).await;
        }
        let orders = [
            Query::default(),
            Query::default().ascending("rank"),
            Query::default().descending("rank"),
            Query::default().ascending("listed").descending("rank"),
            Query::default().descending("rank").descending("symbol"),
            Query::default().descending("id"),
            Query::default().ascending("price").ascending("seen_at").descending("fee").ascending("note"),
        ];
        for order in orders {
            let whole = rows.list(&db, &order).await.expect("lists");
            assert_eq!(whole.len(), 9);
            if order.order.first().is_some_and(|by| by.field == "rank") {
                let empty: Vec<bool> = whole.iter().map(|row| row["rank"].is_null()).collect();
                assert_eq!(empty, [false, false, false, false, false, false, true, true, true], "{order:?}");
            }
            for size in 1..5 {
                let mut pages = Vec::new();
                loop {
                    let mut query = order.clone().limit(size);
                    query.after = pages.last().cloned();
                    let page = rows.list(&db, &query).await.expect("lists");
                    assert!(page.len() <= size as usize);
                    if page.is_empty() {
                        break;
                    }
                    pages.extend(page);
                }
                assert_eq!(symbols(&pages), symbols(&whole), "{order:?} in pages of {size}");
            }
        }
    }

    async fn a_bad_cell_spoils_itself_only(database: Database) {
        let db = connected(&database).await;
        let rows = coin::Entity::rows("crypto");
        insert(&db, "GOOD", None).await;
        insert(&db, "BAD", None).await;
        // A kind no variant knows: the entity cannot read the row, the list can.
        db.execute_unprepared("UPDATE crypto_coin SET kind = 'alien' WHERE symbol = 'BAD'").await.expect("updates");
        coin::Entity::find().all(&db).await.expect_err("the entity gives up");
        let found = rows.list(&db, &Query::default()).await.expect("lists");
        assert_eq!(symbols(&found), ["GOOD", "BAD"]);
        assert_eq!(found[1]["kind"], "alien");

        if db.backend() == sea_orm::DbBackend::Sqlite {
            db.execute_unprepared("UPDATE crypto_coin SET born = 'yesterday', rank = 'high' WHERE symbol = 'BAD'")
                .await
                .expect("sqlite takes anything");
            let found = rows.list(&db, &Query::default()).await.expect("lists");
            assert_eq!(found[1]["symbol"], "BAD");
            assert!(found[1]["born"]["unreadable"].is_string(), "{:?}", found[1]);
            let got = rows.get(&db, &found[1]).await.expect("reads").expect("is there");
            assert_eq!(got, found[1]);
        }
    }

    async fn a_composite_key_finds_its_row(database: Database) {
        let db = connected(&database).await;
        let rows = basket::Entity::rows("crypto");
        let coin = insert(&db, "BTC", None).await.id;
        let key = |name: &str| -> Row { [("name".into(), json!(name)), ("coin_id".into(), json!(coin))].into_iter().collect() };
        for (name, amount) in [("a", 1), ("b", 2)] {
            let mut row = key(name);
            row.insert("amount".into(), json!(amount));
            rows.insert(&db, &row).await.expect("inserts");
        }
        let got = rows.get(&db, &key("b")).await.expect("reads").expect("is there");
        assert_eq!(got["amount"], 2);
        assert_eq!(rows.get(&db, &key("c")).await.expect("reads"), None);
        let error = rows.get(&db, &Row::new()).await.expect_err("no key");
        assert_eq!(error.to_string(), "name: may not be empty");
        let page = rows.list(&db, &Query::default().after(key("a"))).await.expect("lists");
        assert_eq!(page.len(), 1);
        rows.delete(&db, &key("a")).await.expect("deletes");
        let gone = rows.delete(&db, &key("a")).await.expect_err("gone");
        assert!(matches!(gone, RowsError::NotFound { .. }));
        assert_eq!(gone.to_string(), format!("basket a,{coin} not found"));
        assert_eq!(rows.count(&db, &Query::default()).await.expect("counts"), 1);
    }

    /// No N+1: two statements load everything, and `one` works in a transaction as outside.
    async fn relations_load(database: Database) {
        let db = connected(&database).await;
        let coin = insert(&db, "BTC", None).await;
        let rows = basket::Entity::rows("crypto");
        for name in ["a", "b"] {
            let row = [("name", json!(name)), ("coin_id", json!(coin.id)), ("amount", json!(1))];
            rows.insert(&db, &row.into_iter().map(|(name, value): (&str, Json)| (name.to_owned(), value)).collect())
                .await
                .expect("inserts");
        }
        let loaded = db
            .transaction(async |tx| basket::Entity::load().with(coin::Entity).all(&tx).await)
            .await
            .expect("loads");
        assert_eq!(loaded.len(), 2);
        for basket in loaded {
            assert_eq!(basket.coin.as_ref().map(|coin| coin.symbol.as_str()), Some("BTC"));
        }
    }
}
