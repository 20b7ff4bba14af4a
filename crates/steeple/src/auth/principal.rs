//! Who calls.

use std::sync::Arc;

use super::User;
use crate::{error::Result, method::Method, record::Caller};

/// Who calls, as authentication found it: one value, in the context, in the record and so in each row of the log.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Principal {
    /// No credential came with the call.
    #[default]
    Anonymous,
    /// An active user, by access token.
    User(Arc<User>),
}

impl Principal {
    /// The user who calls, or on whose behalf the key does.
    pub fn user(&self) -> Option<&Arc<User>> {
        match self {
            Self::Anonymous => None,
            Self::User(user) => Some(user),
        }
    }

    /// A credential came with the call, and it held.
    pub fn is_authenticated(&self) -> bool {
        !matches!(self, Self::Anonymous)
    }

    /// Whether the credential was given this scope. A user who logged in is not limited by scopes.
    pub fn has_scope(&self, _scope: &str) -> bool {
        match self {
            Self::Anonymous => false,
            Self::User(_) => true,
        }
    }

    /// Lets the credential be used for this method: an API key opens only what its scopes name.
    ///
    /// # Errors
    /// PERMISSION_DENIED.
    #[expect(clippy::unnecessary_wraps, reason = "keys, which have scopes, come next")]
    pub(crate) fn allows(&self, _method: &Method) -> Result<()> {
        match self {
            Self::Anonymous | Self::User(_) => Ok(()),
        }
    }

    /// What the record keeps of it.
    pub(crate) fn caller(&self) -> Option<Caller> {
        let user = self.user()?;
        Some(Caller { user_id: Some(user.id), api_key_id: None })
    }
}
