//! What a caller must be to call a method.

use std::{borrow::Cow, fmt};

use serde::{Serialize, Serializer};

use super::Principal;
use crate::error::{Error, Result};

/// What a caller must be to call a method. Decided before the method runs, the same for all four shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Anyone, also without a credential. One that is present and wrong is refused here too.
    Public,
    /// An active user, or an API key of one.
    Authenticated,
    /// A user with `is_staff`, or a superuser.
    Staff,
    /// A user with `is_superuser`.
    Superuser,
    /// A user with this permission: `crypto.add_coin`. Superusers have every one.
    Permission(Cow<'static, str>),
    /// A credential that was given this scope: `orders:write`. It limits API keys; a user who logged in is not limited.
    Scope(Cow<'static, str>),
}

impl Access {
    /// [`Access::Permission`] by name.
    pub const fn permission(name: &'static str) -> Self {
        Self::Permission(Cow::Borrowed(name))
    }

    /// [`Access::Scope`] by name.
    pub const fn scope(name: &'static str) -> Self {
        Self::Scope(Cow::Borrowed(name))
    }

    /// Lets this caller pass, or says why not.
    ///
    /// # Errors
    /// UNAUTHENTICATED for a caller without a credential, PERMISSION_DENIED for one whose credential is not enough.
    pub fn check(&self, principal: &Principal) -> Result<()> {
        if *self == Self::Public {
            return Ok(());
        }
        let Some(user) = principal.user() else {
            return Err(Error::unauthenticated(
                "this method needs a caller who is logged in: send a token or an api key",
            ));
        };
        let (passes, lacks) = match self {
            Self::Public | Self::Authenticated => return Ok(()),
            Self::Staff => (user.is_staff || user.is_superuser, "this method is for staff".to_owned()),
            Self::Superuser => (user.is_superuser, "this method is for superusers".to_owned()),
            Self::Permission(name) => (user.has_permission(name), format!("this method needs the permission {name}")),
            Self::Scope(name) => (principal.has_scope(name), format!("this method needs the scope {name}")),
        };
        if passes { Ok(()) } else { Err(Error::permission_denied(lacks)) }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.pad("public"),
            Self::Authenticated => f.pad("authenticated"),
            Self::Staff => f.pad("staff"),
            Self::Superuser => f.pad("superuser"),
            Self::Permission(name) => f.pad(&format!("permission {name}")),
            Self::Scope(name) => f.pad(&format!("scope {name}")),
        }
    }
}

impl Serialize for Access {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
