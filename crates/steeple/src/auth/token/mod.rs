//! Tokens: signed texts that say who the caller is, with the claims of djangorestframework-simplejwt.
//!
//! Takes a user whose password was right; gives a [`Pair`]: an access token, which is good for minutes and is checked
//! without asking anybody, and a refresh token, which is good for days, once, and is exchanged for the next pair. Takes a
//! token back; gives its user, or UNAUTHENTICATED.
//!
//! | file | what |
//! |---|---|
//! | `keys.rs`, `key.rs` | what signs and what verifies, each key bound to the algorithms of its kind |
//! | `claims.rs` | what a token says, and whether that holds here and now |
//! | `family.rs` | the table behind refresh tokens: one row per login |
//!
//! An access token is good until it expires, whatever happens to its family; a user who is gone or inactive is refused
//! all the same, because the user is looked at in each call.
//!
//! Must never: accept an algorithm that the configuration does not name, or let a key verify what another kind of key
//! signed; keep the text of a token anywhere but in memory; tell a caller what was wrong with a token, except that it
//! has expired.

mod claims;
mod family;
mod key;
mod keys;

use std::{fmt, sync::Arc, time::Duration};

use jsonwebtoken::{TokenData, decode, decode_header};
use moka::sync::Cache;
use tokio_util::sync::CancellationToken;

pub(super) use self::family::Families;
use self::{
    claims::{Claims, Kind, Object, Rules},
    keys::Keys,
};
use super::{Config, Secret, User, config::SECRET_BYTES};
use crate::{
    clock,
    db::Db,
    error::{Error, Result},
};

/// Longest token that is looked at, in bytes. A server takes 16 KiB of metadata by default.
const MOST_BYTES: usize = 8 * 1024;
/// Memory for the texts of access tokens that were verified, and what each costs besides its text. Only tokens that
/// hold are remembered, so an outsider cannot fill it.
const REMEMBERED_BYTES: u64 = 16 * 1024 * 1024;
const ENTRY_BYTES: usize = 200;

/// Makes and verifies the tokens of a site. Cheap to clone.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    keys: Keys,
    rules: Rules,
    families: Families,
    /// Access tokens that were verified, by their whole text: a signature is checked once. The cache hashes it with a
    /// key of this process before it compares, so the time of a lookup tells nothing of a token.
    known: Cache<Arc<str>, AccessClaims>,
    access_lifetime: Duration,
    refresh_lifetime: Duration,
}

/// What an access token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessClaims {
    /// `auth_user.id` of the one it was given to.
    pub user_id: i64,
    /// The second from which it is no longer good, since 1970.
    pub expires: i64,
}

/// What a refresh token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshClaims {
    /// `auth_user.id` of the one it was given to.
    pub user_id: i64,
    /// The second from which it is no longer good, since 1970.
    pub expires: i64,
    /// The login that it descends from.
    family: String,
    /// Its own number.
    jti: String,
}

/// A token of either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// Opens methods.
    Access(AccessClaims),
    /// Is exchanged for the next pair.
    Refresh(RefreshClaims),
}

/// The two tokens of a user who has just proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// For the metadata of each call: `authorization: Bearer …`.
    pub access: Secret,
    /// For the next pair.
    pub refresh: Secret,
    /// How long the access token is good.
    pub expires_in: Duration,
}

impl Tokens {
    /// Reads the keys of the configuration. `secret` is the site's secret key, which signs with HMAC.
    ///
    /// # Errors
    /// A sentence that names the key of the configuration that cannot be used.
    pub fn new(db: Db, config: &Config, secret: &Secret) -> Result<Self, String> {
        let known = Cache::builder()
            .max_capacity(REMEMBERED_BYTES)
            .weigher(|text: &Arc<str>, _: &AccessClaims| (text.len() + ENTRY_BYTES) as u32)
            .build();
        Ok(Self(Arc::new(Inner {
            keys: Keys::new(config, secret)?,
            rules: Rules::new(config),
            families: Families::new(db),
            known,
            access_lifetime: config.access_lifetime,
            refresh_lifetime: config.refresh_lifetime,
        })))
    }

    /// Whether the keys of the configuration can be used, without a database: as if it had a secret key, if it has none.
    ///
    /// # Errors
    /// As [`Tokens::new`].
    pub fn check(config: &Config) -> Result<(), String> {
        let any = || Secret::new("?".repeat(SECRET_BYTES));
        Keys::new(config, &config.secret_key.clone().unwrap_or_else(any)).map(drop)
    }

    /// What this access token says, if it is one, was signed with a key of this site, and is good now. Asks nobody:
    /// whether the user is still there and active is for the caller to find out.
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub fn verify_access(&self, token: &str) -> Result<AccessClaims> {
        if let Some(claims) = self.0.known.get(token) {
            // All that can change about a token that was good is the time.
            let expired = self.0.rules.expired(claims.expires, clock::now());
            if !expired {
                return Ok(claims);
            }
            self.0.known.invalidate(token);
            return Err(claims::expired());
        }
        match self.verify(token)? {
            Verified::Access(claims) => {
                self.0.known.insert(token.into(), claims);
                Ok(claims)
            }
            Verified::Refresh(_) => Err(invalid("a refresh token was sent as an access token")),
        }
    }

    /// The same for a refresh token, which must besides be the last one of its family; see [`rotate`](Self::rotate).
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub fn verify_refresh(&self, token: &str) -> Result<RefreshClaims> {
        match self.verify(token)? {
            Verified::Refresh(claims) => Ok(claims),
            Verified::Access(_) => Err(invalid("an access token was sent as a refresh token")),
        }
    }

    /// What this token says, of whichever kind it is.
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub fn verify(&self, token: &str) -> Result<Verified> {
        let claims = self.open(token)?;
        self.0.rules.check(&claims, clock::now())?;
        let Claims { user_id, exp: expires, jti, .. } = claims;
        match (claims.token_type, claims.family) {
            (Kind::Access, _) => Ok(Verified::Access(AccessClaims { user_id, expires })),
            (Kind::Refresh, Some(family)) => Ok(Verified::Refresh(RefreshClaims { user_id, expires, family, jti })),
            (Kind::Refresh, None) => Err(invalid("a refresh token that was not made here")),
        }
    }

    /// The first pair of a user who has just proved who they are: begins a family.
    ///
    /// # Errors
    /// UNAVAILABLE when the database is, INTERNAL when the key does not sign.
    pub async fn issue(&self, user: &User) -> Result<Pair> {
        let (family, jti) = (family::new_id(), family::new_id());
        let now = clock::now();
        self.0.families.begin(&family, user.id, &jti, now, now + self.0.refresh_lifetime).await?;
        self.signed(user.id, family, jti, now).await
    }

    /// The next pair for the holder of this refresh token, which is used up by it. One that was used before revokes
    /// its whole family: whoever of the two holders was first, one of them has stolen it.
    ///
    /// Of several uses at once exactly one gets a pair.
    ///
    /// # Errors
    /// UNAUTHENTICATED for a token that is used up or revoked.
    pub async fn rotate(&self, claims: RefreshClaims) -> Result<Pair> {
        let RefreshClaims { user_id, family, jti, .. } = claims;
        let next = family::new_id();
        let now = clock::now();
        if self.0.families.advance(&family, &jti, &next, now, now + self.0.refresh_lifetime).await? {
            return self.signed(user_id, family, next, now).await;
        }
        if self.0.families.revoke(&family, now).await? {
            tracing::warn!(user_id, family, "a refresh token was used twice, all tokens of its login are revoked");
        }
        Err(invalid("the refresh token was used before, or is revoked"))
    }

    /// Ends the family of this refresh token. Of no effect on one that has ended.
    ///
    /// # Errors
    /// UNAVAILABLE when the database is.
    pub async fn revoke(&self, claims: &RefreshClaims) -> Result<()> {
        self.0.families.revoke(&claims.family, clock::now()).await.map(drop)
    }

    /// Whether this refresh token could be exchanged now.
    ///
    /// # Errors
    /// UNAVAILABLE when the database is.
    pub async fn is_alive(&self, claims: &RefreshClaims) -> Result<bool> {
        self.0.families.is_at(&claims.family, &claims.jti).await
    }

    /// Removes the rows of families whose last token has expired, now and then, until `end`.
    pub async fn sweep(self, end: CancellationToken) {
        end.run_until_cancelled(self.0.families.sweep()).await;
    }

    /// Header and signature: the claims, as whoever has one of our keys wrote them.
    fn open(&self, token: &str) -> Result<Claims> {
        if token.len() > MOST_BYTES {
            return Err(invalid("it is longer than 8 KiB"));
        }
        let header = decode_header(token).map_err(|_| invalid("its header is none"))?;
        if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() || header.cty.is_some() {
            return Err(invalid("its header asks for what is not understood here"));
        }
        let typ = header.typ.as_deref().unwrap_or("JWT");
        if !typ.eq_ignore_ascii_case("JWT") && !typ.eq_ignore_ascii_case("at+jwt") {
            return Err(invalid("its header says that it is something else than a token"));
        }
        let key = self.0.keys.verifying(header.kid.as_deref()).ok_or_else(|| invalid("no key has its kid"))?;
        // The algorithm is the key's business: what the header names is only accepted when this key is for it.
        let TokenData { claims: Object(claims), .. } =
            decode(token, &key.key, &key.validation).map_err(|error| invalid(keys::because(&error)))?;
        Ok(claims)
    }

    /// Signs off the runtime: an RSA signature takes milliseconds.
    async fn signed(&self, user_id: i64, family: String, jti: String, now: clock::Time) -> Result<Pair> {
        let this = self.clone();
        let signing = move || {
            let Inner { keys, rules, access_lifetime, refresh_lifetime, .. } = &*this.0;
            let access = rules.claims(Kind::Access, user_id, family::new_id(), None, now, *access_lifetime);
            let refresh = rules.claims(Kind::Refresh, user_id, jti, Some(family), now, *refresh_lifetime);
            let failed = |error| Error::internal("internal error").because(error);
            let access = Secret::new(keys.sign(&access).map_err(failed)?);
            let refresh = Secret::new(keys.sign(&refresh).map_err(failed)?);
            Ok(Pair { access, refresh, expires_in: *access_lifetime })
        };
        let signed = tokio::task::spawn_blocking(signing).await;
        signed.map_err(|error| Error::internal("internal error").because(error))?
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("keys", &self.0.keys).finish_non_exhaustive()
    }
}

/// The one sentence for callers; what was wrong is for the log.
fn invalid(because: &'static str) -> Error {
    Error::unauthenticated("the token is not valid").because(because)
}
