//! Rows into messages.

use steeple::auth::tables::user;

use crate::{convert::timestamp, pb::users as pb};

/// A user is shown with what they tell of themselves. The hash of the password stays here.
impl From<(user::Model, String)> for pb::User {
    fn from((row, bio): (user::Model, String)) -> Self {
        Self {
            id: row.id.into(),
            username: row.username,
            first_name: row.first_name,
            last_name: row.last_name,
            email: row.email,
            bio,
            is_active: row.is_active,
            is_staff: row.is_staff,
            is_superuser: row.is_superuser,
            joined_at: Some(timestamp(row.date_joined)),
        }
    }
}
