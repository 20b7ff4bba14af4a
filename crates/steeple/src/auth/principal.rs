//! Who calls.

use std::sync::Arc;

use super::{Access, ApiKey, User};
use crate::{
    error::{Error, Result},
    method::Method,
    record::Caller,
};

/// Who calls, as authentication found it: one value, in the context, in the record and so in each row of the log.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Principal {
    /// No credential came with the call.
    #[default]
    Anonymous,
    /// An active user, by access token.
    User(Arc<User>),
    /// An API key, on behalf of its active user.
    ApiKey(Arc<ApiKey>, Arc<User>),
}

impl Principal {
    /// The user who calls, or on whose behalf the key does.
    pub fn user(&self) -> Option<&Arc<User>> {
        match self {
            Self::Anonymous => None,
            Self::User(user) | Self::ApiKey(_, user) => Some(user),
        }
    }

    /// A credential came with the call, and it held.
    pub fn is_authenticated(&self) -> bool {
        !matches!(self, Self::Anonymous)
    }

    /// The API key that the call came with.
    pub fn api_key(&self) -> Option<&Arc<ApiKey>> {
        match self {
            Self::ApiKey(key, _) => Some(key),
            Self::Anonymous | Self::User(_) => None,
        }
    }

    /// Whether the credential was given this scope. A user who logged in is not limited by scopes.
    pub fn has_scope(&self, scope: &str) -> bool {
        match self {
            Self::Anonymous => false,
            Self::User(_) => true,
            Self::ApiKey(key, _) => key.has_scope(scope),
        }
    }

    /// Lets the credential be used for this method: an API key opens only what its scopes name, which is the method
    /// itself, or the scope that the method's access asks for. Also where anyone may call: a key that is for something
    /// else is no credential for this.
    ///
    /// # Errors
    /// PERMISSION_DENIED.
    pub(crate) fn allows(&self, method: &Method, access: &Access) -> Result<()> {
        let asked = |key: &ApiKey| matches!(access, Access::Scope(scope) if key.has_scope(scope));
        match self {
            Self::ApiKey(key, _) if !key.allows(method) && !asked(key) => {
                Err(Error::permission_denied("the api key has no scope for this method")
                    .because(format!("the scopes of {} are {}", key.prefix, key.scopes)))
            }
            Self::Anonymous | Self::User(_) | Self::ApiKey(..) => Ok(()),
        }
    }

    /// What the record keeps of it.
    pub(crate) fn caller(&self) -> Option<Caller> {
        let user = self.user()?;
        Some(Caller { user_id: Some(user.id), api_key_id: self.api_key().map(|key| key.id) })
    }
}
