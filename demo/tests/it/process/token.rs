//! `token`: for whoever has the database and the secret.

use std::env;

use serde_json::{Value, json};

use super::{Process, command, json, text};
use crate::databases::Database;

/// Whether the running site accepts this token.
fn accepts(process: &Process, token: &str) -> bool {
    let (status, answer) = process.post("/api/auth/verify", &json!({ "token": token }));
    assert!([200, 401].contains(&status), "{status}: {answer}");
    status == 200
}

#[tokio::test]
async fn its_tokens_are_accepted_by_the_running_site() {
    let database = Database::sqlite().await.unwrap();
    let folder = env::temp_dir();
    let token = |arguments: &[&str]| command(&folder, database.url(), &[&["token"], arguments].concat());
    let failed = token(&["--user", "ada"]).output().unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stderr).contains("there are no users in"), "{}", text(&failed.stderr));

    let process = Process::start(&database, &[]);
    let made = command(&folder, database.url(), &["createsuperuser", "--username", "ada", "--email", "", "--noinput"])
        .env("STEEPLE_SUPERUSER_PASSWORD", "correct horse 4711")
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));

    let output = token(&["--user", "ada", "--json"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    let pair = json(&output);
    let keys: Vec<_> = pair.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["access_token", "expires_in", "refresh_token", "token_type"]);
    for key in ["access_token", "refresh_token"] {
        assert!(accepts(&process, pair[key].as_str().unwrap()), "{key}");
    }

    let output = token(&["--user", "ada"]).output().unwrap();
    let lines = text(&output.stdout);
    let lines: Vec<_> = lines.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!((lines[0][0], lines[1][0]), ("access_token", "refresh_token"));
    assert!(accepts(&process, lines[0][1]) && accepts(&process, lines[1][1]));

    let secret = [("STEEPLE_AUTH__SECRET_KEY", "another secret that the running site does not have")];
    let other = json(&token(&["--user", "ada", "--json"]).envs(secret).output().unwrap());
    assert!(!accepts(&process, other["access_token"].as_str().unwrap()));

    let failed = token(&["--user", "nobody", "--json"]).output().unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(json(&failed)["error"], Value::from(r#"there is no user "nobody""#));
}
