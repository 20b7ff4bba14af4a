//! Tokens: what is accepted, what is refused, and what becomes of refresh tokens.

mod calls;
mod claims;
mod corpus;
mod families;
mod keys;
mod mutation;
mod secret;
mod simplejwt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};
use steeple::{
    Code, Error, User,
    auth::{AccessClaims, Config, Secret, Tokens},
    clock,
};

use crate::databases::Database;

/// The site's secret key in these tests.
pub const SECRET: &str = "a secret of these tests, longer than the 64 bytes that suit HS512 best";

/// A site's tokens, with the database behind them.
pub struct Site {
    pub tokens: Tokens,
    _database: Database,
}

impl Site {
    /// With the secret key of these tests, and otherwise as told.
    pub async fn new(configure: impl FnOnce(&mut Config)) -> Self {
        Self::tried(configure).await.unwrap()
    }

    /// The same, or why it would not start.
    pub async fn tried(configure: impl FnOnce(&mut Config)) -> Result<Self, String> {
        let mut config = Config::default();
        configure(&mut config);
        let database = Database::sqlite().await.unwrap();
        let tokens = Tokens::new(database.connect().await, &config, &Secret::new(SECRET));
        // As `doctor` asks, without a database.
        assert_eq!(Tokens::check(&config).err(), tokens.as_ref().err().cloned());
        Ok(Self { tokens: tokens?, _database: database })
    }

    pub fn verify(&self, token: &str) -> Result<AccessClaims, Error> {
        self.tokens.verify_access(token)
    }

    /// Refused, in the words that callers get; gives those of the log.
    pub fn refused(&self, what: &str, token: &str) -> String {
        for time in ["first", "second"] {
            match self.verify(token) {
                Ok(claims) => panic!("{what}: accepted the {time} time, as {claims:?}"),
                Err(error) => {
                    assert_eq!(error.code(), Code::Unauthenticated, "{what}");
                    assert!(["the token is not valid", "the token has expired"].contains(&error.message()), "{what}");
                }
            }
        }
        self.verify(token).unwrap_err().for_log()
    }
}

/// A user of these tests.
pub fn user(id: i64) -> User {
    User {
        id,
        username: format!("user{id}"),
        email: String::new(),
        first_name: String::new(),
        last_name: String::new(),
        is_staff: false,
        is_superuser: false,
        permissions: [].into(),
    }
}

/// The present second.
pub fn now() -> i64 {
    clock::now().timestamp()
}

/// Claims that are right, as simplejwt writes them.
pub fn claims() -> Value {
    json!({ "token_type": "access", "exp": now() + 300, "iat": now(), "jti": "51f7c8a1", "user_id": 7 })
}

/// The right claims with one of them changed, or taken out by `null`.
pub fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let map = claims.as_object_mut().unwrap();
    if value.is_null() {
        map.remove(name);
    } else {
        map.insert(name.to_owned(), value);
    }
    claims
}

pub fn hmac() -> EncodingKey {
    EncodingKey::from_secret(SECRET.as_bytes())
}

/// A token of any content, with a signature that fits it.
pub fn signed(header: &str, claims: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// One signed with the secret of these tests.
pub fn token(claims: &Value) -> String {
    signed(r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string(), Algorithm::HS256, &hmac())
}

/// A key pair of these tests.
pub struct Pem {
    pub private: &'static str,
    pub public: &'static str,
}

macro_rules! pem {
    ($name:literal) => {
        $crate::tokens::Pem {
            private: include_str!(concat!("tokens/keys/", $name, ".pem")),
            public: include_str!(concat!("tokens/keys/", $name, ".pub.pem")),
        }
    };
}

pub const RSA: Pem = pem!("rsa");
pub const RSA_OTHER: Pem = pem!("rsa_other");
pub const RSA_WEAK: Pem = pem!("rsa_weak");
pub const P256: Pem = pem!("p256");
pub const P384: Pem = pem!("p384");
pub const ED25519: Pem = pem!("ed25519");
pub const P256_SEC1: &str = include_str!("tokens/keys/p256_sec1.pem");
pub const CERTIFICATE: &str = include_str!("tokens/keys/rsa.crt.pem");

/// Signs with this key pair.
pub fn key_of(algorithm: Algorithm, pem: &Pem) -> EncodingKey {
    let bytes = pem.private.as_bytes();
    match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(bytes).unwrap(),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(bytes).unwrap(),
        _ => EncodingKey::from_rsa_pem(bytes).unwrap(),
    }
}

/// Makes a site sign with this key pair.
pub fn signs_with(algorithm: &str, pem: &Pem) -> impl FnOnce(&mut Config) {
    let (algorithm, private) = (algorithm.to_owned(), Secret::new(pem.private));
    move |config| {
        config.jwt_algorithm = algorithm;
        config.jwt_signing_key = Some(private);
    }
}
