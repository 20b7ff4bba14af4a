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
pub mod api_key;
mod authenticator;
mod config;
mod first_account;
mod identity;
mod login;
pub mod migrations;
pub mod password;
mod pattern;
mod policy;
mod principal;
mod secret;
mod session;
mod site_secret;
pub mod tables;
mod throttle;
mod token;
mod user;
pub mod users;

pub use access::Access;
pub use api_key::{ApiKey, ApiKeys, SiteKey};
pub(crate) use authenticator::Authenticator;
pub use config::{ALGORITHMS, Config, Hasher};
pub(crate) use first_account::FirstAccount;
pub use identity::Identity;
pub use login::Login;
pub use migrations::migrations;
pub use policy::{Decision, Policy};
pub use principal::Principal;
pub use secret::Secret;
pub use session::{NewSession, Session, Sessions};
pub(crate) use site_secret::site_secret;
pub(crate) use tables::refill;
pub use token::{AccessClaims, Pair, RefreshClaims, Tokens, Verified};
pub use user::User;
pub use users::{NewUser, Profile, Users};
