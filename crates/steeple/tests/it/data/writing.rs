//! Rows added, changed and removed; what is said of wrong ones; exact numbers.

use proptest::{
    prelude::any,
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::Set,
    ConnectionTrait as _, DbErr, EntityTrait, IntoActiveModel as _,
    sea_query::{Expr, ExprTrait as _},
};
use sea_orm::{ColumnTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::{Value as Json, json};
use steeple::{
    Code, Error, Fixed,
    model::{ModelRows as _, Query, Registered as _, Row, Rows, RowsError},
};

use super::coin::{self, Kind, basket, bitcoin, connected, insert};
use crate::databases::on_every_database;

fn with(mut row: Row, changes: &[(&str, Json)]) -> Row {
    for (name, value) in changes {
        row.insert((*name).to_owned(), value.clone());
    }
    row
}

fn problems(error: RowsError) -> Vec<String> {
    let RowsError::Fields(problems) = error else { panic!("not about fields: {error:?}") };
    problems.into_iter().map(|it| format!("{} {}", it.field, it.problem)).collect()
}

on_every_database! {
    async fn what_goes_in_comes_out(database: Database) {
        let db = connected(&database).await;
        let rows = coin::Entity::rows("crypto");
        let stored = rows.insert(&db, &bitcoin()).await.expect("inserts");
        let expected = with(bitcoin(), &[("id", json!(1)), ("slug", json!("btc")), ("weight", stored["weight"].clone())]);
        assert_eq!(stored, expected);
        assert!(stored["weight"].as_str().expect("text").starts_with("1.5"), "SQLite drops the zeros");
        let key = with(Row::new(), &[("id", json!(1))]);
        assert_eq!(rows.get(&db, &key).await.expect("reads").as_ref(), Some(&stored));
        let by_entity = coin::Entity::find_by_symbol("BTC").one(&db).await.expect("reads").expect("is there");
        assert_eq!(by_entity.price, "64123.12345678".parse::<Fixed<8>>().expect("a number"));
        assert_eq!(by_entity.fee, None);
        assert_eq!(by_entity.supply, 9_007_199_254_740_993);
        assert_eq!(by_entity.kind, Kind::Coin);
    }

    async fn all_problems_are_told_at_once(database: Database) {
        let db = connected(&database).await;
        let rows = Rows::<coin::Entity>::new("crypto").choices::<Kind>("kind");
        let row = with(
            bitcoin(),
            &[
                ("nosuch", json!(1)),
                ("symbol", json!("far too long a symbol")),
                ("kind", json!("alien")),
                ("price", json!("1.123456789")),
                ("fee", json!("a lot")),
                ("weight", json!([])),
                ("score", json!("NaN")),
                ("listed", json!("yes")),
                ("rank", json!(3_000_000_000_u32)),
                ("supply", json!(1.5)),
                ("born", json!("yesterday")),
                ("seen_at", json!("2026-11-20T18:23:03")),
                ("key", json!(null)),
                ("note", json!("a\0b")),
            ],
        );
        let mut told = problems(rows.insert(&db, &row).await.expect_err("refused"));
        told.sort();
        assert_eq!(
            told,
            [
                "born must be a date, such as 2026-11-20",
                "fee must be a decimal number",
                "key may not be empty",
                "kind must be one of coin, token",
                "listed must be true or false",
                "nosuch no such field",
                "note may not contain a NUL character",
                "price must have at most 8 decimal places",
                "rank must be from -2147483648 to 2147483647",
                "score must be a number",
                "seen_at must be a date and time with its offset, such as 2026-11-20T18:23:03Z",
                "supply must be a whole number",
                "symbol must have at most 12 characters",
                "weight must be a decimal number",
            ]
        );
        let error = Error::from(rows.insert(&db, &row).await.expect_err("refused"));
        assert_eq!(error.code(), Code::InvalidArgument);
        // What only the column's Rust type knows
        let told = problems(coin::Entity::rows("crypto").insert(&db, &with(bitcoin(), &[("kind", json!("alien"))])).await.expect_err("refused"));
        assert_eq!(told, ["kind is not one of the possible values"]);
        assert_eq!(rows.count(&db, &Query::default()).await.expect("counts"), 0);
    }

    async fn what_is_required_shows_after_the_hook(database: Database) {
        let db = connected(&database).await;
        let rows = coin::Entity::rows("crypto");
        let mut told = problems(rows.insert(&db, &with(Row::new(), &[("symbol", json!("BTC"))])).await.expect_err("refused"));
        told.sort();
        assert_eq!(
            told,
            ["born", "key", "kind", "listed", "price", "score", "seen_at", "supply", "tags", "weight"].map(|name| format!("{name} required"))
        );
    }

    async fn the_database_has_its_say(database: Database) {
        let db = connected(&database).await;
        let rows = coin::Entity::rows("crypto");
        rows.insert(&db, &bitcoin()).await.expect("inserts");
        let twice = rows.insert(&db, &bitcoin()).await.expect_err("taken");
        assert_eq!(Error::from(twice).code(), Code::AlreadyExists);
        let row = with(Row::new(), &[("name", json!("a")), ("coin_id", json!(99)), ("amount", json!(1))]);
        let dangling = basket::Entity::rows("crypto").insert(&db, &row).await.expect_err("no such coin");
        assert_eq!(Error::from(dangling).code(), Code::FailedPrecondition);
    }

    async fn updates_see_what_others_did(database: Database) {
        let db = connected(&database).await;
        let rows = coin::Entity::rows("crypto");
        let seen = rows.insert(&db, &bitcoin()).await.expect("inserts");
        let change = |name: &str, value: Json| with(Row::new(), &[(name, value)]);
        let changed = rows.update(&db, &seen, &seen, &change("note", json!("first"))).await.expect("updates");
        assert_eq!(changed, with(seen.clone(), &[("note", json!("first"))]));

        let stale = rows.update(&db, &seen, &seen, &change("note", json!("second"))).await.expect_err("stale");
        assert!(matches!(stale, RowsError::Conflict));
        assert_eq!(Error::from(stale).code(), Code::Aborted);
        // Only the fields that were seen count
        rows.update(&db, &seen, &change("rank", json!(1)), &change("rank", json!(2))).await.expect("updates");

        let told = problems(rows.update(&db, &seen, &Row::new(), &change("price", json!("much"))).await.expect_err("refused"));
        assert_eq!(told, ["price must be a decimal number"]);
        let told = problems(rows.update(&db, &seen, &Row::new(), &change("id", json!(7))).await.expect_err("refused"));
        assert_eq!(told, ["id cannot be changed"]);
        let nobody = change("id", json!(99));
        let gone = rows.update(&db, &nobody, &Row::new(), &change("rank", json!(3))).await.expect_err("not there");
        assert_eq!(gone.to_string(), "coin 99 not found");
        assert_eq!(Error::from(gone).code(), Code::NotFound);
        let now = rows.get(&db, &seen).await.expect("reads").expect("is there");
        assert_eq!((&now["note"], &now["rank"]), (&json!("first"), &json!(2)));
    }

    async fn concurrent_updates_lose_none(database: Database) {
        let db = connected(&database).await;
        let rows = coin::Entity::rows("crypto");
        let row = rows.insert(&db, &with(bitcoin(), &[("rank", json!(0))])).await.expect("inserts");
        let all: Vec<_> = (0..4)
            .map(|_| {
                let (db, rows, row) = (db.clone(), rows.clone(), row.clone());
                tokio::spawn(async move {
                    let mut done = 0;
                    while done < 5 {
                        let seen = rows.get(&db, &row).await.expect("reads").expect("is there");
                        let next = seen["rank"].as_i64().expect("a number") + 1;
                        match rows.update(&db, &row, &seen, &with(Row::new(), &[("rank", json!(next))])).await {
                            Ok(_) => done += 1,
                            Err(RowsError::Conflict) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                })
            })
            .collect();
        for one in all {
            one.await.expect("runs");
        }
        let now = rows.get(&db, &row).await.expect("reads").expect("is there");
        assert_eq!(now["rank"], 20);
    }

    async fn fixed_numbers_are_exact(database: Database) {
        let db = connected(&database).await;
        let coin = insert(&db, "BTC", None).await;
        let mut numbers = vec![Fixed::MIN, Fixed::MAX, Fixed::ZERO, Fixed::from_units(1), Fixed::from_units(-1)];
        let mut runner = TestRunner::deterministic();
        numbers.extend((0..50).map(|_| any::<i64>().prop_map(Fixed::<8>::from_units).new_tree(&mut runner).expect("generates").current()));
        for price in numbers {
            let mut active = coin.clone().into_active_model();
            active.price = Set(price);
            active.update(&db).await.expect("updates");
            let read = coin::Entity::find_by_id(coin.id).one(&db).await.expect("reads").expect("is there");
            assert_eq!(read.price, price);
        }
    }

    async fn fixed_numbers_add_and_compare_in_sql(database: Database) {
        let db = connected(&database).await;
        for symbol in ["A", "B", "C"] {
            insert(&db, symbol, None).await;
        }
        let tenth: Fixed<8> = "0.1".parse().expect("a number");
        for _ in 0..3 {
            coin::Entity::update_many()
                .col_expr(coin::Column::Price, Expr::col(coin::Column::Price).add(tenth))
                .filter(coin::Column::Symbol.eq("B"))
                .filter(coin::Column::Price.gte(tenth))
                .exec(&db)
                .await
                .expect("updates");
        }
        let largest = coin::Entity::find().order_by_desc(coin::Column::Price).one(&db).await.expect("reads").expect("some");
        assert_eq!((largest.symbol.as_str(), largest.price.to_string().as_str()), ("B", "1.8"));
    }

    async fn moments_sort_as_moments_on_every_database(database: Database) {
        let db = connected(&database).await;
        let earlier = insert(&db, "EARLIER", None).await;
        // As Django, or a person, would write it on the same day
        let text = (steeple::clock::now() + chrono::TimeDelta::microseconds(1)).format("%F %T%.6f");
        let later = insert(&db, "LATER", None).await;
        db.execute_unprepared(&format!("UPDATE crypto_coin SET seen_at = '{text}' WHERE id = {}", later.id)).await.expect("updates");
        let found = coin::Entity::find()
            .filter(coin::Column::SeenAt.gt(earlier.seen_at))
            .all(&db)
            .await
            .expect("reads");
        assert_eq!(found.iter().map(|coin| coin.id).collect::<Vec<_>>(), [later.id]);
        let first = coin::Entity::find().order_by_asc(coin::Column::SeenAt).one(&db).await.expect("reads").expect("some");
        assert_eq!(first, earlier, "and to the microsecond");
    }

    async fn writes_work_in_a_transaction_too(database: Database) {
        let db = connected(&database).await;
        let rows = coin::Entity::rows("crypto");
        db.transaction(async |tx| {
            rows.insert(&tx, &bitcoin()).await?;
            rows.insert(&tx, &bitcoin()).await.expect_err("taken; undone to its savepoint");
            rows.insert(&tx, &with(bitcoin(), &[("symbol", json!("ETH"))])).await?;
            Ok::<_, RowsError>(())
        })
        .await
        .expect("commits");
        assert_eq!(rows.count(&db, &Query::default()).await.expect("counts"), 2);
        let undone = db.transaction(async |tx| {
            rows.delete(&tx, &with(Row::new(), &[("id", json!(1))])).await?;
            Err::<(), _>(RowsError::from(DbErr::Custom("no".to_owned())))
        });
        undone.await.expect_err("rolls back");
        assert_eq!(rows.count(&db, &Query::default()).await.expect("counts"), 2);
    }
}
