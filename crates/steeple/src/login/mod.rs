//! The doors through which a user gets tokens: HTTP (`/api/auth/…`) and gRPC (`steeple.auth.v1.AuthService`); a browser
//! session (`/api/auth/session`); and the check that doors for staff share (`staff.rs`).
//!
//! The first two say the same things to one [`Login`](crate::auth::Login), and differ in how they are asked and how they answer.
//!
//! Must never: decide anything about a credential, or let a password or a token into a log, an error or a `Debug`.

mod form;
mod grpc;
mod http;
mod messages;
mod session;
mod staff;

pub(crate) use form::StaffForm;
pub(crate) use grpc::{ACCESS, NAME, service};
pub(crate) use http::router;
pub use messages::v1;
pub(crate) use staff::{Staff, own_page};

/// The encoded `FileDescriptorSet` of `steeple/auth/v1/auth.proto`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/steeple.auth.v1.bin"));
