//! Browser sessions, as the doors that speak HTTP know them.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use http::HeaderMap;
use subtle::ConstantTimeEq as _;

use super::User;
use crate::error::Result;

/// Somebody who is logged in with a browser.
#[derive(Clone)]
pub struct Session {
    /// Who.
    pub user: Arc<User>,
    /// What a request that changes something must repeat in `x-csrf-token`, because cookies come with requests that
    /// other sites' pages made. A secret.
    pub csrf_token: String,
}

impl Session {
    /// Whether this is the session's token, in a time that does not depend on how much of it is right.
    pub(crate) fn has_csrf_token(&self, given: &[u8]) -> bool {
        !self.csrf_token.is_empty() && bool::from(self.csrf_token.as_bytes().ct_eq(given))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Whoever keeps browser sessions: the admin, or a site that has its own logins.
#[async_trait]
pub trait Sessions: Send + Sync + 'static {
    /// The session that these headers' cookies belong to; `None` without one, or when it is over.
    ///
    /// # Errors
    /// UNAVAILABLE when it cannot be known now.
    async fn find(&self, headers: &HeaderMap) -> Result<Option<Session>>;
}
