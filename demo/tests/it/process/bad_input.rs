//! What somebody is told who asked for what cannot be: one sentence that says what to do, and an exit code.

use std::{env, fs, net::TcpListener};

use super::{command, json, text};
use crate::databases::Database;

/// Production refuses to start without one.
const SECRET: &str = "a secret of the tests that has 32 bytes";

/// The exit code and standard error of a command, which also has to print one JSON value with `--json`.
fn refused(database: &Database, variables: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
    let run = |more: &[&str]| {
        let mut command = command(&env::temp_dir(), database.url(), arguments);
        command.args(more).envs(variables.iter().copied()).output().unwrap()
    };
    let (plain, machine) = (run(&[]), run(&["--json"]));
    let said = text(&plain.stderr);
    assert!(plain.stdout.is_empty(), "{arguments:?} printed {}", text(&plain.stdout));
    assert_eq!(text(&machine.stderr), said);
    let why = json(&machine)["error"].as_str().unwrap().to_owned();
    assert!(said.starts_with(&format!("error: {why}")), "{why:?} is not in {said:?}");
    assert_eq!(plain.status.code(), machine.status.code());
    (plain.status.code().unwrap(), said)
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let database = Database::sqlite().await.unwrap();
    assert!(command(&env::temp_dir(), database.url(), &["migrate"]).output().unwrap().status.success());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (key, arguments) in [
        ("grpc", ["run", "--grpc", &address, "--http", "off"]),
        ("http", ["run", "--grpc", "127.0.0.1:0", "--http", &address]),
    ] {
        let variable = format!("STEEPLE_SERVER__{}", key.to_uppercase());
        let port = taken.local_addr().unwrap().port();
        let sentence = format!(
            "error: port {port} ({address}) is in use: stop the program that has it, or set server.{key} in steeple.toml or \
             {variable} to another address"
        );
        let (code, said) = refused(&database, &[], &arguments);
        assert_eq!((code, said.trim_end()), (1, sentence.as_str()));
    }
}

#[tokio::test]
async fn a_wrong_configuration_is_told_at_once_and_whole() {
    let database = Database::sqlite().await.unwrap();
    let all = [("STEEPLE_SERVER__GRCP", "x"), ("STEEPLE_SERVER__MAX_WORKERS", "many")];
    let (code, said) = refused(&database, &all, &["services"]);
    assert_eq!(code, 1);
    assert_eq!(
        said,
        "error: the configuration has 2 problems:\n  \
         STEEPLE_SERVER__GRCP: server.grcp: unknown key; did you mean STEEPLE_SERVER__GRPC?\n  \
         STEEPLE_SERVER__MAX_WORKERS: server.max_workers: expected a whole number of 0 or more, found \"many\"; the default is 0\n"
    );
    let (_, said) = refused(&database, &[("STEEPLE_ENV", "prod")], &["run"]);
    assert!(said.contains("expected development, production or test, found \"prod\""), "{said}");
    let (_, said) = refused(&database, &[("STEEPLE_APPS__ENABLED_APPS", "cripto")], &["run"]);
    assert!(said.contains("there is no app \"cripto\"; did you mean \"crypto\"?"), "{said}");
    let (_, said) = refused(&database, &[], &["services", "--config", "/no/such/folder"]);
    assert!(said.contains("no such folder"), "{said}");
}

#[tokio::test]
async fn an_argument_that_cannot_be_is_refused() {
    let database = Database::sqlite().await.unwrap();
    for arguments in [
        &["logs", "--hours", "0"][..],
        &["logs", "--hours", "long"],
        &["logs", "--limit", "0"],
        &["logs", "--status", "bad"],
        &["stats", "--hours", "0"],
        &["stats", "--hours", "9000"],
        &["run", "--port", "70000"],
        &["services", "--set", "server.grpc"],
        &["nonsense"],
    ] {
        assert_eq!(refused(&database, &[], arguments).0, 2, "{arguments:?}");
    }
    let (code, said) = refused(&database, &[], &["methods", "Nope"]);
    assert_eq!(
        (code, said.as_str()),
        (1, "error: no method has \"Nope\" in its path; `methods` alone lists them all\n")
    );
}

#[tokio::test]
async fn a_database_that_is_not_migrated_is_no_internal_error() {
    let database = Database::sqlite().await.unwrap();
    for name in ["logs", "stats"] {
        let (code, said) = refused(&database, &[], &[name]);
        assert_eq!(code, 1);
        assert!(said.contains("there is no request log in") && said.contains("run `migrate`"), "{said}");
    }
    let output = command(&env::temp_dir(), database.url(), &["migrate", "--check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let listed = text(&output.stdout);
    let pending: Vec<_> = listed.lines().filter_map(|line| line.strip_prefix("pending ")).collect();
    assert!(pending.contains(&"steeple_log.0001_request_log") && pending.contains(&"crypto.0001_initial"), "{listed}");
    let count = pending.len();
    assert_eq!(text(&output.stderr), format!("error: {count} migrations pending: run `migrate`\n"));

    let (code, said) =
        refused(&database, &[("STEEPLE_ENV", "production"), ("STEEPLE_AUTH__SECRET_KEY", SECRET)], &["run"]);
    assert_eq!(code, 1);
    let names = pending.join(", ");
    assert_eq!(said, format!("error: the database lacks {count} migrations ({names}): run `migrate` first\n"));
}

#[tokio::test]
async fn an_unreachable_database_is_named_without_its_password() {
    let database = Database::sqlite().await.unwrap();
    // A port that nobody has: it was ours a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://somebody:secret-4711@127.0.0.1:{port}/none");
    let (code, said) = refused(&database, &[("STEEPLE_DATABASE__URL", &url)], &["migrate"]);
    assert_eq!(code, 1);
    assert!(said.starts_with("error: no database answers at postgres://somebody:***@127.0.0.1"), "{said}");
    assert!(said.contains("start it, or correct host and port in database.url") && !said.contains("4711"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text.sqlite3");
    fs::write(&file, "this is a text, and it is longer than the head of a SQLite file would be, by far".repeat(20))
        .unwrap();
    let url = format!("sqlite://{}", file.display());
    let (_, said) = refused(&database, &[("STEEPLE_DATABASE__URL", &url)], &["migrate"]);
    assert!(said.contains("is not a SQLite database"), "{said}");
}

#[tokio::test]
async fn doctor_reports_everything_that_is_wrong_at_once() {
    let database = Database::sqlite().await.unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let variables = [
        ("STEEPLE_ENV", "production".to_owned()),
        ("STEEPLE_AUTH__SECRET_KEY", SECRET.to_owned()),
        ("STEEPLE_SERVER__GRPC", taken.local_addr().unwrap().to_string()),
        ("STEEPLE_SERVER__HTTP", "off".to_owned()),
    ];
    let output = command(&env::temp_dir(), database.url(), &["doctor", "--json"]).envs(variables).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let failed: Vec<_> = json(&output)["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["verdict"] == "failed")
        .map(|check| check["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(failed, ["migrations", "grpc port"]);
}
