//! Who is remembered, and for how long.

use std::{sync::Arc, time::Duration};

use steeple::User;

use super::*;
use crate::databases::on_every_database;

on_every_database! {
    async fn a_user_is_remembered_until_forgotten(database: Database) {
        let users = users(&database).await;
        let db = database.connect().await;
        let id = i64::from(make(&users, "ada").await.id);
        assert_eq!(users.known(id), None, "nobody has asked");
        let ada = users.active(id).await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&ada, &users.known(id).unwrap().unwrap()));

        // Changed behind its back: remembered as it was, on every clone, until told.
        execute(&db, "UPDATE auth_user SET is_staff = (1 = 1)").await;
        assert!(!users.clone().active(id).await.unwrap().unwrap().is_staff);
        users.forget(id);
        assert_eq!(users.known(id), None);
        assert!(users.active(id).await.unwrap().unwrap().is_staff);
        assert!(!ada.is_staff, "a snapshot stays what it was");

        users.forget_all();
        assert_eq!(users.known(id), None);
    }

    async fn who_is_not_there_is_remembered_too(database: Database) {
        let users = users(&database).await;
        let id = i64::from(make(&users, "ada").await.id);
        let nobody = id + 1;
        assert_eq!(users.active(nobody).await.unwrap(), None);
        assert_eq!(users.known(nobody), Some(None));
        assert_eq!(users.active(i64::MAX).await.unwrap(), None);
        let made = make(&users, "bob").await;
        assert_eq!(i64::from(made.id), nobody, "the next id");
        assert!(users.active(nobody).await.unwrap().is_some(), "made here, so known here");
    }

    async fn loads_of_one_user_at_one_time_are_one(database: Database) {
        let users = users(&database).await;
        let id = i64::from(make(&users, "ada").await.id);
        // Polled in turn: all have asked before the first answer can have come.
        let mut asked: Vec<_> = (0..50).map(|_| Box::pin(users.active(id))).collect();
        let mut answers: Vec<Option<Arc<User>>> = vec![];
        std::future::poll_fn(|cx| {
            asked.retain_mut(|asking| match asking.as_mut().poll(cx) {
                std::task::Poll::Ready(answer) => {
                    answers.push(answer.expect("an answer"));
                    false
                }
                std::task::Poll::Pending => true,
            });
            if asked.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        let first = answers[0].as_ref().unwrap();
        assert_eq!(answers.len(), 50);
        assert!(answers.iter().flatten().all(|answer| Arc::ptr_eq(answer, first)));
    }

    async fn a_failed_load_is_not_remembered(database: Database) {
        let users = users(&database).await;
        let db = database.connect().await;
        let id = i64::from(make(&users, "ada").await.id);
        execute(&db, "ALTER TABLE auth_user RENAME TO auth_user_away").await;
        assert!(users.active(id).await.is_err());
        assert_eq!(users.known(id), None);
        execute(&db, "ALTER TABLE auth_user_away RENAME TO auth_user").await;
        assert!(users.active(id).await.unwrap().is_some());
    }

    async fn nobody_is_remembered_when_it_is_off(database: Database) {
        let db = migrated(&database).await;
        let off = Users::new(db.clone(), &Config { user_cache: Duration::ZERO, ..Config::default() });
        let id = i64::from(make(&off, "ada").await.id);
        assert!(!off.active(id).await.unwrap().unwrap().is_staff);
        assert_eq!(off.known(id), None);
        execute(&db, "UPDATE auth_user SET is_staff = (1 = 1)").await;
        assert!(off.active(id).await.unwrap().unwrap().is_staff);
        off.forget(id);
        off.forget_all();
    }

    async fn what_is_remembered_ends_with_its_time(database: Database) {
        let db = migrated(&database).await;
        let brief = Users::new(db.clone(), &Config { user_cache: Duration::from_millis(50), ..Config::default() });
        let id = i64::from(make(&brief, "ada").await.id);
        assert!(!brief.active(id).await.unwrap().unwrap().is_staff);
        execute(&db, "UPDATE auth_user SET is_staff = (1 = 1)").await;
        while !brief.active(id).await.unwrap().unwrap().is_staff {
            tokio::task::yield_now().await;
        }
    }
}
