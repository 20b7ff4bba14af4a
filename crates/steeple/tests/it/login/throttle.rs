//! Too many failures, and a pause.

use std::time::Duration;

use serde_json::json;

use super::{PASSWORD, doors::Doors, user};
use crate::trial::House;

#[tokio::test]
async fn five_failures_and_the_right_password_is_not_looked_at() {
    let house = House::open().await;
    let doors = Doors::of(&house.running);
    user(house.running.db(), "ada").await;
    user(house.running.db(), "bob").await;
    for _ in 0..5 {
        let (status, _) = doors.post("login", &json!({ "username": "ada", "password": "wrong" })).await;
        assert_eq!(status, 401);
    }
    // Spelled in letters that are the same name.
    for name in ["ada", "\u{ff41}da"] {
        let answer = doors.answer("login", &json!({ "username": name, "password": PASSWORD })).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.body["code"], "RESOURCE_EXHAUSTED");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((200..=300).contains(&wait), "{wait}");
    }
    doors.log_in("bob", PASSWORD).await;
}

#[tokio::test]
async fn success_begins_anew() {
    let house = House::configured(|config| config.auth.login_attempts = 2).await;
    let doors = Doors::of(&house.running);
    user(house.running.db(), "ada").await;
    for _ in 0..4 {
        let (status, _) = doors.post("login", &json!({ "username": "ada", "password": "wrong" })).await;
        assert_eq!(status, 401);
        doors.log_in("ada", PASSWORD).await;
    }
}

#[tokio::test]
async fn the_pause_ends_with_the_window() {
    let house = House::configured(|config| {
        config.auth.login_attempts = 1;
        config.auth.login_window = Duration::from_millis(1500);
    })
    .await;
    let doors = Doors::of(&house.running);
    user(house.running.db(), "ada").await;
    let right = json!({ "username": "ada", "password": PASSWORD });
    assert_eq!(doors.post("login", &json!({ "username": "ada", "password": "wrong" })).await.0, 401);
    while doors.post("login", &right).await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn attempts_at_once_are_no_more_than_attempts_in_turn() {
    let house = House::configured(|config| config.auth.login_attempts = 3).await;
    let doors = Doors::of(&house.running);
    user(house.running.db(), "ada").await;
    let asked: Vec<_> = (0..20)
        .map(|at| {
            let wrong = json!({ "username": "ada", "password": format!("wrong {at}") });
            tokio::spawn(async move { doors.post("login", &wrong).await.0 })
        })
        .collect();
    let mut tried = 0;
    for status in asked {
        match status.await.unwrap() {
            401 => tried += 1,
            status => assert_eq!(status, 429),
        }
    }
    assert_eq!(tried, 3);

    user(house.running.db(), "bob").await;
    let right = json!({ "username": "bob", "password": PASSWORD });
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let right = right.clone();
            tokio::spawn(async move { doors.post("login", &right).await.0 })
        })
        .collect();
    for status in asked {
        assert_eq!(status.await.unwrap(), 200, "who knows the password waits for others who do");
    }
}

#[tokio::test]
async fn it_can_be_off() {
    let house = House::configured(|config| config.auth.login_attempts = 0).await;
    let doors = Doors::of(&house.running);
    user(house.running.db(), "ada").await;
    for _ in 0..8 {
        assert_eq!(doors.post("login", &json!({ "username": "ada", "password": "wrong" })).await.0, 401);
    }
    doors.log_in("ada", PASSWORD).await;
}
