//! Who calls, and what they may call.
//!
//! Takes the metadata of a call; gives a [`Principal`], or the error that refuses it. Each method has one [`Access`],
//! found at start from the site's rules by a [`Policy`]; a method that no rule covers keeps the site from starting.
//!
//! A credential that is present and wrong is never treated as absent: it is refused, also where anyone may call.
//!
//! Must never: write a response, tell a caller which part of a credential was wrong, or let a secret reach a log, a row,
//! an error or a `Debug`.

mod access;
mod authenticator;
mod config;
mod pattern;
mod policy;
mod principal;
mod secret;
mod session;
mod user;

pub use access::Access;
pub(crate) use authenticator::Authenticator;
pub use config::{ALGORITHMS, Config, Hasher};
pub use policy::{Decision, Policy};
pub use principal::Principal;
pub use secret::Secret;
pub use session::{Session, Sessions};
pub use user::User;
