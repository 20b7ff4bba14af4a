//! Browser sessions: begun by a password, known to every node, over when they should be.

use std::time::Duration;

use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use steeple::{
    Server,
    auth::{Secret, Sessions},
    server::Running,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{PASSWORD, user, users};
use crate::{
    databases::{Database, on_every_database},
    trial::{House, config, site},
};

/// An answer: its status, its `set-cookie` and its body.
struct Answer {
    status: u16,
    set_cookie: Option<String>,
    body: Value,
}

async fn ask(running: &Running, method: &str, lines: &str, body: &str) -> Answer {
    let address = running.http.unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} /api/auth/session HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    stream.write_all(format!("{head}{lines}\r\n{body}").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("cache-control: no-store"), "{head}");
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        set_cookie: head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).map(str::to_owned),
        body: serde_json::from_str(body).unwrap_or_default(),
    }
}

/// A browser: it has a cookie, once it was given one.
#[derive(Default, Clone)]
struct Browser {
    cookie: String,
    csrf: String,
}

impl Browser {
    async fn log_in(&mut self, running: &Running, username: &str, password: &str) -> u16 {
        let body = json!({ "username": username, "password": password }).to_string();
        let lines = format!("content-type: application/json\r\n{}", self.cookie);
        let answer = ask(running, "POST", &lines, &body).await;
        if let Some(set) = &answer.set_cookie {
            self.cookie = format!("cookie: theme=dark; {}\r\n", set.split(';').next().unwrap());
            answer.body["csrf_token"].as_str().unwrap().clone_into(&mut self.csrf);
        }
        answer.status
    }

    async fn status(&self, running: &Running) -> u16 {
        ask(running, "GET", &self.cookie, "").await.status
    }

    async fn log_out(&self, running: &Running, csrf: &str) -> Answer {
        ask(running, "DELETE", &format!("{}x-csrf-token: {csrf}\r\n", self.cookie), "").await
    }
}

#[tokio::test]
async fn a_password_begins_a_session_and_logging_out_ends_it() {
    let house = House::open().await;
    let ada = user(house.running.db(), "ada").await;
    let mut browser = Browser::default();
    assert_eq!(browser.status(&house.running).await, 401);
    assert_eq!(browser.log_in(&house.running, "ada", "wrong").await, 401);
    assert_eq!(browser.log_in(&house.running, "ada", PASSWORD).await, 200);
    let told = ask(&house.running, "GET", &browser.cookie, "").await.body;
    assert_eq!((&told["username"], &told["user_id"]), (&json!("ada"), &json!(ada.id)));
    assert_eq!((&told["is_staff"], told["csrf_token"].as_str()), (&json!(false), Some(&*browser.csrf)));

    let other = {
        let mut other = Browser::default();
        other.log_in(&house.running, "ada", PASSWORD).await;
        other
    };
    assert_ne!((&other.cookie, &other.csrf), (&browser.cookie, &browser.csrf));
    for wrong in ["", "guess", &other.csrf] {
        assert_eq!(browser.log_out(&house.running, wrong).await.status, 403, "{wrong:?}");
    }
    let foreign = format!("{}x-csrf-token: {}\r\nsec-fetch-site: cross-site\r\n", browser.cookie, browser.csrf);
    assert_eq!(ask(&house.running, "DELETE", &foreign, "").await.status, 403);
    assert_eq!(browser.status(&house.running).await, 200);

    let out = browser.log_out(&house.running, &browser.csrf).await;
    assert_eq!(out.status, 204);
    assert!(out.set_cookie.unwrap().contains("=; Path=/; Max-Age=0"), "the browser forgets it");
    assert_eq!(browser.status(&house.running).await, 401);
    assert_eq!(browser.log_out(&house.running, "whatever").await.status, 204, "again is no error");
    assert_eq!(other.status(&house.running).await, 200, "another browser's lasts");
}

#[tokio::test]
async fn a_login_begins_a_new_session_and_ends_the_old_one() {
    let house = House::open().await;
    user(house.running.db(), "ada").await;
    let mut browser = Browser::default();
    browser.log_in(&house.running, "ada", PASSWORD).await;
    let before = browser.clone();
    assert_eq!(browser.log_in(&house.running, "ada", "wrong").await, 401);
    assert_eq!(before.status(&house.running).await, 200, "a failure ends nothing");
    assert_eq!(browser.log_in(&house.running, "ada", PASSWORD).await, 200);
    assert_ne!(browser.cookie, before.cookie);
    assert_eq!((before.status(&house.running).await, browser.status(&house.running).await), (401, 200));
    // What somebody else put into the browser does not become a session.
    let planted = format!("cookie: steeple_session={}\r\n", "a".repeat(43));
    let mut victim = Browser { cookie: planted.clone(), csrf: String::new() };
    victim.log_in(&house.running, "ada", PASSWORD).await;
    assert_eq!(ask(&house.running, "GET", &planted, "").await.status, 401);
}

#[tokio::test]
async fn a_session_ends_with_its_password_and_with_its_user() {
    // Also while the user is remembered.
    let house = House::configured(|config| config.auth.user_cache = Duration::from_secs(3600)).await;
    let db = house.running.db();
    let (ada, bob, eve) = (user(db, "ada").await, user(db, "bob").await, user(db, "eve").await);
    let mut browsers = Vec::new();
    for name in ["ada", "bob", "eve"] {
        let mut browser = Browser::default();
        assert_eq!(browser.log_in(&house.running, name, PASSWORD).await, 200);
        browsers.push(browser);
    }
    // As another node, or Django, would do it.
    users(db).set_password(ada.id.into(), Some("another one 4711")).await.unwrap();
    users(db).set_active(bob.id.into(), false).await.unwrap();
    assert_eq!(browsers[0].status(&house.running).await, 401, "the password was changed");
    assert_eq!(browsers[1].status(&house.running).await, 401, "the user was shut out");
    assert_eq!(browsers[2].status(&house.running).await, 200);
    house.running.identity().users.delete(eve.id.into()).await.unwrap();
    assert_eq!(browsers[2].status(&house.running).await, 401);
    // Who has changed their own password goes on with a new one.
    let next = house.running.identity().sessions.begin(ada.id.into()).await.unwrap();
    let cookie = format!("cookie: {}\r\n", next.cookie.to_str().unwrap().split(';').next().unwrap());
    assert_eq!(ask(&house.running, "GET", &cookie, "").await.status, 200);
    let refused = house.running.identity().sessions.begin(bob.id.into()).await.unwrap_err();
    assert_eq!(refused.message(), "a session needs an active user");
}

#[tokio::test]
async fn a_session_ends_when_nobody_comes_and_when_its_time_is_over() {
    for (lifetime, idle) in [(3600, 1), (1, 3600)] {
        let house = House::configured(|config| {
            config.auth.session_lifetime = Duration::from_secs(lifetime);
            config.auth.session_idle = Duration::from_secs(idle);
        })
        .await;
        user(house.running.db(), "ada").await;
        let mut browser = Browser::default();
        browser.log_in(&house.running, "ada", PASSWORD).await;
        for look in 0.. {
            // One who comes often is never idle, and outstays the lifetime all the same.
            let pause = if idle == 1 { Duration::from_millis(1200) } else { Duration::from_millis(100) };
            tokio::time::sleep(pause).await;
            if browser.status(&house.running).await == 401 {
                break;
            }
            assert!(look < 200, "it never ends");
        }
    }
}

#[tokio::test]
async fn each_request_puts_the_end_off() {
    let house = House::configured(|config| config.auth.session_idle = Duration::from_secs(20)).await;
    user(house.running.db(), "ada").await;
    let mut browser = Browser::default();
    browser.log_in(&house.running, "ada", PASSWORD).await;
    let began = expires_at(&house).await;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(browser.status(&house.running).await, 200);
        if expires_at(&house).await > began {
            return;
        }
    }
    panic!("the end was never put off");
}

async fn expires_at(house: &House) -> String {
    column(house, "expires_at").await
}

/// What the one row says.
async fn column(house: &House, expression: &str) -> String {
    let sql = format!("SELECT {expression} FROM steeple_session");
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, sql);
    house.running.db().query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn the_cookie_is_for_browsers_of_this_site_alone() {
    let house = House::open().await;
    let ada = user(house.running.db(), "ada").await;
    let sessions = &house.running.identity().sessions;
    let plain = sessions.begin(ada.id.into()).await.unwrap();
    let value = plain.cookie.to_str().unwrap();
    assert!(plain.cookie.is_sensitive());
    assert!(value.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax"), "{value}");
    let house = House::configured(|config| {
        config.auth.session_secure = Some(true);
        "shop_session".clone_into(&mut config.auth.session_cookie);
    })
    .await;
    let ada = user(house.running.db(), "ada").await;
    let secure = house.running.identity().sessions.begin(ada.id.into()).await.unwrap();
    let value = secure.cookie.to_str().unwrap();
    assert!(value.starts_with("shop_session=") && value.ends_with("; Secure"), "{value}");
    // Nothing of it is in the table, or in what is printed.
    let text = value.split(['=', ';']).nth(1).unwrap();
    let row = column(&house, "id || password_mark").await;
    let csrf = secure.session.csrf_token.expose().to_owned();
    let printed = format!("{row} {secure:?} {:?}", house.running.identity().sessions);
    assert!(!printed.contains(text) && !printed.contains(&csrf), "{printed}");
}

#[tokio::test]
async fn a_login_from_another_sites_page_is_refused() {
    let house = House::open().await;
    user(house.running.db(), "ada").await;
    let body = json!({ "username": "ada", "password": PASSWORD }).to_string();
    for foreign in [
        "content-type: application/json\r\norigin: https://evil.example\r\n",
        "content-type: application/json\r\nsec-fetch-site: cross-site\r\n",
    ] {
        assert_eq!(ask(&house.running, "POST", foreign, &body).await.status, 403);
    }
    assert_eq!(ask(&house.running, "POST", "content-type: text/plain\r\n", &body).await.status, 415);
    assert_eq!(ask(&house.running, "POST", "content-type: application/json\r\n", "[]").await.status, 400);
    // Guesses count as they do for tokens.
    let lines = "content-type: application/json\r\n";
    let wrong = json!({ "username": "ada", "password": "wrong" }).to_string();
    let mut last = 401;
    for _ in 0..6 {
        last = ask(&house.running, "POST", lines, &wrong).await.status;
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn names_that_no_cookie_can_have_are_refused() {
    let config = steeple::auth::Config { session_cookie: "a b".to_owned(), ..steeple::auth::Config::default() };
    let wrong = config.validate(false, true);
    assert!(wrong.iter().any(|(key, _)| *key == "session_cookie"), "{wrong:?}");
    let config = steeple::auth::Config { session_idle: Duration::ZERO, ..steeple::auth::Config::default() };
    assert!(config.validate(false, true).iter().any(|(key, _)| *key == "session_idle"));
}

/// One of the nodes of a site.
async fn node(database: &Database) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder, |config| {
        database.url().clone_into(&mut config.database.url);
        config.auth.secret_key = Some(Secret::new("7".repeat(40)));
    });
    Server::new(site()).start(config).await.unwrap()
}

on_every_database! {
    async fn every_node_knows_a_session(database: Database) {
        let (one, other) = (node(&database).await, node(&database).await);
        let ada = user(one.db(), "ada").await;
        let mut browser = Browser::default();
        assert_eq!(browser.log_in(&one, "ada", PASSWORD).await, 200);
        assert_eq!(browser.status(&other).await, 200);
        assert_eq!(browser.log_out(&other, &browser.csrf).await.status, 204);
        assert_eq!(browser.status(&one).await, 401);
        for _ in 0..3 {
            Browser::default().log_in(&one, "ada", PASSWORD).await;
        }
        let sessions: &Sessions = &other.identity().sessions;
        assert_eq!(sessions.end_all(ada.id.into()).await.unwrap(), 3);
        one.stop().await;
        other.stop().await;
    }
}
