//! The HTTP doors.

use serde_json::json;

use super::{PASSWORD, doors::Doors, user, users};
use crate::{tokens, trial::House};

#[tokio::test]
async fn a_password_gives_tokens_and_a_refresh_token_the_next() {
    let house = House::open().await;
    let doors = Doors::of(&house.running);
    let ada = user(house.running.db(), "ada").await;
    let pair = doors.log_in("ada", PASSWORD).await;
    assert_eq!((pair.token_type.as_str(), pair.expires_in), ("Bearer", 15 * 60));

    let access = doors.verify(&pair.access_token).await;
    assert_eq!((&access["token_type"], &access["user_id"]), (&json!("access"), &json!(ada.id)));
    assert!((800..=900).contains(&access["expires_in"].as_i64().unwrap()), "{access}");
    assert_eq!(doors.verify(&pair.refresh_token).await["token_type"], "refresh");

    let next = doors.refresh(&pair.refresh_token).await.unwrap();
    assert_ne!(next.access_token, pair.access_token);
    let used = doors.answer("verify", &json!({ "token": pair.refresh_token })).await;
    assert_eq!(used.status, 401, "used up");
    assert_eq!(doors.refresh(&pair.access_token).await.unwrap_err().0, 401, "an access token is no refresh token");
    assert_eq!(doors.verify(&next.refresh_token).await["user_id"], ada.id, "which harms nobody");

    let out = doors.answer("logout", &json!({ "refresh_token": next.refresh_token })).await;
    assert_eq!((out.status, out.body), (204, json!(null)));
    let (status, problem) = doors.refresh(&next.refresh_token).await.unwrap_err();
    assert_eq!((status, &problem["detail"]), (401, &json!("the token is not valid")));
    assert_eq!(doors.post("verify", &json!({ "token": next.refresh_token })).await.0, 401);
    doors.verify(&next.access_token).await;
    assert_eq!(doors.post("logout", &json!({ "refresh_token": next.refresh_token })).await.0, 204, "again is no error");
}

#[tokio::test]
async fn a_refusal_is_a_problem_and_tells_nothing_of_who_exists() {
    let house = House::open().await;
    let doors = Doors::of(&house.running);
    let db = house.running.db();
    user(db, "ada").await;
    let gone = user(db, "gone").await;
    users(db).set_active(gone.id.into(), false).await.unwrap();
    let mut answers = vec![];
    for (name, password) in [("ada", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD), ("ADA", PASSWORD)] {
        let answer = doors.answer("login", &json!({ "username": name, "password": password })).await;
        assert_eq!(answer.status, 401, "{name}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.header("www-authenticate"), Some("bearer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answers.push(answer.body);
    }
    assert_eq!(
        answers[0],
        json!({
            "type": "about:blank",
            "title": "Unauthorized",
            "status": 401,
            "detail": "the username or the password is not right",
            "code": "UNAUTHENTICATED",
        })
    );
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[tokio::test]
async fn whoever_is_made_inactive_gets_no_more() {
    let house = House::configured(|config| config.auth.user_cache = std::time::Duration::ZERO).await;
    let doors = Doors::of(&house.running);
    let ada = user(house.running.db(), "ada").await;
    let pair = doors.log_in("ada", PASSWORD).await;
    users(house.running.db()).set_active(ada.id.into(), false).await.unwrap();
    assert_eq!(doors.post("verify", &json!({ "token": pair.access_token })).await.0, 401);
    assert_eq!(doors.post("verify", &json!({ "token": pair.refresh_token })).await.0, 401);
    assert_eq!(doors.refresh(&pair.refresh_token).await.unwrap_err().0, 401);
    let (status, _) = doors.post("login", &json!({ "username": "ada", "password": PASSWORD })).await;
    assert_eq!(status, 401);
    users(house.running.db()).set_active(ada.id.into(), true).await.unwrap();
    doors.refresh(&pair.refresh_token).await.expect("it was refused, and not used");
}

#[tokio::test]
async fn what_is_no_question_is_refused_before_it_is_read() {
    let house = House::open().await;
    let doors = Doors::of(&house.running);
    let json = "content-type: application/json\r\n";
    let right = json!({ "username": "ada", "password": PASSWORD }).to_string();
    let long = json!({ "username": "ada", "password": "x".repeat(17 * 1024) }).to_string();
    let words = "the body must be a JSON object with username and password, both text";
    for (method, headers, body, status, detail) in [
        ("GET", json, "", 405, "use POST"),
        ("PUT", json, right.as_str(), 405, "use POST"),
        ("POST", "", &right, 415, "the content type must be application/json"),
        (
            "POST",
            "content-type: application/x-www-form-urlencoded\r\n",
            &right,
            415,
            "the content type must be application/json",
        ),
        ("POST", "content-type: text/plain\r\n", &right, 415, "the content type must be application/json"),
        ("POST", json, &long, 413, "the body may have 16384 bytes"),
        ("POST", json, "", 400, words),
        ("POST", json, "{", 400, words),
        ("POST", json, "[]", 400, words),
        ("POST", json, r#"["ada","x"]"#, 400, words),
        ("POST", json, r#"{"username":"ada"}"#, 400, words),
        ("POST", json, r#"{"username":"ada","password":7}"#, 400, words),
        ("POST", json, r#"{"username":"ada","password":null}"#, 400, words),
        ("POST", json, r#"{"username":"ada","password":"a","password":"b"}"#, 400, words),
        ("POST", json, "{\"username\":\"\u{0}\",\"password\":\"x\"}", 400, words),
        ("POST", json, r#"{"username":"","password":"x"}"#, 400, "username: may not be empty"),
        ("POST", json, r#"{"username":"ada","password":""}"#, 400, "password: may not be empty"),
    ] {
        let answer = doors.ask(method, "/api/auth/login", headers, body).await;
        assert_eq!(
            (answer.status, answer.body["detail"].as_str()),
            (status, Some(detail)),
            "{method} {headers}{body:.40}"
        );
        assert_eq!(answer.body["status"], status);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let not_utf8 = b"POST /api/auth/verify HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{\"token\":\"\xff\xfe\"}";
    assert_eq!(doors.send(not_utf8).await.status, 400);
    let utf8 = "content-type: Application/JSON; charset=utf-8\r\n";
    assert_eq!(doors.ask("POST", "/api/auth/login", utf8, &right).await.status, 401, "asked well, and refused");
    for name in ["a\u{0}da", "ada\n", &"x".repeat(2000)] {
        let (status, _) = doors.post("login", &json!({ "username": name, "password": PASSWORD })).await;
        assert_eq!(status, 400, "{name:.10?}");
    }
    let chunked = format!(
        "POST /api/auth/login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{json}transfer-encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    assert_eq!(doors.send(chunked.as_bytes()).await.status, 413, "also without a length");
}

#[tokio::test]
async fn tokens_that_are_none_are_refused_at_every_door() {
    let house = House::open().await;
    let doors = Doors::of(&house.running);
    let forged = tokens::token(&tokens::claims());
    let texts = ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", forged.as_str(), &"x".repeat(9000)];
    for text in texts {
        for (door, key) in [("verify", "token"), ("refresh", "refresh_token"), ("logout", "refresh_token")] {
            let (status, problem) = doors.post(door, &json!({ key: text })).await;
            assert_eq!((status, &problem["detail"]), (401, &json!("the token is not valid")), "{door} {text:.20}");
        }
    }
}

#[tokio::test]
async fn of_many_refreshes_at_once_one_is_answered() {
    let house = House::open().await;
    let doors = Doors::of(&house.running);
    user(house.running.db(), "ada").await;
    let pair = doors.log_in("ada", PASSWORD).await;
    let asked: Vec<_> = (0..16)
        .map(|_| {
            let token = pair.refresh_token.clone();
            tokio::spawn(async move { doors.refresh(&token).await })
        })
        .collect();
    let mut good = 0;
    for answer in asked {
        match answer.await.unwrap() {
            Ok(_) => good += 1,
            Err((status, problem)) => assert_eq!(status, 401, "{problem}"),
        }
    }
    assert_eq!(good, 1);
}

#[tokio::test]
async fn the_other_pages_are_still_there() {
    let house = House::open().await;
    let address = house.running.http.unwrap();
    for path in ["/healthz", "/readyz", "/metrics"] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(!answer.to_lowercase().contains("no-store"), "that is for tokens");
    }
}
