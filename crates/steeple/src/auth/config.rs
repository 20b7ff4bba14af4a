//! Section `[auth]`: who may call, and how callers prove who they are.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::Secret;

/// The algorithms a token may be signed with (RFC 7518 section 3.1, RFC 8037 section 3.1). `none` is not among them.
/// Not ES512: the library that signs has no P-521.
pub const ALGORITHMS: [&str; 12] =
    ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// Fewest bytes of a secret key in production, and of one that signs with HMAC (RFC 7518 section 3.2: the hash's size).
pub const SECRET_BYTES: usize = 32;

/// Password checks at once, at most: each takes a thread and a hundred megabytes.
const MOST_CHECKS: usize = 256;

/// Section `[auth]`. Each key is described in the default configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A method that no rule names needs an authenticated caller. Off: such a method keeps the site from starting.
    pub require_auth: bool,
    /// Methods, services and patterns that anyone may call.
    pub public_methods: Vec<String>,
    /// The site's secret key. Not set: in development and test a random one that the database keeps.
    pub secret_key: Option<Secret>,
    /// What tokens are signed with here.
    pub jwt_algorithm: String,
    /// What tokens may be signed with. Empty: [`jwt_algorithm`](Self::jwt_algorithm) alone.
    pub jwt_algorithms: Vec<String>,
    /// The private key in PEM that signs, for RS, PS, ES and EdDSA. HS signs with the secret key.
    pub jwt_signing_key: Option<Secret>,
    /// The `kid` of tokens made here.
    pub jwt_key_id: Option<String>,
    /// Public keys in PEM (or HMAC secrets) that verify, by `kid`: keys of other issuers, and retired ones of this site.
    pub jwt_verifying_keys: BTreeMap<String, Secret>,
    /// `iss` of tokens made here; when set, tokens must have it.
    pub jwt_issuer: Option<String>,
    /// `aud` of tokens made here; when set, tokens must have it.
    pub jwt_audience: Option<String>,
    /// How far the clocks of two machines may be apart.
    #[serde(with = "humantime_serde")]
    pub jwt_leeway: Duration,
    /// How long an access token is good.
    #[serde(with = "humantime_serde")]
    pub access_lifetime: Duration,
    /// How long a refresh token is good.
    #[serde(with = "humantime_serde")]
    pub refresh_lifetime: Duration,
    /// How long a user and their permissions are remembered.
    #[serde(with = "humantime_serde")]
    pub user_cache: Duration,
    /// The format of new password hashes.
    pub password_hasher: Hasher,
    /// Password checks at once. 0: as many as there are cores.
    pub password_checks: usize,
    /// Failed logins of one user from one address within the window before further ones are refused. 0: no limit.
    pub login_attempts: u32,
    /// The window.
    #[serde(with = "humantime_serde")]
    pub login_window: Duration,
    /// The cookie that names a browser session.
    pub session_cookie: String,
    /// How long a browser session lasts at most.
    #[serde(with = "humantime_serde")]
    pub session_lifetime: Duration,
    /// How long a browser session lasts without a request.
    #[serde(with = "humantime_serde")]
    pub session_idle: Duration,
    /// Browsers send the cookie over TLS alone. Not set: in production.
    pub session_secure: Option<bool>,
    /// The metadata key that carries an API key.
    pub api_key_header: String,
    /// How long an API key is remembered on other nodes than the one that changes it.
    #[serde(with = "humantime_serde")]
    pub api_key_cache: Duration,
    /// Takes the secret key as the API key of the first active superuser. Development only.
    pub accept_secret_key: bool,
}

/// The format of new password hashes; all of Django's are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hasher {
    /// argon2id with Django's parameters.
    #[default]
    Argon2,
    /// Django's default.
    Pbkdf2Sha256,
}

/// Metadata keys that mean something else already.
const TAKEN: [&str; 9] = [
    "authorization",
    "connection",
    "content-type",
    "cookie",
    "host",
    "te",
    "traceparent",
    "user-agent",
    "x-request-id",
];

impl Default for Config {
    fn default() -> Self {
        Self {
            require_auth: true,
            public_methods: vec![],
            secret_key: None,
            jwt_algorithm: "HS256".to_owned(),
            jwt_algorithms: vec![],
            jwt_signing_key: None,
            jwt_key_id: None,
            jwt_verifying_keys: BTreeMap::new(),
            jwt_issuer: None,
            jwt_audience: None,
            jwt_leeway: Duration::ZERO,
            access_lifetime: Duration::from_secs(15 * 60),
            refresh_lifetime: Duration::from_secs(24 * 60 * 60),
            user_cache: Duration::from_secs(5),
            password_hasher: Hasher::default(),
            password_checks: 0,
            login_attempts: 5,
            login_window: Duration::from_secs(5 * 60),
            session_cookie: "steeple_session".to_owned(),
            session_lifetime: Duration::from_secs(12 * 60 * 60),
            session_idle: Duration::from_secs(2 * 60 * 60),
            session_secure: None,
            api_key_header: "x-api-key".to_owned(),
            api_key_cache: Duration::from_secs(5),
            accept_secret_key: false,
        }
    }
}

impl Config {
    /// The algorithms a token may be signed with.
    pub fn algorithms(&self) -> Vec<&str> {
        if self.jwt_algorithms.is_empty() {
            vec![&self.jwt_algorithm]
        } else {
            self.jwt_algorithms.iter().map(String::as_str).collect()
        }
    }

    /// What is wrong with the values, as (key, sentence). Empty when nothing is. Each environment
    /// has its own.
    pub fn validate(&self, production: bool, development: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let known = |name: &str| ALGORITHMS.contains(&name);
        let algorithms = || ALGORITHMS.join(", ");
        if !known(&self.jwt_algorithm) {
            wrong.push(("jwt_algorithm", format!("must be one of {}", algorithms())));
        }
        if let Some(strange) = self.jwt_algorithms.iter().find(|name| !known(name)) {
            wrong.push(("jwt_algorithms", format!("{strange} is not among {}", algorithms())));
        }
        if known(&self.jwt_algorithm) && !self.algorithms().contains(&self.jwt_algorithm.as_str()) {
            wrong.push(("jwt_algorithms", format!("must have {}, which this site signs with", self.jwt_algorithm)));
        }
        if !self.jwt_algorithm.starts_with("HS") && self.jwt_signing_key.is_none() {
            wrong.push((
                "jwt_signing_key",
                format!("is needed to sign with {}: a private key in PEM", self.jwt_algorithm),
            ));
        }
        let short = |secret: &Secret| secret.expose().len() < SECRET_BYTES;
        match &self.secret_key {
            None if production => {
                wrong.push((
                    "secret_key",
                    "must be set in production: at least 32 random bytes, as `openssl rand -base64 48` prints"
                        .to_owned(),
                ));
            }
            Some(secret) if production && short(secret) => {
                wrong.push(("secret_key", format!("must have at least {SECRET_BYTES} bytes in production")));
            }
            Some(secret) if production && is_no_secret(secret.expose()) => {
                wrong.push((
                    "secret_key",
                    "is no secret: it begins with django-insecure-, or has less than five different characters; \
                     `openssl rand -base64 48` prints one"
                        .to_owned(),
                ));
            }
            Some(secret) if secret.expose().is_empty() => wrong.push(("secret_key", "must not be empty".to_owned())),
            _ => {}
        }
        if !development && self.accept_secret_key {
            wrong.push((
                "accept_secret_key",
                "opens the site to whoever has its secret key; it works with STEEPLE_ENV=development only".to_owned(),
            ));
        }
        let lifetimes = [
            ("access_lifetime", self.access_lifetime),
            ("refresh_lifetime", self.refresh_lifetime),
            ("session_lifetime", self.session_lifetime),
            ("session_idle", self.session_idle),
        ];
        for (key, time) in lifetimes {
            if time < Duration::from_secs(1) {
                wrong.push((key, "must be at least 1s".to_owned()));
            }
        }
        if self.access_lifetime > self.refresh_lifetime {
            wrong.push(("refresh_lifetime", "is shorter than access_lifetime; make it at least as long".to_owned()));
        }
        let times = [
            ("jwt_leeway", self.jwt_leeway, 600),
            ("user_cache", self.user_cache, 3600),
            ("api_key_cache", self.api_key_cache, 3600),
            ("login_window", self.login_window, 86_400),
            ("access_lifetime", self.access_lifetime, 366 * 86_400),
            ("refresh_lifetime", self.refresh_lifetime, 366 * 86_400),
            ("session_lifetime", self.session_lifetime, 366 * 86_400),
            ("session_idle", self.session_idle, 366 * 86_400),
        ];
        for (key, _, most) in times.into_iter().filter(|(_, time, most)| time.as_secs() > *most) {
            wrong.push((key, format!("must be at most {most}s")));
        }
        if self.password_checks > MOST_CHECKS {
            wrong.push(("password_checks", format!("must be at most {MOST_CHECKS}")));
        }
        if self.login_attempts > 0 && self.login_window.is_zero() {
            wrong.push(("login_window", "must be longer than 0s while login_attempts is set".to_owned()));
        }
        // What a cookie's name and a header's may be made of is the same (RFC 6265 section 4.1.1).
        if http::HeaderName::from_bytes(self.session_cookie.as_bytes()).is_err() {
            wrong.push(("session_cookie", "must be a name such as steeple_session".to_owned()));
        }
        let is_free = |name: &str| !name.ends_with("-bin") && !name.starts_with("grpc-") && !TAKEN.contains(&name);
        let name = http::HeaderName::from_bytes(self.api_key_header.as_bytes());
        if !name.is_ok_and(|name| name.as_str() == self.api_key_header && is_free(name.as_str())) {
            wrong.push((
                "api_key_header",
                "must be a metadata key of its own such as x-api-key: lower case, not ending in -bin, and none that \
                 gRPC, HTTP or Steeple uses"
                    .to_owned(),
            ));
        }
        wrong
    }
}
/// What Django's `check --deploy` warns of (security.W009), but for the length.
fn is_no_secret(text: &str) -> bool {
    let different: std::collections::BTreeSet<char> = text.trim().chars().collect();
    different.len() < 5 || text.starts_with("django-insecure-")
}
