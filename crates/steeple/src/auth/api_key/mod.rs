//! API keys: long-lived credentials of programs, each on behalf of a user and for no more than its scopes.
//!
//! [`ApiKeys`] takes the text that a caller presents and gives the [`ApiKey`], or the error that refuses it: from a small
//! cache ([`ApiKeys::known`]) or the table ([`ApiKeys::find`]). It makes, lists, revokes and rotates keys, and counts
//! their uses in memory, written behind as `request_count = request_count + n`.
//!
//! A change made through it counts at once in this process, and within `auth.api_key_cache` in others. Expiry is judged
//! at each use. A caller is never told why a key was refused; the log is.
//!
//! Must never: keep, log or show the text of a key beyond its prefix, write SQL on the way of a call whose key is known,
//! or lose a use while the database answers.

mod changes;
mod key;
mod list;
mod lookup;
mod scopes;
mod site_key;
pub(super) mod table;
mod text;
mod uses;

use std::{fmt, sync::Arc, time::Duration};

use lookup::Lookup;
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;
use uses::Ledger;

pub(super) use text::Digest;
pub use {
    changes::{NewApiKey, NewKey},
    key::ApiKey,
    list::{KeyFilter, KeyState, KeyTotals},
    scopes::Scopes,
    site_key::SiteKey,
    table::KeyType,
    text::{KeyText, Prefix},
};

/// The table of keys, as a SeaORM entity without the column of the hash.
pub mod entity {
    pub use super::table::{ActiveModel, Column, Entity, Model, PrimaryKey, Relation};
}

/// The table of keys as a model, for whoever shows rows.
pub fn model() -> Arc<dyn ModelRows> {
    Arc::new(Rows::<entity::Entity>::new("steeple").choices::<KeyType>("key_type"))
}

use super::Config;
use crate::{
    db::Db,
    error::Result,
    model::{ModelRows, Rows},
};

/// The keys of a site. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct ApiKeys {
    db: Db,
    shared: Arc<Shared>,
}

struct Shared {
    lookup: Lookup,
    ledger: Arc<Ledger>,
}

impl ApiKeys {
    /// The keys in this database; how long they are remembered says `api_key_cache`.
    pub fn new(db: Db, config: &Config) -> Self {
        let ledger = Arc::new(Ledger::default());
        let lookup = Lookup::new(db.clone(), config.api_key_cache, ledger.clone());
        Self { db, shared: Arc::new(Shared { lookup, ledger }) }
    }

    /// The same keys, read and changed within a transaction: `keys.on(&tx)`. It must not outlive the transaction. What is
    /// remembered of a key is forgotten when its change is committed.
    pub fn on(&self, db: &Db) -> Self {
        Self { db: db.clone(), shared: Arc::clone(&self.shared) }
    }

    /// The key with this text, without waiting. `None`: ask [`find`](Self::find).
    pub fn known(&self, text: &str) -> Option<Result<Arc<ApiKey>>> {
        self.shared.lookup.known(text)
    }

    /// The key with this text. Questions for one key at the same time are one query.
    ///
    /// # Errors
    /// UNAUTHENTICATED for a key that is malformed, unknown, revoked, turned off or expired: the caller reads the same
    /// sentence for each. Whether its user is active is not looked at here. UNAVAILABLE while the database is away.
    pub async fn find(&self, text: &str) -> Result<Arc<ApiKey>> {
        self.shared.lookup.find(text).await
    }

    /// A key that was found before, as it is now, without waiting. `None`: ask [`again`](Self::again).
    pub(in crate::auth) fn known_again(&self, key: &ApiKey) -> Option<Result<Arc<ApiKey>>> {
        self.shared.lookup.known_again(key)
    }

    /// A key that was found before, as it is now: not a use of it.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub(in crate::auth) async fn again(&self, key: &ApiKey) -> Result<Arc<ApiKey>> {
        self.shared.lookup.again(key).await
    }

    /// Counts one use: in memory, without waiting.
    pub fn used(&self, key: &ApiKey) {
        key.count_use();
    }

    /// Writes the uses that are not written yet.
    ///
    /// # Errors
    /// What the database says; what could not be written is kept.
    pub async fn flush(&self) -> Result<(), DbErr> {
        self.shared.ledger.flush(&self.db).await
    }

    /// Writes uses every second, until `stop`: a task of the server.
    pub(crate) async fn keep_written(self, stop: CancellationToken) {
        self.shared.ledger.keep_written(&self.db, stop).await;
    }

    /// Writes the last uses, trying again while the database is away. How many are lost when `patience` is over.
    pub async fn finish(&self, patience: Duration) -> u64 {
        self.shared.ledger.finish(&self.db, patience).await
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys").finish_non_exhaustive()
    }
}
