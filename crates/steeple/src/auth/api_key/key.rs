//! One key, as calls see it.

use std::{fmt, sync::Arc};

use super::{KeyType, Prefix, Scopes, uses::Uses};
use crate::{clock::Time, method::Method};

/// A key that holds, as it was when last loaded (at most `auth.api_key_cache` ago).
pub struct ApiKey {
    /// `steeple_api_key.id`.
    pub id: i64,
    /// What its owner calls it.
    pub name: String,
    /// What it is for.
    pub key_type: KeyType,
    /// The public part of its text.
    pub prefix: Prefix,
    /// `auth_user.id`: on whose behalf it acts.
    pub user_id: i64,
    /// What it may be used for.
    pub scopes: Scopes,
    /// Refused from then on.
    pub expires_at: Option<Time>,
    /// Shared by all that was ever loaded of this key: a count outlives the cache.
    pub(super) uses: Arc<Uses>,
}

impl ApiKey {
    /// Whether its scopes open this method.
    pub fn allows(&self, method: &Method) -> bool {
        self.scopes.allow(method)
    }

    /// Whether this scope is among its own: `orders:write`.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.has(scope)
    }

    pub(super) fn count_use(&self) {
        self.uses.add();
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
