//! The messages of `steeple.auth.v1`, and what those print that hold a secret.

use std::fmt;

/// Messages of `steeple/auth/v1/auth.proto`.
#[allow(unused_qualifications, clippy::all, clippy::pedantic, clippy::allow_attributes, reason = "generated")]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/steeple.auth.v1.rs"));
}

impl fmt::Debug for v1::LoginRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginRequest").field("username", &self.username).finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::LoginResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginResponse").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::RefreshRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshRequest").finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::RefreshResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshResponse").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::LogoutRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutRequest").finish_non_exhaustive()
    }
}
