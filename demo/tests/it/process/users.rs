//! The commands that make, change and list users. What they ask on a terminal is tested by `demo/clients/django`.

use std::env;

use serde_json::Value;

use super::{command, json, text};
use crate::databases::Database;

const PASSWORD: (&str, &str) = ("STEEPLE_SUPERUSER_PASSWORD", "Grüße aus Zürich 77");

struct Said {
    succeeds: bool,
    value: Value,
    stderr: String,
}

/// Runs a command with `--json`.
fn run(database: &Database, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
    let mut command = command(&env::temp_dir(), database.url(), arguments);
    let output = command.arg("--json").envs(variables.iter().copied()).output().unwrap();
    Said { succeeds: output.status.success(), value: json(&output), stderr: text(&output.stderr) }
}

fn refused(database: &Database, variables: &[(&str, &str)], arguments: &[&str]) -> String {
    let said = run(database, variables, arguments);
    assert!(!said.succeeds, "{arguments:?} gives {}", said.value);
    let why = said.value["error"].as_str().unwrap_or_else(|| panic!("{}", said.value)).to_owned();
    assert!(said.stderr.ends_with(&format!("error: {why}\n")), "{why:?} is not in {:?}", said.stderr);
    assert!(!said.stderr.contains(PASSWORD.1), "the password is in {:?}", said.stderr);
    why
}

/// As in production, where nobody puts the people of the demo in.
const PRODUCTION: [(&str, &str); 2] =
    [("STEEPLE_ENV", "production"), ("STEEPLE_AUTH__SECRET_KEY", "a secret of the tests that has 32 bytes")];

async fn migrated() -> Database {
    let database = Database::sqlite().await.unwrap();
    assert!(run(&database, &PRODUCTION, &["migrate"]).succeeds);
    database
}

const ADA: [&str; 6] = ["createsuperuser", "--noinput", "--username", "ada", "--email", "Ada@Example.ORG"];

#[tokio::test]
async fn a_superuser_is_made_listed_and_given_another_password() {
    let database = migrated().await;
    assert_eq!(run(&database, &[], &["users"]).value, Value::Array(vec![]));
    let made = run(&database, &[PASSWORD], &ADA);
    assert!(made.succeeds && made.stderr.is_empty(), "{}", made.stderr);
    let keys: Vec<_> = made.value.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "id",
        "username",
        "email",
        "first_name",
        "last_name",
        "is_active",
        "is_staff",
        "is_superuser",
        "has_password",
        "date_joined",
        "last_login",
    ];
    let mut keys = keys;
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected, "and no hash");
    for flag in ["is_active", "is_staff", "is_superuser", "has_password"] {
        assert_eq!(made.value[flag], true, "{flag}");
    }
    assert_eq!((&made.value["email"], &made.value["last_login"]), (&"Ada@example.org".into(), &Value::Null));
    assert_eq!(run(&database, &[], &["users"]).value, Value::Array(vec![made.value.clone()]));
    assert_eq!(run(&database, &[], &["users", "--after", "1"]).value, Value::Array(vec![]));

    let lists = command(&env::temp_dir(), database.url(), &["users"]).output().unwrap();
    let list = text(&lists.stdout);
    assert!(list.contains("ada") && list.contains("superuser, staff") && list.contains("never"), "{list}");

    let changed = run(&database, &[PASSWORD], &["changepassword", "ada"]);
    assert_eq!((changed.succeeds, &changed.value["username"]), (true, &"ada".into()));
}

#[tokio::test]
async fn what_cannot_be_is_told() {
    let empty = Database::sqlite().await.unwrap();
    for arguments in [&ADA[..], &["users"], &["changepassword", "ada"]] {
        let why = refused(&empty, &[PASSWORD], arguments);
        assert!(
            why.starts_with("there are no users in ") && why.ends_with("run `migrate`, or `run` in development"),
            "{why}"
        );
    }

    let database = migrated().await;
    let why = refused(&database, &[], &ADA);
    assert_eq!(why, "there is nobody to ask for a password: set the variable STEEPLE_SUPERUSER_PASSWORD");
    let why = refused(&database, &[(PASSWORD.0, "")], &ADA);
    assert_eq!(why, "STEEPLE_SUPERUSER_PASSWORD: the password must have from 1 to 4096 bytes");
    let why = refused(&database, &[PASSWORD], &["createsuperuser"]);
    assert_eq!(why, "there is no terminal to ask on: give --username");
    let why = refused(&database, &[PASSWORD], &["createsuperuser", "--noinput", "--username", "ada lovelace"]);
    assert_eq!(why, "username: may have letters, digits and @ . + - _ only");
    let why = refused(&database, &[PASSWORD], &["createsuperuser", "--username", "ada", "--email", "ada"]);
    assert_eq!(why, "email: must be an address such as ada@example.org");
    let why = refused(&database, &[PASSWORD], &["changepassword", "nobody"]);
    assert_eq!(why, "there is no user nobody: see `users`");
    assert_eq!(run(&database, &[], &["users"]).value, Value::Array(vec![]), "nothing was made");

    assert!(run(&database, &[PASSWORD], &ADA).succeeds);
    let why = refused(&database, &[PASSWORD], &ADA);
    assert!(why.starts_with("user ada already exists: choose another name"), "{why}");
}

#[tokio::test]
async fn an_easily_guessed_password_is_remarked_upon_and_refused_in_production() {
    let database = migrated().await;
    let weak = (PASSWORD.0, "ada1");
    let production = [weak, PRODUCTION[0], PRODUCTION[1]];
    let why = refused(&database, &production, &ADA);
    assert_eq!(
        why,
        "STEEPLE_SUPERUSER_PASSWORD: the password is easily guessed: it is too short: it needs at least 8 characters; it is \
         too similar to the username"
    );
    let made = run(&database, &[weak], &ADA);
    assert!(made.succeeds && made.stderr.ends_with("production would refuse it\n"), "{}", made.stderr);
    let why = refused(&database, &production, &["changepassword", "ada"]);
    assert!(why.contains("too similar to the username"), "{why}");
}
