//! The tables of identity.
//!
//! Must never: change once released; add a migration instead.

use super::tables::DjangoAuth;
use crate::db::migrate::Migration;

/// The label under which the history knows these migrations.
pub const APP: &str = "steeple_auth";

/// The migrations of identity, in their order.
pub fn migrations() -> Vec<Migration> {
    vec![Migration::new(APP, "0001_django_auth", DjangoAuth)]
}
