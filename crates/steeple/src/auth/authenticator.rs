//! From the metadata of a call to its [`Principal`].

use http::{HeaderMap, header};

use super::{Config, Principal};
use crate::error::{Error, Result};

/// Finds out who calls.
#[derive(Debug)]
pub(crate) struct Authenticator {
    api_key_header: String,
}

impl Authenticator {
    pub fn new(config: &Config) -> Self {
        Self { api_key_header: config.api_key_header.clone() }
    }

    /// The answer without waiting: for calls without a credential, and for credentials that the caches know. `None`:
    /// ask [`authenticate`](Self::authenticate).
    pub fn at_once(&self, metadata: &HeaderMap) -> Option<Result<Principal>> {
        let absent = !metadata.contains_key(header::AUTHORIZATION) && !metadata.contains_key(&self.api_key_header);
        absent.then(|| Ok(Principal::Anonymous))
    }

    /// Who calls.
    ///
    /// # Errors
    /// UNAUTHENTICATED for a credential that is present and does not hold.
    #[expect(clippy::unused_async, reason = "tokens and keys, which ask the database, come next")]
    pub async fn authenticate(&self, _metadata: &HeaderMap) -> Result<Principal> {
        Err(Error::unauthenticated("the credential is not valid"))
    }
}
