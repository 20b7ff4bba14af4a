//! From the metadata of a call to its [`Principal`].
//!
//! A call may carry one credential: `authorization: Bearer <access token>`, or an API key under its own metadata key. Two
//! of them contradict each other and are refused, as is one that does not hold. What the caches know is answered at once,
//! without a query and without an allocation.
//!
//! Must never: take a credential that does not hold for none.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{ApiKey, ApiKeys, Config, Principal, SiteKey, Tokens, User, Users};
use crate::{
    db::Db,
    error::{Error, Result},
};

/// Longest credential that is looked at, in bytes.
const LONGEST: usize = 8 * 1024;

/// Finds out who calls. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Authenticator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    users: Users,
    tokens: Tokens,
    keys: ApiKeys,
    site_key: SiteKey,
    api_key_header: HeaderName,
}

/// What came with a call.
enum Credential<'m> {
    Absent,
    Token(&'m str),
    Key(&'m str),
}

impl Authenticator {
    /// # Errors
    /// `auth.api_key_header` is no name of a header.
    pub fn new(
        db: Db,
        config: &Config,
        users: Users,
        tokens: Tokens,
        keys: ApiKeys,
        site_key: SiteKey,
    ) -> Result<Self, String> {
        let api_key_header = HeaderName::from_bytes(config.api_key_header.as_bytes())
            .map_err(|_| format!("auth.api_key_header: {:?} is no metadata key", config.api_key_header))?;
        Ok(Self(Arc::new(Inner { db, users, tokens, keys, site_key, api_key_header })))
    }

    /// The answer without waiting: for calls without a credential, and for credentials that the caches know. `None`:
    /// ask [`authenticate`](Self::authenticate).
    pub fn at_once(&self, metadata: &HeaderMap) -> Option<Result<Principal>> {
        let Inner { users, tokens, keys, site_key, .. } = &*self.0;
        match self.credential(metadata) {
            Err(error) => Some(Err(error)),
            Ok(Credential::Absent) => Some(Ok(Principal::Anonymous)),
            Ok(Credential::Token(token)) => match tokens.verify_access(token) {
                Ok(claims) => Some(of_token(users.known(claims.user_id)?)),
                Err(error) => Some(Err(error)),
            },
            Ok(Credential::Key(text)) if site_key.is(text) => None,
            Ok(Credential::Key(text)) => match keys.known(text)? {
                Ok(key) => {
                    let user = users.known(key.user_id)?;
                    Some(self.of_key(key, user))
                }
                Err(error) => Some(Err(error)),
            },
        }
    }

    /// Who calls.
    ///
    /// # Errors
    /// UNAUTHENTICATED for a credential that is present and does not hold. UNAVAILABLE while the database is away.
    pub async fn authenticate(&self, metadata: &HeaderMap) -> Result<Principal> {
        let Inner { db, users, tokens, keys, site_key, .. } = &*self.0;
        match self.credential(metadata)? {
            Credential::Absent => Ok(Principal::Anonymous),
            Credential::Token(token) => of_token(users.active(tokens.verify_access(token)?.user_id).await?),
            Credential::Key(text) if site_key.is(text) => {
                let user = users.active(site_key.user(db).await?).await?;
                user.map(Principal::User).ok_or_else(|| invalid("the api key is not valid", "no active superuser"))
            }
            Credential::Key(text) => {
                let key = keys.find(text).await?;
                let user = users.active(key.user_id).await?;
                self.of_key(key, user)
            }
        }
    }

    /// The same caller as of now, without waiting: what a session that goes on for hours is asked. `None`: ask
    /// [`again`](Self::again).
    pub fn again_at_once(&self, principal: &Principal) -> Option<Result<Principal>> {
        let Inner { users, keys, .. } = &*self.0;
        match principal {
            Principal::Anonymous => Some(Ok(Principal::Anonymous)),
            Principal::User(user) => Some(still(users.known(user.id)?, Principal::User)),
            Principal::ApiKey(key, user) => match keys.known_again(key)? {
                Ok(key) => Some(still(users.known(user.id)?, |user| Principal::ApiKey(key, user))),
                Err(error) => Some(Err(error)),
            },
        }
    }

    /// The same caller as of now. That an access token has expired is no end of what was begun with it.
    ///
    /// # Errors
    /// UNAUTHENTICATED for a user who is no longer active, or a key that no longer holds. UNAVAILABLE while the database is
    /// away.
    pub async fn again(&self, principal: &Principal) -> Result<Principal> {
        let Inner { users, keys, .. } = &*self.0;
        match principal {
            Principal::Anonymous => Ok(Principal::Anonymous),
            Principal::User(user) => still(users.active(user.id).await?, Principal::User),
            Principal::ApiKey(key, user) => {
                let key = keys.again(key).await?;
                still(users.active(user.id).await?, |user| Principal::ApiKey(key, user))
            }
        }
    }

    /// The one credential of a call.
    fn credential<'m>(&self, metadata: &'m HeaderMap) -> Result<Credential<'m>> {
        let mut tokens = metadata.get_all(header::AUTHORIZATION).iter();
        let mut keys = metadata.get_all(&self.0.api_key_header).iter();
        match (tokens.next(), keys.next()) {
            (None, None) => Ok(Credential::Absent),
            (Some(token), None) if tokens.next().is_none() => bearer(token).map(Credential::Token),
            (None, Some(key)) if keys.next().is_none() => {
                let text = text(key).filter(|text| !text.is_empty());
                text.map(Credential::Key)
                    .ok_or_else(|| invalid("the api key is not valid", "empty, too long or not ASCII"))
            }
            _ => Err(invalid("send one credential: a token or an api key", "several credentials in one call")),
        }
    }

    fn of_key(&self, key: Arc<ApiKey>, user: Option<Arc<User>>) -> Result<Principal> {
        let user = user.ok_or_else(|| invalid("the api key is not valid", "its user is gone or inactive"))?;
        self.0.keys.used(&key);
        Ok(Principal::ApiKey(key, user))
    }
}

fn of_token(user: Option<Arc<User>>) -> Result<Principal> {
    user.map(Principal::User).ok_or_else(|| invalid("the token is not valid", "its user is gone or inactive"))
}

fn still(user: Option<Arc<User>>, principal: impl FnOnce(Arc<User>) -> Principal) -> Result<Principal> {
    user.map(principal).ok_or_else(|| invalid("the user of this session is not active any more", "gone or inactive"))
}

/// The token of `Bearer <token>` (RFC 6750 section 2.1); the scheme in any case (RFC 9110 section 11.1).
fn bearer(value: &HeaderValue) -> Result<&str> {
    let token =
        text(value).and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let token = token.map(|(_, token)| token.trim_matches(' ')).filter(|token| !token.is_empty());
    token.ok_or_else(|| invalid("the token is not valid", "authorization is not `Bearer <token>`"))
}

fn text(value: &HeaderValue) -> Option<&str> {
    Some(value).filter(|value| value.len() <= LONGEST)?.to_str().ok()
}

fn invalid(said: &'static str, cause: &'static str) -> Error {
    Error::unauthenticated(said).because(cause)
}
