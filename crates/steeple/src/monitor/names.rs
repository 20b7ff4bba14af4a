//! What users and API keys are called, for rows that have their numbers.

use std::collections::HashMap;

use super::Monitor;
use crate::error::Result;

/// Names by number. Who is gone has none.
#[derive(Debug, Default)]
pub(super) struct Names {
    users: HashMap<i64, String>,
    keys: HashMap<i64, String>,
}

impl Names {
    /// The names of these users and keys: a query for each kind that is asked for.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(
        monitor: &Monitor,
        users: impl IntoIterator<Item = i64>,
        keys: impl IntoIterator<Item = i64>,
    ) -> Result<Self> {
        let (users, keys) = (distinct(users), distinct(keys));
        let mut names = Self::default();
        if !users.is_empty() {
            names.users = monitor.inside.identity.users.usernames(users).await?;
        }
        if !keys.is_empty() {
            let keys = monitor.inside.identity.keys.by_ids(keys).await?;
            names.keys = keys.into_iter().map(|key| (key.id, key.name)).collect();
        }
        Ok(names)
    }

    /// A user's name.
    pub fn user(&self, id: Option<i64>) -> Option<String> {
        self.users.get(&id?).cloned()
    }

    /// A key's name.
    pub fn key(&self, id: Option<i64>) -> Option<String> {
        self.keys.get(&id?).cloned()
    }
}

fn distinct(ids: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let mut ids: Vec<_> = ids.into_iter().filter(|id| *id > 0).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
