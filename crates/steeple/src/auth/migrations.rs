//! The tables of identity.
//!
//! Must never: change once released; add a migration instead.

mod own;

use self::own::{Table, refresh_token, secret};
use super::{api_key::table, session, tables::DjangoAuth};
use crate::db::migrate::Migration;

/// The label under which the history knows these migrations.
pub const APP: &str = "steeple_auth";

/// The migrations of identity, in their order.
pub fn migrations() -> Vec<Migration> {
    let own = |name, statements| Migration::new(APP, name, Table { name, statements });
    vec![
        Migration::new(APP, "0001_django_auth", DjangoAuth),
        own("0002_secret", secret),
        own("0003_refresh_token", refresh_token),
        own("0004_api_key", table::statements),
        own("0005_session", session::table::statements),
    ]
}
