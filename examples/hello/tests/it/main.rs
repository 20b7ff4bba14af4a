//! The smallest site: it is what the README shows, and it answers.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod greeted;
mod readme;
