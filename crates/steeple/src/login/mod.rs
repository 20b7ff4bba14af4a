//! The doors through which a user gets tokens: HTTP (`/api/auth/…`) and gRPC (`steeple.auth.v1.AuthService`).
//!
//! Both say the same things to one [`Login`](crate::auth::Login), and differ in how they are asked and how they answer.
//!
//! Must never: decide anything about a credential, or let a password or a token into a log, an error or a `Debug`.

mod grpc;
mod http;
mod messages;
mod problem;

pub(crate) use grpc::{ACCESS, NAME, service};
pub(crate) use http::router;
pub use messages::v1;

/// The encoded `FileDescriptorSet` of `steeple/auth/v1/auth.proto`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/steeple.auth.v1.bin"));
