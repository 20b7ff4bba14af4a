//! Making, listing, turning off, revoking and rotating.

use super::*;
use crate::databases::on_every_database;

on_every_database! {
    async fn a_key_needs_a_name_a_future_and_an_active_user(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let past = Some(clock::now());
        let wrong = [
            (NewApiKey { name: String::new(), ..new("") }, Code::InvalidArgument),
            (NewApiKey { name: " \t".to_owned(), ..new("") }, Code::InvalidArgument),
            (NewApiKey { name: "x".repeat(256), ..new("") }, Code::InvalidArgument),
            (NewApiKey { name: "a\0b".to_owned(), ..new("") }, Code::InvalidArgument),
            (NewApiKey { description: "x".repeat(10_001), ..new("a") }, Code::InvalidArgument),
            (NewApiKey { expires_at: past, ..new("a") }, Code::InvalidArgument),
            (NewApiKey::new(GONE, "a"), Code::FailedPrecondition),
            (NewApiKey::new(4711, "a"), Code::FailedPrecondition),
        ];
        for (new, code) in wrong {
            assert_eq!(keys.create(new.clone()).await.unwrap_err().code(), code, "{new:?}");
        }
        assert_eq!(number(&db, "SELECT COUNT(*) FROM steeple_api_key").await, 0);
        let row = keys.create(NewApiKey { created_by: Some(4), ..new(&"ü".repeat(255)) }).await.unwrap().row;
        assert_eq!((row.name.chars().count(), row.created_by_id, row.request_count), (255, Some(4), 0));
        assert_eq!((row.is_active, row.expires_at, row.last_used_at, row.revoked_at), (true, None, None, None));
    }

    async fn keys_are_listed_newest_first_and_found_by_id_and_prefix(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let one = made(&keys, "one").await.row;
        let roots = keys.create(NewApiKey::new(4, "roots")).await.unwrap().row;
        let two = made(&keys, "two").await.row;
        let ids = |rows: Vec<steeple::auth::api_key::entity::Model>| rows.iter().map(|row| row.id).collect::<Vec<_>>();
        assert_eq!(ids(keys.list(None, 10).await.unwrap()), [two.id, roots.id, one.id]);
        assert_eq!(ids(keys.list(None, 1).await.unwrap()), [two.id]);
        assert_eq!(ids(keys.list(Some(ALICE), 10).await.unwrap()), [two.id, one.id]);
        assert_eq!(keys.get(&roots.id.to_string()).await.unwrap(), roots);
        assert_eq!(keys.get(&roots.key_prefix).await.unwrap(), roots);
        assert_eq!(keys.get(&format!("stp_{}", roots.key_prefix)).await.unwrap(), roots);
        assert_eq!(keys.get("4711").await.unwrap_err().code(), Code::NotFound);
        assert_eq!(keys.get("Abcdefgh").await.unwrap_err().code(), Code::NotFound);
        let whole = made(&keys, "three").await.text;
        let error = keys.get(whole.expose()).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(!error.for_log().contains(&whole.expose()[13..]));
    }

    async fn a_change_within_a_transaction_shares_its_fate(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let NewKey { row, text } = made(&keys, "one").await;
        keys.find(text.expose()).await.unwrap();
        let undone = db.transaction(async |tx| {
            let keys = keys.on(&tx);
            keys.revoke(row.id).await?;
            made(&keys, "two").await;
            Err::<(), _>(Error::aborted("no"))
        });
        assert_eq!(undone.await.unwrap_err().code(), Code::Aborted);
        keys.find(text.expose()).await.unwrap();
        assert_eq!(number(&db, "SELECT COUNT(*) FROM steeple_api_key").await, 1);
        let done = db.transaction(async |tx| keys.on(&tx).revoke(row.id).await);
        done.await.unwrap();
        assert!(keys.known(text.expose()).is_none(), "its entry is empty");
        assert!(refused(keys.find(text.expose()).await).contains("it was revoked at"));
    }

    async fn a_revoked_key_is_refused_at_once_and_for_ever(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let NewKey { row, text } = made(&keys, "one").await;
        keys.find(text.expose()).await.unwrap();
        let revoked = keys.revoke(row.id).await.unwrap();
        assert!(!revoked.is_active && revoked.revoked_at.is_some());
        assert!(keys.known(text.expose()).is_none(), "its entry is empty");
        assert!(refused(keys.find(text.expose()).await).contains("it was revoked at"));
        assert_eq!(keys.revoke(row.id).await.unwrap(), revoked, "the first moment stays");
        assert_eq!(keys.set_active(row.id, true).await.unwrap_err().code(), Code::FailedPrecondition);
        assert_eq!(keys.rotate(row.id, Duration::ZERO).await.unwrap_err().code(), Code::FailedPrecondition);
        refused(keys.find(text.expose()).await);
        for missing in [0, -1, i64::MAX] {
            assert_eq!(keys.revoke(missing).await.unwrap_err().code(), Code::NotFound);
        }
    }

    async fn a_key_can_be_turned_off_and_on(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let NewKey { row, text } = made(&keys, "one").await;
        keys.find(text.expose()).await.unwrap();
        keys.set_active(row.id, false).await.unwrap();
        assert!(refused(keys.find(text.expose()).await).contains("it is turned off"));
        assert_eq!(keys.rotate(row.id, Duration::ZERO).await.unwrap_err().code(), Code::FailedPrecondition);
        keys.set_active(row.id, true).await.unwrap();
        keys.find(text.expose()).await.unwrap();
    }

    async fn a_rotated_key_is_good_for_the_overlap(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let scopes = Scopes::read(["crypto.*"]).unwrap();
        let life = chrono::TimeDelta::days(30);
        let new = NewApiKey { scopes, expires_at: Some(clock::now() + life), ..new("one") };
        let old = keys.create(new).await.unwrap();
        keys.find(old.text.expose()).await.unwrap();
        let next = keys.rotate(old.row.id, Duration::from_millis(500)).await.unwrap();
        assert_eq!(next.row.rotated_from_id, Some(old.row.id));
        assert_eq!((&next.row.name, &next.row.scopes, next.row.user_id), (&old.row.name, &old.row.scopes, ALICE));
        let lives = next.row.expires_at.unwrap() - next.row.created_at;
        assert!((lives - life).num_seconds().abs() <= 5, "{lives}: as long a life as the old one was given");

        assert_eq!(keys.find(next.text.expose()).await.unwrap().id, next.row.id);
        assert_eq!(keys.find(old.text.expose()).await.unwrap().id, old.row.id, "both hold");
        let again = keys.rotate(old.row.id, Duration::ZERO).await.unwrap_err();
        assert!(again.message().contains(&next.row.key_prefix), "{again}");
        until("the overlap is over", async || keys.find(old.text.expose()).await.is_err()).await;
        keys.find(next.text.expose()).await.unwrap();

        let last = keys.rotate(next.row.id, Duration::ZERO).await.unwrap();
        assert!(refused(keys.find(next.text.expose()).await).contains("it was revoked at"));
        keys.find(last.text.expose()).await.unwrap();
    }

    async fn an_overlap_lengthens_no_life(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let expires_at = Some(clock::now() + chrono::TimeDelta::minutes(10));
        let old = keys.create(NewApiKey { expires_at, ..new("one") }).await.unwrap().row;
        keys.rotate(old.id, Duration::from_secs(86_400)).await.unwrap();
        assert_eq!(keys.get(&old.id.to_string()).await.unwrap().expires_at, expires_at);
        let too_long = keys.rotate(made(&keys, "two").await.row.id, Duration::MAX).await.unwrap_err();
        assert_eq!(too_long.code(), Code::InvalidArgument);
    }

    async fn of_many_who_rotate_one_key_one_does(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        let old = made(&keys, "one").await.row;
        let rotating: Vec<_> = (0..8)
            .map(|_| {
                let keys = keys.clone();
                tokio::spawn(async move { keys.rotate(old.id, Duration::from_secs(60)).await.map(|new| new.row.id) })
            })
            .collect();
        let mut rotated = vec![];
        for rotating in rotating {
            match rotating.await.unwrap() {
                Ok(id) => rotated.push(id),
                Err(error) => assert_eq!(error.code(), Code::FailedPrecondition, "{}", error.for_log()),
            }
        }
        assert_eq!(rotated.len(), 1);
        assert_eq!(number(&db, "SELECT COUNT(*) FROM steeple_api_key").await, 2);
    }

    /// A loading that a revocation overtakes must not bring the key back.
    async fn a_revocation_counts_for_whoever_asks_after_it(database: Database) {
        let db = furnished(&database).await;
        let keys = lasting(&db);
        for round in 0..30 {
            let NewKey { row, text } = made(&keys, &format!("round {round}")).await;
            let asking: Vec<_> = (0..4)
                .map(|_| {
                    let (keys, text) = (keys.clone(), text.clone());
                    tokio::spawn(async move { keys.find(text.expose()).await.is_ok() })
                })
                .collect();
            keys.revoke(row.id).await.unwrap();
            refused(keys.find(text.expose()).await);
            for asked in asking {
                asked.await.unwrap();
            }
            refused(keys.find(text.expose()).await);
        }
    }
}
