//! From a username and a password to tokens, from a refresh token to the next ones, and out again.
//!
//! Must never: tell an unknown user from a wrong password, in words or in time.

use std::{fmt, net::IpAddr, sync::Arc};

use super::{
    Config, Pair, Tokens, User, Users, Verified,
    password::{self, Encoded},
    throttle::Throttle,
    users::names,
};
use crate::error::{Code, Error, Result};

/// Longest username that is looked at, in bytes: what becomes the longest one may be longer.
const MOST_USERNAME: usize = 3 * 4 * names::LONGEST;

/// Logs users in and out. Cheap to clone.
#[derive(Clone)]
pub struct Login(Arc<Inner>);

struct Inner {
    users: Users,
    tokens: Tokens,
    throttle: Throttle,
}

impl Login {
    /// Over these users and tokens, with the limits of the configuration.
    pub fn new(users: Users, tokens: Tokens, config: &Config) -> Self {
        Self(Arc::new(Inner { users, tokens, throttle: Throttle::new(config) }))
    }

    /// The first tokens of a user who says their password.
    ///
    /// # Errors
    /// UNAUTHENTICATED for a wrong password, an unknown or an inactive user; RESOURCE_EXHAUSTED with the time to wait
    /// after too many of them; INVALID_ARGUMENT for what can be neither username nor password.
    pub async fn log_in(&self, username: &str, password: &str, from: Option<IpAddr>) -> Result<Pair> {
        let (user, _) = self.check(username, password, from).await?;
        self.0.tokens.issue(&user).await
    }

    /// Whether this is the user's password, within the same limits as a login.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED with the time to wait after too many wrong ones; what the database says.
    pub async fn is_password(&self, username: &str, password: &str, from: Option<IpAddr>) -> Result<bool> {
        match self.check(username, password, from).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.code(), Code::Unauthenticated | Code::InvalidArgument) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The user whose password this is, with its hash as the table has it.
    ///
    /// # Errors
    /// As [`log_in`](Self::log_in).
    pub(super) async fn check(
        &self,
        username: &str,
        password: &str,
        from: Option<IpAddr>,
    ) -> Result<(Arc<User>, Encoded)> {
        plausible(username, password)?;
        let attempt = self.0.throttle.begin(&names::normal(username), from).await.inspect_err(|error| {
            let from = from.map(tracing::field::display);
            tracing::warn!(from, error = error.for_log(), "a login was turned away");
        })?;
        match self.0.users.verified(username, password).await {
            Ok(Some(verified)) => {
                attempt.succeeded();
                Ok(verified)
            }
            Ok(None) => {
                // Not the username: people type passwords there.
                tracing::info!(from = from.map(tracing::field::display), "a login failed");
                Err(Error::unauthenticated("the username or the password is not right"))
            }
            Err(error) => {
                attempt.undecided();
                Err(error)
            }
        }
    }

    /// The next tokens for the holder of a refresh token; that one is used up.
    ///
    /// # Errors
    /// UNAUTHENTICATED for a token that does not hold, is used up or revoked, or whose user is gone or inactive.
    pub async fn refresh(&self, token: &str) -> Result<Pair> {
        let claims = self.0.tokens.verify_refresh(token)?;
        self.active(claims.user_id).await?;
        self.0.tokens.rotate(claims).await
    }

    /// Ends what began with a login: none of its refresh tokens is good any more.
    ///
    /// # Errors
    /// UNAUTHENTICATED for a token that does not hold. One that is used up or revoked logs out as well.
    pub async fn log_out(&self, token: &str) -> Result<()> {
        let claims = self.0.tokens.verify_refresh(token)?;
        self.0.tokens.revoke(&claims).await
    }

    /// What a token of either kind says, if it is good now and its user is active.
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub async fn verify(&self, token: &str) -> Result<Verified> {
        let verified = self.0.tokens.verify(token)?;
        let user_id = match &verified {
            Verified::Access(claims) => claims.user_id,
            Verified::Refresh(claims) => {
                if !self.0.tokens.is_alive(claims).await? {
                    return Err(invalid("the refresh token was used before, or is revoked"));
                }
                claims.user_id
            }
        };
        self.active(user_id).await?;
        Ok(verified)
    }

    async fn active(&self, user_id: i64) -> Result<()> {
        match self.0.users.active(user_id).await? {
            Some(_) => Ok(()),
            None => Err(invalid("its user is gone or inactive")),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

fn invalid(because: &'static str) -> Error {
    Error::unauthenticated("the token is not valid").because(because)
}

/// Refuses what no user can have, before it costs anything.
fn plausible(username: &str, password: &str) -> Result<()> {
    for (field, text) in [("username", username), ("password", password)] {
        if text.is_empty() {
            return Err(Error::invalid(field, "may not be empty"));
        }
    }
    if username.len() > MOST_USERNAME {
        return Err(Error::invalid("username", format!("may not be longer than {} characters", names::LONGEST)));
    }
    if username.contains(char::is_control) {
        return Err(Error::invalid("username", "may not hold control characters"));
    }
    if password.len() > password::LONGEST {
        return Err(Error::invalid("password", format!("may not be longer than {} bytes", password::LONGEST)));
    }
    Ok(())
}
