//! Accounts are made, found, changed and deleted.

use sea_orm::DbBackend;
use steeple::{
    Code,
    auth::{ApiKeys, Profile, api_key::NewApiKey, tables::user},
};

use super::*;
use crate::databases::on_every_database;

on_every_database! {
    async fn a_user_is_kept_as_django_would(database: Database) {
        let users = users(&database).await;
        let before = steeple::clock::now();
        let new = NewUser {
            username: "ﬁona".to_owned(),
            email: " Fiona@Example.ORG ".to_owned(),
            first_name: "Fíona".to_owned(),
            is_staff: true,
            ..NewUser::default()
        };
        let made = users.create(new).await.unwrap();
        assert_eq!((&*made.username, &*made.email, &*made.first_name), ("fiona", "Fiona@example.org", "Fíona"));
        assert!(made.is_staff && made.is_active && !made.is_superuser && !made.password.is_usable());
        assert!(made.date_joined >= before && made.last_login.is_none(), "{made:?}");
        assert!(!format!("{made:?}").contains('!'), "not even the mark of no password is shown: {made:?}");

        assert_eq!(users.by_username("ﬁona").await.unwrap(), Some(made.clone()), "in any spelling");
        assert_eq!(users.by_id(made.id.into()).await.unwrap(), Some(made));
        assert_eq!(users.by_id(i64::MAX).await.unwrap(), None);
        for strange in ["", "nobody", "a\0b", &"x".repeat(151), &"ﬁ".repeat(1_000_000)] {
            assert_eq!(users.by_username(strange).await.unwrap(), None);
        }
    }

    async fn names_that_differ_in_case_or_accents_are_other_names(database: Database) {
        let users = users(&database).await;
        users.create(with_password("ada")).await.unwrap();
        // The collation of MySQL and MariaDB finds all of them alike.
        for other in ["ADA", "Ada", "ädä", "ada ", "ada\u{a0}"] {
            assert_eq!(users.by_username(other).await.unwrap(), None, "{other:?}");
            assert_eq!(users.verify(other, PASSWORD).await.unwrap(), None, "{other:?}");
        }
        assert!(users.verify("ada", PASSWORD).await.unwrap().is_some());
    }

    async fn a_username_is_given_once(database: Database) {
        let users = users(&database).await;
        make(&users, "ada").await;
        let error = users.create(NewUser { username: "ada".to_owned(), ..NewUser::default() }).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::AlreadyExists, "user ada already exists"));
    }

    async fn what_django_would_not_keep_is_refused(database: Database) {
        let users = users(&database).await;
        let new = |username: &str| NewUser { username: username.to_owned(), ..NewUser::default() };
        for wrong in [
            new(""),
            new("ada lovelace"),
            new("a\0b"),
            NewUser { email: "ada".to_owned(), ..new("ada") },
            NewUser { first_name: "x".repeat(151), ..new("ada") },
            NewUser { last_name: "a\0b".to_owned(), ..new("ada") },
            NewUser { password: Some(Secret::new("")), ..new("ada") },
            NewUser { password: Some(Secret::new("x".repeat(4097))), ..new("ada") },
        ] {
            let error = users.create(wrong.clone()).await.expect_err("refused");
            assert_eq!(error.code(), Code::InvalidArgument, "{wrong:?}: {error}");
        }
        assert!(users.list(0, 10).await.unwrap().is_empty());
    }

    async fn users_are_listed_page_by_page(database: Database) {
        let users = users(&database).await;
        for name in ["one", "two", "three"] {
            make(&users, name).await;
        }
        let names = |page: &[user::Model]| page.iter().map(|user| user.username.clone()).collect::<Vec<_>>();
        let first = users.list(0, 2).await.unwrap();
        assert_eq!(names(&first), ["one", "two"]);
        let second = users.list(first[1].id.into(), 2).await.unwrap();
        assert_eq!(names(&second), ["three"]);
    }

    async fn flags_and_profile_change_and_count_at_once(database: Database) {
        let users = users(&database).await;
        let id = i64::from(make(&users, "ada").await.id);
        assert!(!users.active(id).await.unwrap().unwrap().is_staff);
        users.set_staff(id, true).await.unwrap();
        users.set_superuser(id, true).await.unwrap();
        // Once more: MySQL counts no row as changed.
        users.set_superuser(id, true).await.unwrap();
        let profile = Profile { email: Some("ada@EXAMPLE.org".into()), last_name: Some("Lovelace".into()), ..Profile::default() };
        let changed = users.set_profile(id, &profile).await.unwrap();
        assert_eq!((&*changed.email, &*changed.first_name, &*changed.last_name), ("ada@example.org", "", "Lovelace"));
        let ada = users.active(id).await.unwrap().unwrap();
        assert!(ada.is_staff && ada.is_superuser && ada.full_name() == "Lovelace", "{ada:?}");

        users.set_active(id, false).await.unwrap();
        assert_eq!(users.active(id).await.unwrap(), None);
        assert_eq!(users.known(id), Some(None), "remembered, too");
        users.set_active(id, true).await.unwrap();
        assert!(users.active(id).await.unwrap().is_some());
        users.set_profile(id, &Profile::default()).await.unwrap();

        let wrong = Profile { email: Some("ada".into()), ..Profile::default() };
        assert_eq!(users.set_profile(id, &wrong).await.unwrap_err().code(), Code::InvalidArgument);
        for nobody in [id + 1, -1, i64::MAX] {
            assert_eq!(users.set_active(nobody, true).await.unwrap_err().code(), Code::NotFound);
            assert_eq!(users.set_profile(nobody, &Profile::default()).await.unwrap_err().code(), Code::NotFound);
        }
    }

    async fn a_deleted_user_is_gone_with_what_they_had(database: Database) {
        let users = users(&database).await;
        let id = i64::from(make(&users, "ada").await.id);
        users.create_group("Miners").await.unwrap();
        users.add_to_group(id, "Miners").await.unwrap();
        users.grant(id, "crypto.add_coin").await.unwrap();
        assert!(users.active(id).await.unwrap().is_some());
        let db = database.connect().await;
        ApiKeys::new(db.clone(), &config()).create(NewApiKey::new(id, "laptop")).await.unwrap();
        assert!(users.delete(id).await.unwrap());
        assert!(texts(&db, "SELECT name FROM steeple_api_key").await.is_empty());
        assert_eq!(users.active(id).await.unwrap(), None);
        assert_eq!(users.by_username("ada").await.unwrap(), None);
        assert!(!users.delete(id).await.unwrap(), "gone already");
        assert_eq!(users.groups().await.unwrap().len(), 1);
    }

    async fn a_user_whom_other_rows_need_stays_whole(database: Database) {
        let users = users(&database).await;
        let db = database.connect().await;
        let id = i64::from(make(&users, "ada").await.id);
        users.grant(id, "crypto.add_coin").await.unwrap();
        // As Django makes its references: looked at when the transaction ends.
        let late = if db.backend() == DbBackend::MySql { "" } else { "DEFERRABLE INITIALLY DEFERRED" };
        execute(&db, &format!(
            "CREATE TABLE letter (user_id integer NOT NULL, FOREIGN KEY (user_id) REFERENCES auth_user (id) {late})"
        )).await;
        execute(&db, &format!("INSERT INTO letter VALUES ({id})")).await;
        let error = users.delete(id).await.unwrap_err();
        assert_eq!(error.code(), Code::FailedPrecondition, "{}", error.for_log());
        assert!(users.active(id).await.unwrap().unwrap().has_permission("crypto.add_coin"));
    }

    async fn a_transaction_that_fails_leaves_no_user(database: Database) {
        let users = users(&database).await;
        let db = database.connect().await;
        let outcome: Result<(), steeple::Error> = db.transaction(async |tx| {
            let within = users.on(&tx);
            let id = i64::from(make(&within, "ada").await.id);
            assert!(within.active(id).await?.is_some(), "seen within");
            assert_eq!(users.known(id), None, "and not remembered for those without");
            Err(steeple::Error::aborted("told to"))
        }).await;
        assert_eq!(outcome.unwrap_err().code(), Code::Aborted);
        assert_eq!(users.by_username("ada").await.unwrap(), None);
    }
}
