//! What the commands print.

use std::{env, fs, path::Path};

use demo::pb::crypto::ListWalletsRequest;
use serde_json::Value;
use tonic::Code;

use super::{Process, command, get_coin, json, text, until};
use crate::databases::Database;

const COMMANDS: [&str; 15] = [
    "run",
    "migrate",
    "createsuperuser",
    "changepassword",
    "users",
    "token",
    "apikeys",
    "services",
    "methods",
    "logs",
    "stats",
    "connections",
    "send",
    "doctor",
    "default-config",
];

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> =
        value.as_object().unwrap_or_else(|| panic!("an object: {value}")).keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn run(database: &Database, arguments: &[&str]) -> Value {
    let output = command(&env::temp_dir(), database.url(), arguments).arg("--json").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    json(&output)
}

#[tokio::test]
async fn every_help_text_is_as_it_was_agreed() {
    let database = Database::sqlite().await.unwrap();
    let help = |arguments: &[&str]| {
        let output = command(&env::temp_dir(), database.url(), arguments).arg("--help").output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}");
        let lines: Vec<_> = text(&output.stdout).lines().map(|line| line.trim_end().to_owned()).collect();
        format!("$ demo {}\n{}\n\n", [arguments, &["--help"]].concat().join(" "), lines.join("\n"))
    };
    let all: String = [help(&[])].into_iter().chain(COMMANDS.iter().map(|name| help(&[name]))).collect();
    assert!(COMMANDS.iter().all(|name| all.contains(&format!("\n  {name}"))));
    assert_eq!(
        help(&["rungrpc"]).lines().skip(1).collect::<Vec<_>>(),
        help(&["run"]).lines().skip(1).collect::<Vec<_>>()
    );

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/help.txt");
    if env::var_os("STEEPLE_UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &all).unwrap();
    }
    let kept = fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        kept == all,
        "the help differs from golden/help.txt; look at it, then run with STEEPLE_UPDATE_GOLDEN=1\n{all}"
    );
}

#[tokio::test]
async fn json_has_the_keys_that_programs_rely_on() {
    let database = Database::sqlite().await.unwrap();
    let steps = [
        "steeple_log.0001_request_log",
        "steeple_log.0002_request_stats",
        "steeple_log.0003_caller_stats",
        "steeple_log.0004_slow_calls",
        "steeple_auth.0001_django_auth",
        "steeple_auth.0002_secret",
        "steeple_auth.0003_refresh_token",
        "steeple_auth.0004_api_key",
        "steeple_auth.0005_session",
        "steeple_node.0001_server_status",
        "steeple_stream.0001_connection",
        "steeple_stream.0002_connection_event",
        "steeple_audit.0001_audit_log",
        "steeple_audit.0002_by_object",
        "steeple_audit.0003_by_user",
        "crypto.0001_initial",
        "crypto_streaming.0001_initial",
        "products.0001_initial",
        "users.0001_initial",
        "orders.0001_initial",
    ];
    assert_eq!(run(&database, &["migrate"]), serde_json::json!({ "applied": steps }));
    assert_eq!(run(&database, &["migrate"]), serde_json::json!({ "applied": [] }));
    assert_eq!(run(&database, &["migrate", "--check"]), serde_json::json!({ "pending": [] }));

    let services = run(&database, &["services"]);
    assert_eq!(keys(&services), ["receivers", "services", "skipped"]);
    let crypto = &services["services"][0];
    assert_eq!(keys(crypto), ["app", "at", "comment", "implementation", "methods", "name", "native"]);
    assert_eq!((crypto["app"].as_str(), crypto["name"].as_str()), (Some("crypto"), Some("crypto.CryptoService")));
    assert!(crypto["at"].as_str().unwrap().starts_with("src/apps/crypto/grpc_services.rs:"));

    let methods = run(&database, &["methods", "crypto.CryptoService"]);
    let names: Vec<_> = methods.as_array().unwrap().iter().map(|method| method["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["GetCoin", "ListCoins", "SearchCoins", "GetWallet", "ListWallets", "Deposit", "Withdraw", "Transfer"]
    );
    let method = [
        "access",
        "access_from",
        "chain",
        "comment",
        "deprecated",
        "input",
        "name",
        "output",
        "path",
        "service",
        "shape",
    ];
    assert_eq!(keys(&methods[0]), method);
    assert_eq!(methods[0]["chain"][0], "record");

    let process = Process::start(&database, &[]);
    let report = [
        "database",
        "environment",
        "first_call",
        "grpc",
        "http",
        "pid",
        "receivers",
        "services",
        "site",
        "skipped",
        "superuser",
        "version",
    ];
    assert_eq!(keys(&process.report), report);
    let mut client = process.client().await;
    get_coin(&mut client, "shape-1").await.unwrap();
    until("the row is written", async || process.rows().await.len() == 1).await;

    let logs = run(&database, &["logs", "--request-id", "shape-1"]);
    let row = [
        "api_key_id",
        "client_ip",
        "completed_at",
        "created_at",
        "duration_ms",
        "duration_us",
        "error_message",
        "full_method",
        "grpc_status_code",
        "id",
        "is_authenticated",
        "method_name",
        "peer",
        "request_id",
        "request_messages",
        "request_size",
        "response_messages",
        "response_size",
        "service_name",
        "status",
        "user_agent",
        "user_id",
    ];
    assert_eq!(keys(&logs[0]), row);
    assert_eq!(run(&database, &["logs", "--errors"]), serde_json::json!([]));

    let stats = run(&database, &["stats"]);
    let numbers = [
        "avg_duration_ms",
        "cancelled",
        "errors",
        "max_duration_ms",
        "min_duration_ms",
        "p50_duration_ms",
        "p95_duration_ms",
        "p99_duration_ms",
        "request_bytes",
        "response_bytes",
        "success_rate",
        "successful",
        "timeout",
        "total",
    ];
    let with = |more: &[&'static str]| {
        let mut all = [&numbers[..], more].concat();
        all.sort_unstable();
        all
    };
    assert_eq!(keys(&stats), with(&["hours", "methods", "services"]));
    assert_eq!(keys(&stats["methods"][0]), with(&["last_activity_at", "method_name", "service_name"]));
    assert_eq!((&stats["total"], &stats["successful"]), (&1.into(), &1.into()));

    let free = ["doctor", "--set", "server.grpc=127.0.0.1:0", "--set", "server.http=off"];
    let doctor = run(&database, &free);
    let checks: Vec<_> =
        doctor["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(checks, ["configuration", "services", "token keys", "database", "migrations", "cache", "grpc port"]);
    assert_eq!(keys(&doctor["checks"][0]), ["detail", "name", "verdict"]);
    assert!(doctor["checks"].as_array().unwrap().iter().all(|check| check["verdict"] == "ok"), "{doctor}");
}

#[tokio::test]
async fn the_start_says_what_is_served_and_shows_a_call_that_works() {
    let database = Database::sqlite().await.unwrap();
    let process = Process::start(&database, &[]);
    let call = process.report["first_call"].as_str().unwrap();
    let grpc = process.report["grpc"].as_str().unwrap();
    assert!(
        call.ends_with(&format!(r#" -d '{{"symbol":"BTC"}}' http://{grpc}/crypto.CryptoService/GetCoin"#)),
        "{call}"
    );
    assert_eq!(process.report["environment"], "development");
    assert_eq!(process.http("/readyz").0, 200);
    let name = get_coin(&mut process.client().await, "first").await.unwrap();
    assert_eq!(name, "Bitcoin");
}

#[tokio::test]
async fn the_first_start_in_development_makes_a_superuser_and_shows_it_once() {
    let database = Database::sqlite().await.unwrap();
    let process = Process::start(&database, &[]);
    let made = &process.report["superuser"];
    assert_eq!(keys(made), ["api_key", "password", "username"]);
    assert_eq!(made["username"], "admin");
    let (password, key) = (made["password"].as_str().unwrap(), made["api_key"].as_str().unwrap());
    assert_eq!(password.len(), 20);
    assert!(key.starts_with("stp_"), "{key}");

    let wallets = ListWalletsRequest { owner: "alice".into(), ..Default::default() };
    let refused = process.client().await.list_wallets(wallets.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let answer = process.superuser().await.list_wallets(wallets).await.unwrap().into_inner();
    assert!(!answer.wallets.is_empty());
    let login = serde_json::json!({ "username": "admin", "password": password });
    let (status, answer) = process.post("/api/auth/login", &login);
    assert_eq!(status, 200, "{answer}");
    assert!(!process.said().contains(password) && !process.said().contains(key));
    drop(process);

    let again = Process::start(&database, &[]);
    assert!(again.report["superuser"].is_null(), "{}", again.report);
}

#[tokio::test]
async fn the_tests_of_a_site_get_no_superuser() {
    let database = Database::sqlite().await.unwrap();
    let process = Process::start(&database, &[("STEEPLE_ENV", "test")]);
    assert!(process.report["superuser"].is_null(), "{}", process.report);
    let users = run(&database, &["users"]);
    assert!(users.as_array().unwrap().iter().all(|user| user["is_superuser"] == false), "{users}");
}
