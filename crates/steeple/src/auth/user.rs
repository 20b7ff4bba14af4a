//! A user, as the access rules see them.

use std::{collections::BTreeSet, fmt};

/// An active user with all their permissions, as they were when last loaded (at most `auth.user_cache` ago).
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// `auth_user.id`.
    pub id: i64,
    /// `auth_user.username`.
    pub username: String,
    /// `auth_user.email`, may be empty.
    pub email: String,
    /// `auth_user.first_name`, may be empty.
    pub first_name: String,
    /// `auth_user.last_name`, may be empty.
    pub last_name: String,
    /// May use the admin.
    pub is_staff: bool,
    /// Has every permission.
    pub is_superuser: bool,
    /// `app.codename` of each permission they were given, themselves or through a group.
    pub permissions: BTreeSet<String>,
}

impl User {
    /// Whether they have this permission (`crypto.add_coin`): superusers have all, as in Django.
    pub fn has_permission(&self, permission: &str) -> bool {
        self.is_superuser || self.permissions.contains(permission)
    }

    /// First and last name, or the username when both are empty.
    pub fn full_name(&self) -> String {
        let name = format!("{} {}", self.first_name, self.last_name);
        let name = name.trim();
        if name.is_empty() { self.username.clone() } else { name.to_owned() }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("username", &self.username).finish_non_exhaustive()
    }
}
