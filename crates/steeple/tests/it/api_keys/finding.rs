//! From the text of a key to the key, or to the refusal.

use proptest::prelude::*;
use steeple::{auth::Secret, auth::api_key::SiteKey, method::Method};

use super::*;
use crate::databases::on_every_database;

on_every_database! {
    async fn a_new_key_is_found_at_once_and_from_memory_from_then_on(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let expires_at = Some(clock::now() + chrono::TimeDelta::days(90));
        let scopes = Scopes::read(["crypto.*", "orders:write"]).unwrap();
        let NewKey { row, text } =
            keys.create(NewApiKey { scopes: scopes.clone(), expires_at, ..new("reports") }).await.unwrap();
        assert!(keys.known(text.expose()).is_none(), "nobody has asked for it yet");

        let key = keys.find(text.expose()).await.unwrap();
        assert_eq!((key.id, &*key.name, key.user_id, key.prefix), (row.id, "reports", ALICE, text.prefix()));
        assert_eq!((&key.scopes, key.expires_at), (&scopes, expires_at));
        assert!(key.allows(&Method::other("/crypto.CryptoService/GetCoin")) && key.has_scope("orders:write"));
        assert!(!key.allows(&Method::other("/orders.OrderService/GetOrder")) && !key.has_scope("orders:read"));

        db.close().await;
        assert_eq!(keys.known(text.expose()).expect("it is remembered").unwrap().id, row.id);
        assert_eq!(keys.find(text.expose()).await.unwrap().id, row.id);
    }

    async fn what_is_no_key_is_refused_without_the_database(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let text = made(&keys, "one").await.text;
        db.close().await;
        let good = text.expose();
        let giant = format!("{good}{}", "x".repeat(8 << 20));
        for wrong in ["", " ", "stp_", &good[..good.len() - 1], &giant, &good.replace("stp_", "STP_"), "schlüssel", "\0", &format!("{good} ")] {
            refused(keys.find(wrong).await);
            refused(keys.known(wrong).expect("it takes no database to say so"));
        }
        let error = keys.find(good).await.expect_err("this one does take the database");
        assert_eq!(error.code(), Code::Unavailable, "a key that cannot be looked up is not a wrong one");
    }

    async fn a_known_prefix_with_another_secret_is_refused(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let (one, other) = (made(&keys, "one").await.text, made(&keys, "other").await.text);
        // The public half of one, the secret half of the other.
        let mixed = format!("{}{}", &one.expose()[..13], &other.expose()[13..]);
        assert!(refused(keys.find(&mixed).await).ends_with("is wrong"));
        assert!(refused(keys.known(&mixed).expect("the prefix is remembered")).ends_with("is wrong"));
        assert_eq!(keys.find(one.expose()).await.unwrap().name, "one", "its owner is not harmed");
        let mut last = one.expose().to_owned();
        let letter = last.pop().unwrap();
        last.push(if letter == 'a' { 'b' } else { 'a' });
        refused(keys.find(&last).await);
        let case: String = one.expose()[13..].chars().map(|letter| {
            if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
        }).collect();
        refused(keys.find(&format!("{}{case}", &one.expose()[..13])).await);
    }

    async fn a_key_that_is_not_there_is_remembered_as_such(database: Database) {
        let db = furnished(&database).await;
        let (keys, elsewhere) = (lasting(&db), lasting(&db));
        let NewKey { row, text } = made(&elsewhere, "one").await;
        execute(&db, "DELETE FROM steeple_api_key").await;
        assert!(keys.known(text.expose()).is_none());
        assert!(refused(keys.find(text.expose()).await).contains("there is no"));
        db.close().await;
        let log = refused(keys.known(text.expose()).expect("remembered"));
        assert!(log.contains(&row.key_prefix) && !log.contains(&text.expose()[13..]), "{log}");
    }

    async fn a_key_in_another_case_is_another_key(database: Database) {
        let db = furnished(&database).await;
        let keys = keys(&db, Duration::ZERO);
        let text = made(&keys, "one").await.text;
        let (prefix, secret) = text.expose().split_at(13);
        let swapped: String = prefix[4..12].chars().map(|letter| {
            if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
        }).collect();
        assert!(refused(keys.find(&format!("stp_{swapped}_{secret}")).await).contains("there is no"));
    }

    async fn an_expired_key_is_refused_the_moment_it_expires_however_long_it_is_remembered(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let moment = clock::now() + chrono::TimeDelta::milliseconds(400);
        let NewKey { text, .. } = keys.create(NewApiKey { expires_at: Some(moment), ..new("short") }).await.unwrap();
        keys.find(text.expose()).await.unwrap();
        until("it expires", async || keys.known(text.expose()).expect("remembered").is_err()).await;
        assert!(clock::now() >= moment);
        assert!(refused(keys.find(text.expose()).await).contains("it expired at"));
        assert!(refused(lasting(&db).find(text.expose()).await).contains("it expired at"));
    }

    async fn a_row_that_says_nonsense_opens_nothing(database: Database) {
        let db = furnished(&database).await;
        let keys = keys(&db, Duration::ZERO);
        let NewKey { text, .. } = made(&keys, "one").await;
        for scopes in ["nonsense", "{}", "[\"a b\"]", ""] {
            execute(&db, &format!("UPDATE steeple_api_key SET scopes = '{scopes}'")).await;
            assert!(refused(keys.find(text.expose()).await).contains("scopes in the table cannot be read"));
        }
        execute(&db, "UPDATE steeple_api_key SET scopes = '[]'").await;
        let key = keys.find(text.expose()).await.unwrap();
        assert!(!key.allows(&Method::other("/a.B/C")) && !key.has_scope("x"));
        execute(&db, "UPDATE steeple_api_key SET scopes = '[\"*\"]', key_hash = 'nonsense'").await;
        let error = keys.find(text.expose()).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::Internal, "internal error"));
    }

    async fn a_key_is_asked_for_anew_when_its_time_is_over(database: Database) {
        let db = furnished(&database).await;
        let (keys, elsewhere) = (keys(&db, Duration::from_millis(50)), lasting(&db));
        let NewKey { row, text } = made(&keys, "one").await;
        keys.find(text.expose()).await.unwrap();
        elsewhere.revoke(row.id).await.unwrap();
        until("the revocation is heard of", async || keys.find(text.expose()).await.is_err()).await;
        let NewKey { row, text } = made(&keys, "two").await;
        elsewhere.set_active(row.id, false).await.unwrap();
        refused(keys.find(text.expose()).await);
        elsewhere.set_active(row.id, true).await.unwrap();
        until("it is heard that it is on again", async || keys.find(text.expose()).await.is_ok()).await;
    }

    async fn the_secret_key_is_the_first_active_superuser(database: Database) {
        let db = furnished(&database).await;
        let secret = Secret::new("a-secret-of-this-site-and-of-no-other");
        let on = Config { accept_secret_key: true, ..Config::default() };
        let site = SiteKey::new(&on, true, Some(&secret)).unwrap();
        assert!(site.is(secret.expose()));
        for wrong in ["", "a-secret-of-this-site-and-of-no-othe", "a-secret-of-this-site-and-of-no-others", "A-secret-of-this-site-and-of-no-other"] {
            assert!(!site.is(wrong), "{wrong}");
        }
        assert_eq!(site.user(&db).await.unwrap(), 4);
        execute(&db, "UPDATE auth_user SET is_active = false").await;
        let error = site.user(&db).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::Unauthenticated, "the api key is not valid"));

        let off = SiteKey::new(&Config::default(), false, Some(&secret)).unwrap();
        assert!(!off.is(secret.expose()) && !off.is(""));
        for (development, secret) in [(true, None), (false, Some(&secret))] {
            assert!(SiteKey::new(&on, development, secret).unwrap_err().contains("accept_secret_key"));
        }
        assert!(!format!("{site:?}{off:?}").contains("secret-of"));
    }
}

/// On one connection whose statements MySQL counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_ask_for_one_key_at_the_same_time_are_one_query() {
    let Some(database) = Database::mysql().await else {
        return;
    };
    let text = made(&lasting(&furnished(&database).await), "one").await.text;
    let single = steeple::db::Config { max_connections: Some(1), ..database.config() };
    let db = Db::connect(&single, 1).await.unwrap();
    let executed = async || {
        let statement = Statement::from_string(db.backend(), "SHOW SESSION STATUS LIKE 'Com_stmt_execute'");
        let row = db.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index::<String>(1).unwrap().parse::<i64>().unwrap()
    };
    let own = executed().await;
    let own = executed().await - own;
    let before = executed().await;
    let keys = lasting(&db);
    // Nobody gets the connection before all have asked.
    let held = db.clone();
    let asking = held
        .transaction(async |_| {
            let asking: Vec<_> = (0..50)
                .map(|_| {
                    let (keys, text) = (keys.clone(), text.clone());
                    tokio::spawn(async move { keys.find(text.expose()).await.map(|key| key.id) })
                })
                .collect();
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<_, Error>(asking)
        })
        .await
        .unwrap();
    for asked in asking {
        asked.await.unwrap().unwrap();
    }
    assert_eq!(executed().await - before - own, 1);
}

#[test]
fn nothing_shows_more_of_a_key_than_its_prefix() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::sqlite().await.unwrap();
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let new = made(&keys, "one").await;
        let key = keys.find(new.text.expose()).await.unwrap();
        let listed = keys.list(None, 10).await.unwrap();
        let rows = steeple::auth::api_key::model();
        let shown = rows.list(&db, &steeple::model::Query::default()).await.unwrap();
        let secret = &new.text.expose()[13..];
        let hash = hash_of_the_one(&db).await;
        for text in
            [format!("{new:?}"), format!("{key:?}"), format!("{listed:?}"), format!("{shown:?}"), format!("{keys:?}")]
        {
            assert!(!text.contains(secret) && !text.contains(&hash) && !text.contains("key_hash"), "{text}");
        }
        assert!(format!("{new:?}").contains(&new.row.key_prefix));
        assert_eq!((rows.model().app, rows.model().name), ("steeple", "api_key"));
        assert_eq!(shown[0]["key_type"], "service");
    });
}

async fn hash_of_the_one(db: &Db) -> String {
    let statement = Statement::from_string(db.backend(), "SELECT key_hash FROM steeple_api_key");
    db.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// What is presented is any text: it never opens anything, and never panics.
    #[test]
    fn any_text_is_refused(text in prop_oneof![".*", "stp_.*", "stp_[A-Za-z][A-Za-z0-9]{7}_[A-Za-z0-9]{32}"]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let database = Database::sqlite().await.unwrap();
            let keys = lasting(&furnished(&database).await);
            made(&keys, "one").await;
            refused(keys.find(&text).await);
            refused(keys.known(&text).expect("it has been asked for"));
        });
    }
}
