//! What a token says, and whether that holds here and now.
//!
//! The claims are simplejwt's (`token_type`, `exp`, `iat`, `jti`, `user_id`), `iss`, `aud` and `nbf` as RFC 7519 has them,
//! and `family` in refresh tokens made here. Times are whole seconds, as simplejwt writes them; RFC 7519 would allow
//! fractions. A claim given twice is refused (RFC 7519 section 4).

use std::{fmt, marker::PhantomData, time::Duration};

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::invalid;
use crate::{
    auth::Config,
    clock::Time,
    error::{Error, Result},
};

/// The last second that a calendar with years of four digits has: a later `exp` is a mistake of whoever made it.
const LAST_SECOND: i64 = 253_402_300_799;
/// Longest `jti` and `family`, in bytes.
const MOST_ID_BYTES: usize = 255;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Access,
    Refresh,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub token_type: Kind,
    pub exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    pub jti: String,
    #[serde(deserialize_with = "user_id")]
    pub user_id: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
}

/// A JSON object: serde would take a list of the same values too.
#[derive(Debug)]
pub(super) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Entries<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: de::MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData)).map(Self)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.iter().any(|one| one == name),
        }
    }
}

/// simplejwt writes the id as a number or, in later versions, as text.
fn user_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct Id;

    impl de::Visitor<'_> for Id {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the id of a user")
        }

        fn visit_i64<E: de::Error>(self, id: i64) -> Result<i64, E> {
            if id > 0 { Ok(id) } else { Err(E::custom("an id is above 0")) }
        }

        fn visit_u64<E: de::Error>(self, id: u64) -> Result<i64, E> {
            self.visit_i64(i64::try_from(id).map_err(|_| E::custom("an id has 63 bits"))?)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<i64, E> {
            let id = text.parse::<i64>().map_err(|_| E::custom("an id is a number"))?;
            // One spelling: not +7, not 007.
            if id.to_string() == text { self.visit_i64(id) } else { Err(E::custom("an id is a number")) }
        }
    }

    deserializer.deserialize_any(Id)
}

/// What this site asks of a token, and says in its own.
#[derive(Debug)]
pub(super) struct Rules {
    issuer: Option<String>,
    audience: Option<String>,
    leeway: i64,
}

impl Rules {
    pub fn new(config: &Config) -> Self {
        Self {
            issuer: config.jwt_issuer.clone(),
            audience: config.jwt_audience.clone(),
            leeway: config.jwt_leeway.as_secs() as i64,
        }
    }

    /// Whether a token with this `exp` is no longer good.
    pub fn expired(&self, exp: i64, now: Time) -> bool {
        exp.saturating_add(self.leeway) <= now.timestamp()
    }

    pub fn check(&self, claims: &Claims, now: Time) -> Result<()> {
        if self.expired(claims.exp, now) {
            return Err(expired());
        }
        if claims.exp > LAST_SECOND {
            return Err(invalid("its exp is beyond the year 9999"));
        }
        if claims.nbf.is_some_and(|nbf| nbf > now.timestamp().saturating_add(self.leeway)) {
            return Err(invalid("its nbf has not come yet"));
        }
        let fits = |id: &str| (1..=MOST_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits(&claims.jti) || !claims.family.as_deref().is_none_or(fits) {
            return Err(invalid("its jti is empty, too long or not printable"));
        }
        if self.issuer.is_some() && self.issuer != claims.iss {
            return Err(invalid("its iss is not auth.jwt_issuer"));
        }
        match (&self.audience, &claims.aud) {
            (Some(ours), Some(theirs)) if theirs.has(ours) => Ok(()),
            (Some(_), _) => Err(invalid("its aud is not auth.jwt_audience")),
            // RFC 7519 section 4.1.3: one that is for somebody must be refused by whoever does not know that this is them.
            (None, Some(_)) => Err(invalid("it has an aud, and auth.jwt_audience is not set")),
            (None, None) => Ok(()),
        }
    }

    /// The claims of a token made here.
    pub fn claims(
        &self,
        token_type: Kind,
        user_id: i64,
        jti: String,
        family: Option<String>,
        now: Time,
        lifetime: Duration,
    ) -> Claims {
        // `Config::validate` keeps lifetimes within a year.
        let end = TimeDelta::from_std(lifetime).ok().and_then(|lifetime| now.checked_add_signed(lifetime));
        Claims {
            token_type,
            exp: end.map_or(LAST_SECOND, |end| end.timestamp().min(LAST_SECOND)),
            nbf: None,
            iat: Some(now.timestamp()),
            jti,
            user_id,
            iss: self.issuer.clone(),
            aud: self.audience.clone().map(Audience::One),
            family,
        }
    }
}

pub(super) fn expired() -> Error {
    Error::unauthenticated("the token has expired")
}
