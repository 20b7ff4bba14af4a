//! Who has which password.

use steeple::{
    Code,
    auth::password::{Encoded, LONGEST},
};

use super::*;
use crate::databases::on_every_database;

/// By Django, of `Zürich-Grüße 77 ✓`, with few iterations.
const OLD: &str = "pbkdf2_sha256$20000$seasalt2$3gCYB7tnEkE5tGCVet/y44bVRs8EdJn1GvGF2AS2gsA=";
const OLD_PASSWORD: &str = "Zürich-Grüße 77 ✓";

async fn kept(users: &Users, username: &str) -> Encoded {
    users.by_username(username).await.unwrap().unwrap().password
}

on_every_database! {
    async fn a_password_is_right_for_its_user_only(database: Database) {
        let users = users(&database).await;
        let made = users.create(with_password("ada")).await.unwrap();
        make(&users, "bob").await;
        let before = steeple::clock::now();
        let ada = users.verify("ada", PASSWORD).await.unwrap().expect("right");
        assert_eq!((ada.id, &*ada.username), (i64::from(made.id), "ada"));
        let row = users.by_username("ada").await.unwrap().unwrap();
        assert!(row.last_login.unwrap() >= before, "{row:?}");
        assert_eq!(row.password, made.password, "as it would be written today, so left as it is");

        for (username, password) in [
            ("ada", "wrong"),
            ("ada", ""),
            ("ada", &format!("{PASSWORD} ")),
            ("ada", &"x".repeat(LONGEST + 1)),
            ("bob", PASSWORD),
            ("bob", "!"),
            ("nobody", PASSWORD),
            ("", PASSWORD),
            ("a\0da", PASSWORD),
        ] {
            assert_eq!(users.verify(username, password).await.unwrap(), None, "{username:?} {password:?}");
        }
        assert_eq!(users.by_username("bob").await.unwrap().unwrap().last_login, None);

        users.set_active(ada.id, false).await.unwrap();
        assert_eq!(users.verify("ada", PASSWORD).await.unwrap(), None, "inactive");
    }

    async fn an_old_hash_is_replaced_at_login(database: Database) {
        let db = migrated(&database).await;
        let users = Users::new(db.clone(), &hashing_by(Hasher::Argon2));
        make(&users, "ada").await;
        execute(&db, &format!("UPDATE auth_user SET password = '{OLD}'")).await;
        assert_eq!(users.verify("ada", "wrong").await.unwrap(), None);
        assert!(kept(&users, "ada").await.needs_upgrade(Hasher::Argon2), "not for a wrong one");
        assert!(users.verify("ada", OLD_PASSWORD).await.unwrap().is_some());
        assert!(!kept(&users, "ada").await.needs_upgrade(Hasher::Argon2));
        assert!(users.verify("ada", OLD_PASSWORD).await.unwrap().is_some());

        let other = Users::new(db, &hashing_by(Hasher::Pbkdf2Sha256));
        assert!(other.verify("ada", OLD_PASSWORD).await.unwrap().is_some());
        assert!(!kept(&users, "ada").await.needs_upgrade(Hasher::Pbkdf2Sha256), "to what this site writes");
    }

    async fn a_new_password_takes_the_place_of_the_old(database: Database) {
        let users = users(&database).await;
        let id = i64::from(users.create(with_password("ada")).await.unwrap().id);
        users.set_password(id, Some("another one, 42")).await.unwrap();
        assert_eq!(users.verify("ada", PASSWORD).await.unwrap(), None);
        assert!(users.verify("ada", "another one, 42").await.unwrap().is_some());
        users.set_password(id, None).await.unwrap();
        assert_eq!(users.verify("ada", "another one, 42").await.unwrap(), None);
        assert_eq!(users.set_password(id, Some("")).await.unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(users.set_password(id + 1, Some(PASSWORD)).await.unwrap_err().code(), Code::NotFound);
    }
}

/// PostgreSQL says who waits for a lock, so that the order of events is certain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_changed_meanwhile_lets_nobody_in_and_is_not_undone_by_an_upgrade() {
    let Some(database) = Database::postgres().await else { return };
    let db = migrated(&database).await;
    let users = Users::new(db.clone(), &config());
    make(&users, "ada").await;
    execute(&db, &format!("UPDATE auth_user SET password = '{OLD}'")).await;
    let login: steeple::Result<_> = db
        .transaction(async |tx| {
            execute(&tx, "UPDATE auth_user SET password = '!changed'").await;
            let login = tokio::spawn({
                let users = users.clone();
                async move { users.verify("ada", OLD_PASSWORD).await }
            });
            let waiting =
                "SELECT 'one' FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            while texts(&db, waiting).await.is_empty() {
                assert!(!login.is_finished(), "it has to wait for the row");
                tokio::task::yield_now().await;
            }
            Ok(login)
        })
        .await;
    assert_eq!(login.unwrap().await.unwrap().unwrap(), None, "it was right when the login began");
    assert_eq!(texts(&db, "SELECT password FROM auth_user").await, ["!changed"]);
}
