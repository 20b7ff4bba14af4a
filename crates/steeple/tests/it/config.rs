//! Configuration is loaded from files, environment and command line, and everything wrong is told at once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

use std::{fs, path::Path, time::Duration};

use proptest::prelude::*;
use serde::Deserialize;
use steeple::{
    config::{Config, Environment, Problems},
    server::Compression,
};
use tempfile::TempDir;

/// A site: its files, its variables, its command line.
#[derive(Default)]
struct Site {
    files: Vec<(&'static str, String)>,
    variables: Vec<(&'static str, &'static str)>,
    overrides: Vec<(String, String)>,
}

impl Site {
    fn new(steeple_toml: impl Into<String>) -> Self {
        Self::default().file("steeple.toml", steeple_toml)
    }

    fn file(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.files.push((name, text.into()));
        self
    }

    fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    fn overriding(mut self, key: &str, value: &str) -> Self {
        self.overrides.push((key.to_owned(), value.to_owned()));
        self
    }

    fn load(self) -> Result<Config, Problems> {
        let directory = TempDir::new().unwrap();
        for (name, text) in &self.files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Config::load(directory.path(), self.variables, &self.overrides)
    }

    fn loaded(self) -> Config {
        self.load().unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// The lines of the report.
    fn problems(self) -> Vec<String> {
        self.load().unwrap_err().iter().map(ToString::to_string).collect()
    }
}

fn no_variables() -> [(String, String); 0] {
    []
}

const SECRET: &str = "a-secret-key-of-forty-eight-characters-and-more";

// === sources ===

#[test]
fn without_any_source_there_are_the_defaults() {
    let config = Site::default().loaded();
    assert_eq!(config, Config::default());
    assert_eq!(config.env, Environment::Development);
    assert_eq!(config.server.grpc, "[::]:50051");
    assert_eq!(config.server.http, "127.0.0.1:8000");
    assert_eq!(config.database.url, "sqlite://steeple.sqlite3");
    assert!(config.files().is_empty());
}

#[test]
fn later_sources_win_key_by_key() {
    let site = || {
        Site::new("[server]\ngrpc = \"[::]:1\"\nhttp = \"off\"\nmax_workers = 1\nmax_connections = 1\nmax_concurrent_streams = 1\n")
            .file("steeple.production.toml", "[server]\nmax_workers = 2\nmax_connections = 2\nmax_concurrent_streams = 2")
            .file("steeple.test.toml", "[server]\nmax_workers = 9")
            .variable("STEEPLE_ENV", "production")
            .variable("STEEPLE_AUTH__SECRET_KEY", "a secret of the test that has 32 bytes")
            .variable("STEEPLE_SERVER__MAX_CONNECTIONS", "3")
            .variable("STEEPLE_SERVER__MAX_CONCURRENT_STREAMS", "3")
    };
    let config = site().overriding("server.max_concurrent_streams", "4").loaded();
    assert_eq!(config.env, Environment::Production);
    assert_eq!(config.server.grpc, "[::]:1");
    assert_eq!(config.server.max_workers, 2);
    assert_eq!(config.server.max_connections, 3);
    assert_eq!(config.server.max_concurrent_streams, 4);
    assert_eq!(config.server.max_header_list_bytes, 16 * 1024);

    let origin = |key: &str| config.origins.of(key).map(ToString::to_string);
    assert_eq!(config.files(), ["steeple.toml", "steeple.production.toml"]);
    assert_eq!(origin("server.grpc").as_deref(), Some("steeple.toml:2"));
    assert_eq!(origin("server.max_workers").as_deref(), Some("steeple.production.toml:2"));
    assert_eq!(origin("server.max_connections").as_deref(), Some("STEEPLE_SERVER__MAX_CONNECTIONS"));
    assert_eq!(origin("server.max_concurrent_streams").as_deref(), Some("command line"));
    assert_eq!(origin("server.max_header_list_bytes"), None);
}

#[test]
fn text_of_the_environment_gets_the_type_of_its_key() {
    let config = Site::new("[calls]\nmax_deadline = \"1h\"")
        .variable("STEEPLE_SERVER__DRAIN", "1m 30s")
        .variable("STEEPLE_SERVER__REFLECTION", "false")
        .variable("STEEPLE_SERVER__COMPRESSION", "gzip, deflate")
        .variable("STEEPLE_SERVER__MAX_RECEIVE_MESSAGE_BYTES", "8_388_608")
        .variable("STEEPLE_LOG__SAMPLE_SUCCESSES", "0.25")
        .variable("STEEPLE_CALLS__MAX_DEADLINE", "")
        .variable("STEEPLE_DATABASE__MAX_CONNECTIONS", "7")
        .variable("STEEPLE_APPS__ENABLED_APPS", "crypto,users")
        .variable("STEEPLE_APPS__AUTO_REGISTER_APPS", "false")
        .variable("STEEPLE_APPS__CUSTOM_SERVICES__CRYPTO", "crypto.CryptoService")
        .loaded();
    assert_eq!(config.server.drain, Duration::from_secs(90));
    assert!(!config.server.reflection);
    assert_eq!(config.server.compression, [Compression::Gzip, Compression::Deflate]);
    assert_eq!(config.server.max_receive_message_bytes, 8 * 1024 * 1024);
    assert!((config.log.sample_successes - 0.25).abs() < f64::EPSILON);
    assert_eq!(config.calls.max_deadline, None, "empty text unsets an optional key");
    assert_eq!(config.database.max_connections, Some(7));
    assert_eq!(config.apps.enabled_apps, Some(vec!["crypto".to_owned(), "users".to_owned()]));
    assert!(config.apps.enabled("crypto") && !config.apps.enabled("shop"));
    assert_eq!(config.apps.custom_services["crypto"], "crypto.CryptoService");
}

#[test]
fn another_file_or_directory_is_named_by_steeple_config() {
    let site = |named| {
        Site::new("[server]\nmax_workers = 1")
            .file("etc/steeple.toml", "[server]\nmax_workers = 2")
            .file("etc/site.toml", "[server]\nmax_workers = 3")
            .file("etc/site.development.toml", "[server]\nmax_connections = 4")
            .variable("STEEPLE_CONFIG", named)
    };
    assert_eq!(site("etc").loaded().server.max_workers, 2);
    let config = site("etc/site.toml").loaded();
    assert_eq!((config.server.max_workers, config.server.max_connections), (3, 4));
    assert_eq!(config.files(), ["etc/site.toml", "etc/site.development.toml"]);
    assert_eq!(
        site("etc/gone.toml").problems(),
        ["STEEPLE_CONFIG: there is no file etc/gone.toml; create it or unset the variable"]
    );
}

#[test]
fn variables_of_others_are_left_alone() {
    Site::default()
        .variable("PATH", "/bin")
        .variable("STEEPLE_LOCKED", "1")
        .variable("STEEPLE_TEST_POSTGRES_URL", "postgres://nowhere")
        .variable("STEEPLE_UPDATE_GOLDEN", "")
        .variable("STEEPLE_SUPERUSER_PASSWORD", "x")
        .variable("STEEPLES", "x")
        .loaded();
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_text_is_refused_if_it_is_ours() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};
    let broken = || OsString::from_vec(vec![0xff]);
    let load = |name: &str| Config::load(Path::new("nowhere"), [(OsString::from(name), broken())], &[]);
    assert!(load("HOME").is_ok());
    let problems = load("STEEPLE_SERVER__GRPC").unwrap_err();
    assert_eq!(problems.iter().next().unwrap().to_string(), "STEEPLE_SERVER__GRPC: server.grpc: is not UTF-8 text");
}

// === problems ===

#[test]
fn everything_wrong_is_told_at_once() {
    let problems = Site::new(
        "grpc = 1\n\n[server]\ngrcp = \"[::]:1\"\nmax_workers = \"many\"\nhttp = \"nowhere\"\ndrain = 30\n\
         max_concurrent_streams = 99999999999\ncompression = [\"zip\"]\nreflection = \"yes\"\n\n[sevrer]\n[log]\n\
         queue = 0\nbatch = 0\non_full = \"explode\"\nsample_successes = 2\n\
         [database]\nurl = \"oracle://u:hunter2@h/d\"\nmax_connections = 0\n\
         [apps.enabled_apps]\na = 1\n",
    )
    .variable("STEEPLE_SERVER__GRCP", "[::]:2")
    .variable("STEEPLE_SERVER_GRPC", "[::]:2")
    .variable("STEEPLE_NONSENSE", "1")
    .variable("STEEPLE_CALLS__MAX_IN_FLIGHT", "-1")
    .overriding("servre.grpc", "x")
    .load()
    .unwrap_err();
    let expected = fs::read_to_string(golden("problems.txt")).unwrap_or_default();
    check_golden("problems.txt", &format!("{problems}\n"), &expected);
}

#[test]
fn a_wrong_environment_names_the_three() {
    assert_eq!(
        Site::default().variable("STEEPLE_ENV", "prod").problems(),
        ["STEEPLE_ENV: expected development, production or test, found \"prod\""]
    );
}

#[test]
fn a_file_that_is_not_toml_is_told_with_its_line_and_the_rest_is_still_judged() {
    let problems =
        Site::new("[server]\nmax_workers = 1\nhttp = \n[[\n").variable("STEEPLE_SERVER__GRPC", "x").problems();
    assert!(problems[0].starts_with("steeple.toml:3: is not TOML: "), "{problems:#?}");
    assert!(problems.iter().any(|problem| problem.starts_with("STEEPLE_SERVER__GRPC: server.grpc: ")), "{problems:#?}");
}

#[test]
fn the_environment_is_not_chosen_in_a_file() {
    let problems = Site::new("env = \"production\"").problems();
    assert_eq!(problems, ["steeple.toml:1: env: the environment is chosen by the variable STEEPLE_ENV, not here"]);
}

#[test]
fn the_secret_key_is_an_api_key_in_development_only() {
    let site = || Site::new("[auth]\naccept_secret_key = true").variable("STEEPLE_AUTH__SECRET_KEY", SECRET);
    assert!(site().loaded().auth.accept_secret_key);
    for env in ["production", "test"] {
        let problems = site().variable("STEEPLE_ENV", env).problems();
        let want = "steeple.toml:2: auth.accept_secret_key: opens the site to whoever has its secret key; it works with STEEPLE_ENV=development only";
        assert_eq!(problems, [want], "{env}");
    }
}

#[test]
fn a_secret_key_that_anybody_could_guess_is_none_in_production() {
    for text in [
        "                                        ",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "django-insecure-0123456789abcdefghijklmnopqrstuvwxyz",
    ] {
        let site = || Site::default().variable("STEEPLE_AUTH__SECRET_KEY", text);
        let problems = site().variable("STEEPLE_ENV", "production").problems();
        assert!(problems.len() == 1 && problems[0].contains("auth.secret_key: is no secret"), "{problems:?}");
        site().loaded();
    }
}

#[test]
fn the_key_of_api_keys_is_one_that_nothing_else_uses() {
    for name in [
        "Authorization",
        "authorization",
        "content-type",
        "user-agent",
        "te",
        "grpc-timeout",
        "X-Key",
        "x-key-bin",
        "a b",
    ] {
        let problems = Site::new(format!("[auth]\napi_key_header = \"{name}\"")).problems();
        assert!(problems.len() == 1 && problems[0].contains("auth.api_key_header: must be"), "{name}: {problems:?}");
    }
    assert_eq!(Site::new("[auth]\napi_key_header = \"x-site-key\"").loaded().auth.api_key_header, "x-site-key");
}

#[test]
fn labels_are_checked_against_the_apps_of_the_site() {
    let config = Site::new("[apps]\nenabled_apps = [\"crypto\", \"wallet\"]\n[settings.crypt]\na = 1").loaded();
    let problems: Vec<_> = config.check_labels(&["crypto", "wallets"]).iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "steeple.toml:2: apps.enabled_apps: there is no app \"wallet\"; did you mean \"wallets\"? the site's apps are crypto, wallets",
            "steeple.toml:3: settings.crypt: there is no app \"crypt\"; did you mean \"crypto\"? the site's apps are crypto, wallets",
        ]
    );
}

// === secrets ===

#[test]
fn a_secret_may_be_a_reference() {
    let by_variable = Site::new("[database]\nurl = \"env:DATABASE_URL\"").variable("DATABASE_URL", "mysql://u:pw@h/d");
    assert_eq!(by_variable.loaded().database.url, "mysql://u:pw@h/d");
    let by_file =
        Site::default().variable("STEEPLE_DATABASE__URL", "file:run/url").file("run/url", "mysql://u:pw@h/d\n");
    assert_eq!(by_file.loaded().database.url, "mysql://u:pw@h/d");

    assert_eq!(
        Site::new("[database]\nurl = \"env:DATABASE_URL\"").problems(),
        ["steeple.toml:2: database.url: refers to the environment variable DATABASE_URL, which is not set; set it"]
    );
    let missing = &Site::new("[database]\nurl = \"file:gone\"").problems()[0];
    assert!(missing.starts_with("steeple.toml:2: database.url: refers to the file "), "{missing}");
    assert!(missing.contains("gone, which cannot be read"), "{missing}");
}

#[test]
fn only_keys_that_may_be_secret_follow_references() {
    let problems = Site::new("[server]\ngrpc = \"env:ADDRESS\"").variable("ADDRESS", "[::]:1").problems();
    assert!(problems[0].contains("\"env:ADDRESS\" is no address"), "{problems:#?}");
}

#[test]
fn a_password_is_never_shown() {
    let config = Site::new("[database]\nurl = \"postgres://site:hunter2@db:5432/site?password=hunter2\"")
        .variable("STEEPLE_CACHE__URL", "rediss://:hunter2@cache:6379/0")
        .variable("STEEPLE_SETTINGS__CRYPTO__KEY", "hunter2")
        .loaded();
    let shown = format!("{config:?} {config:#?} {:?} {}", config.database, config.redacted());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("db:5432/site") && shown.contains("cache:6379/0"), "{shown}");

    let problems = Site::new("[database]\nurl = [\"hunter2\"]").load().unwrap_err();
    assert!(!format!("{problems} {problems:?}").contains("hunter2"), "{problems:?}");
}

// === settings of the apps ===

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Crypto {
    fee: f64,
    #[serde(default)]
    symbols: Vec<String>,
    #[serde(default)]
    pin: String,
    #[serde(default)]
    limits: Limits,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    per_day: Option<u32>,
}

#[test]
fn an_app_reads_its_settings_as_its_own_type() {
    let config = Site::new("[settings.crypto]\nfee = 1\nsymbols = [\"BTC\"]\n[settings.crypto.limits]\nper_day = 3")
        .variable("STEEPLE_SETTINGS__CRYPTO__FEE", "0.5")
        .variable("STEEPLE_SETTINGS__CRYPTO__PIN", "0042")
        .overriding("settings.crypto.limits.per_day", "4")
        .loaded();
    let crypto: Crypto = config.settings("crypto").unwrap();
    let limits = Limits { per_day: Some(4) };
    assert_eq!(crypto, Crypto { fee: 0.5, symbols: vec!["BTC".to_owned()], pin: "0042".to_owned(), limits });
    assert_eq!(config.settings::<Limits>("another").unwrap(), Limits::default());
}

#[test]
fn settings_that_do_not_fit_are_told_with_place_and_key() {
    let problem = |site: Site| site.loaded().settings::<Crypto>("crypto").unwrap_err().to_string();
    assert_eq!(
        problem(Site::new("[settings.crypto]\nfee = 1\n\n[settings.crypto.limits]\nper_dya = 3")),
        "steeple.toml:5: settings.crypto.limits.per_dya: unknown key; did you mean per_day?"
    );
    assert_eq!(
        problem(Site::new("[settings.crypto]\nfee = \"a lot\"")),
        "steeple.toml:2: settings.crypto.fee: expected f64, found text"
    );
    assert_eq!(
        problem(Site::default().variable("STEEPLE_SETTINGS__CRYPTO__FEE", "a lot")),
        "STEEPLE_SETTINGS__CRYPTO__FEE: settings.crypto.fee: expected f64, found text"
    );
    assert_eq!(
        problem(Site::default()),
        "settings.crypto.fee: is missing; set it in [settings.crypto] of steeple.toml, or STEEPLE_SETTINGS__CRYPTO__FEE"
    );
    assert_eq!(
        Site::new("[settings]\nfee = 1").problems(),
        [
            "steeple.toml:2: settings.fee: expected a table: settings belong to an app; write [settings.<app>] above the key"
        ]
    );
}

// === the default file ===

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(name)
}

/// Compares with a file of the tree; `STEEPLE_UPDATE_GOLDEN=1` writes it instead.
fn check_golden(name: &str, found: &str, expected: &str) {
    if std::env::var_os("STEEPLE_UPDATE_GOLDEN").is_some() {
        fs::write(golden(name), found).unwrap();
    } else {
        assert_eq!(found, expected, "{name} differs; STEEPLE_UPDATE_GOLDEN=1 cargo test writes it");
    }
}

#[test]
fn the_default_file_is_as_reviewed() {
    check_golden(
        "steeple.toml",
        &Config::default_toml(),
        &fs::read_to_string(golden("steeple.toml")).unwrap_or_default(),
    );
}

#[test]
fn the_default_file_changes_nothing_and_uncommented_every_key_is_accepted() {
    let file = Config::default_toml();
    assert_eq!(Site::new(file.as_str()).loaded().redacted(), Config::default().redacted());

    let uncommented = file.lines().map(uncomment).collect::<Vec<_>>().join("\n");
    let config = Site::new(uncommented.as_str())
        .variable("SECRET_KEY", "a secret of the test that has 32 bytes")
        .variable("NATS_TOKEN", "a token")
        .variable("CENTRIFUGO_API_KEY", "a-key")
        .file("keys/2026.pem", "a key")
        .file("keys/redis-ca.pem", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
        .loaded();
    let mut set = toml::from_str::<toml::Table>(&uncommented).unwrap();
    set.remove("settings");
    for (section, keys) in set {
        for key in keys.as_table().unwrap().keys() {
            assert!(config.origins.of(&format!("{section}.{key}")).is_some(), "{section}.{key} was not read");
        }
    }
}

/// `#key = value` is a key that is commented out, `# text` is a comment.
fn uncomment(line: &str) -> &str {
    match line.strip_prefix('#') {
        Some(key) if !key.starts_with(' ') => key,
        _ => line,
    }
}

#[test]
fn every_key_of_every_section_is_in_the_default_file() {
    // A section's type names its fields when it refuses one: nothing can be added without being described.
    let file = Config::default_toml();
    let fields = |error: toml::de::Error| {
        let (_, names) = error.message().split_once("expected ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        names.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let nonsense = "nonsense = 1";
    let sections = [
        ("server", fields(toml::from_str::<steeple::server::Config>(nonsense).unwrap_err())),
        ("database", fields(refusal_of(|config| &config.database, nonsense))),
        ("log", fields(refusal_of(|config| &config.log, nonsense))),
        ("calls", fields(toml::from_str::<steeple::interceptor::Config>(nonsense).unwrap_err())),
        ("cache", fields(refusal_of(|config| &config.cache, nonsense))),
        ("apps", fields(refusal_of(|config| &config.apps, nonsense))),
    ];
    for (section, names) in sections {
        let body = file.split_once(&format!("\n[{section}]\n")).unwrap().1;
        let body = body.split("\n[").next().unwrap();
        let described: Vec<_> = body
            .lines()
            .map(uncomment)
            .filter(|l| !l.starts_with('#'))
            .filter_map(|l| l.split_once(" = "))
            .map(|(k, _)| k)
            .collect();
        assert_eq!(described, names, "[{section}]");
    }
}

/// How the type of a section refuses a text.
fn refusal_of<T: serde::de::DeserializeOwned>(_: impl Fn(&Config) -> &T, text: &str) -> toml::de::Error {
    toml::from_str::<T>(text).err().expect("refused")
}

// === nothing panics ===

fn value() -> impl Strategy<Value = toml::Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(toml::Value::Boolean),
        any::<i64>().prop_map(toml::Value::Integer),
        any::<f64>().prop_map(toml::Value::Float),
        "\\PC{0,12}".prop_map(toml::Value::String),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(toml::Value::Array),
            prop::collection::vec(("\\PC{0,8}", inner), 0..4)
                .prop_map(|pairs| toml::Value::Table(pairs.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    let known = [
        "grpc",
        "http",
        "drain",
        "compression",
        "url",
        "max_connections",
        "queue",
        "on_full",
        "custom_services",
        "crypto",
    ];
    prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), "\\PC{0,8}"]
}

fn document() -> impl Strategy<Value = toml::Table> {
    let known = ["server", "database", "log", "calls", "apps", "settings", "env"];
    let name = prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), "\\PC{0,8}"];
    let section = prop_oneof![
        3 => prop::collection::vec((key(), value()), 0..5).prop_map(|pairs| toml::Value::Table(pairs.into_iter().collect())),
        1 => value(),
    ];
    prop::collection::vec((name, section), 0..5).prop_map(|sections| sections.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_table_is_loaded_or_refused(document in document()) {
        if let Ok(config) = Site::new(document.to_string()).load() {
            let _ = format!("{config:?}");
            let _ = config.settings::<Crypto>("crypto");
        }
    }

    #[test]
    fn any_text_is_loaded_or_refused(text in "\\PC{0,60}", name in "STEEPLE_[A-Z_]{0,20}", value in "\\PC{0,20}", key in "[a-z._]{0,20}") {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("steeple.toml"), text).unwrap();
        let _ = Config::load(directory.path(), [(name, value.clone())], &[(key, value)]);
        let _ = Config::load(directory.path(), no_variables(), &[]);
    }
}
