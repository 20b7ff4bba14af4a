//! From the text of a key to the key: a small cache in front of one query.
//!
//! Entries go by prefix, so that whoever changes a key can empty its entry without knowing its text. A presented text is
//! always held against the digest in the entry: a known prefix with a wrong secret is refused without a query, and so is
//! a prefix that was just not found. Both lists are bounded; what outsiders make up never pushes out a key in use.
//!
//! A loading that a change overtakes fills an entry that nobody looks at any more: emptying takes the entry out, and
//! the next question makes a new one.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use sea_orm::{
    ConnectionTrait as _, DbErr, EntityTrait as _, FromQueryResult as _, QueryFilter as _, QuerySelect as _,
    QueryTrait as _,
    sea_query::{Expr, ExprTrait as _},
};
use tokio::sync::OnceCell;

use super::{
    ApiKey, KeyText, Prefix, Scopes,
    table::{Column, Entity, HASH, Model},
    text::Digest,
    uses::Ledger,
};
use crate::{
    clock,
    db::Db,
    error::{Error, Result},
};

/// Keys that are remembered, and as many prefixes that are not in the table.
const REMEMBERED: u64 = 10_000;

/// Filled once by whoever asks first; others wait for it.
type Slot = OnceCell<Result<Option<Known>, DbErr>>;

pub(super) struct Lookup {
    db: Db,
    keys: Cache<Prefix, Arc<Slot>>,
    unknown: Cache<Prefix, ()>,
    ledger: Arc<Ledger>,
}

/// A key of the table, whether it holds or not.
struct Known {
    digest: Digest,
    key: Arc<ApiKey>,
    /// Why it does not hold, for the log.
    refused: Option<String>,
}

impl Lookup {
    pub fn new(db: Db, time_to_live: Duration, ledger: Arc<Ledger>) -> Self {
        fn cache<V: Clone + Send + Sync + 'static>(time_to_live: Duration) -> Cache<Prefix, V> {
            Cache::builder().max_capacity(REMEMBERED).time_to_live(time_to_live).build()
        }
        Self { db, keys: cache(time_to_live), unknown: cache(time_to_live), ledger }
    }

    pub fn known(&self, text: &str) -> Option<Result<Arc<ApiKey>>> {
        let Some(text) = KeyText::read(text) else {
            return Some(Err(refusal("it has not the form of one")));
        };
        self.remembered(&text)
    }

    fn remembered(&self, text: &KeyText<'_>) -> Option<Result<Arc<ApiKey>>> {
        let prefix = text.prefix();
        if let Some(slot) = self.keys.get(&prefix)
            && let Some(Ok(Some(known))) = slot.get()
        {
            return Some(known.admit(text));
        }
        self.unknown.contains_key(&prefix).then(|| Err(not_there(prefix)))
    }

    pub async fn find(&self, text: &str) -> Result<Arc<ApiKey>> {
        let text = KeyText::read(text).ok_or_else(|| refusal("it has not the form of one"))?;
        if let Some(answer) = self.remembered(&text) {
            return answer;
        }
        let prefix = text.prefix();
        let slot = self.keys.get_with(prefix, Arc::default);
        match slot.get_or_init(|| self.load(prefix)).await {
            Ok(Some(known)) => known.admit(&text),
            Ok(None) => {
                self.unknown.insert(prefix, ());
                self.keys.invalidate(&prefix);
                Err(not_there(prefix))
            }
            Err(error) => {
                // All who waited hear of it at once; the next one tries again.
                self.keys.invalidate(&prefix);
                Err(error.clone().into())
            }
        }
    }

    /// A key that was found before, as it is now, if it is remembered.
    pub fn known_again(&self, key: &ApiKey) -> Option<Result<Arc<ApiKey>>> {
        let slot = self.keys.get(&key.prefix)?;
        let Some(Ok(Some(known))) = slot.get() else { return None };
        Some(known.standing(key))
    }

    /// A key that was found before, as it is now.
    pub async fn again(&self, key: &ApiKey) -> Result<Arc<ApiKey>> {
        let slot = self.keys.get_with(key.prefix, Arc::default);
        match slot.get_or_init(|| self.load(key.prefix)).await {
            Ok(Some(known)) => known.standing(key),
            Ok(None) => {
                self.keys.invalidate(&key.prefix);
                Err(not_there(key.prefix))
            }
            Err(error) => {
                self.keys.invalidate(&key.prefix);
                Err(error.clone().into())
            }
        }
    }

    /// Empties the entry of a key that has changed, or that is new.
    pub fn forget(&self, prefix: Prefix) {
        self.keys.invalidate(&prefix);
        self.unknown.invalidate(&prefix);
    }

    async fn load(&self, prefix: Prefix) -> Result<Option<Known>, DbErr> {
        let select = Entity::find()
            .expr_as(Expr::col((Entity, HASH)), HASH)
            .filter(Expr::col((Entity, Column::KeyPrefix)).eq(prefix.to_string()))
            .limit(1);
        let Some(row) = self.db.query_one(&select.into_query()).await? else { return Ok(None) };
        let hash: String = row.try_get("", HASH)?;
        let model = Model::from_query_result(&row, "")?;
        let digest = Digest::read(&hash).ok_or_else(|| DbErr::Type(format!("the hash of api key {prefix} is none")))?;
        let (scopes, unreadable) = match Scopes::from_json(&model.scopes) {
            Ok(scopes) => (scopes, None),
            Err(why) => (Scopes::none(), Some(format!("its scopes in the table cannot be read: {why}"))),
        };
        let refused = match (model.revoked_at, model.is_active) {
            (Some(moment), _) => Some(format!("it was revoked at {moment}")),
            (None, false) => Some("it is turned off".to_owned()),
            (None, true) => unreadable,
        };
        let uses = self.ledger.of(model.id);
        let Model { id, name, key_type, user_id, expires_at, .. } = model;
        let key = Arc::new(ApiKey { id, name, key_type, prefix, user_id, scopes, expires_at, uses });
        Ok(Some(Known { digest, key, refused }))
    }
}

impl Known {
    fn admit(&self, text: &KeyText<'_>) -> Result<Arc<ApiKey>> {
        let prefix = self.key.prefix;
        if !self.digest.is(&text.digest()) {
            return Err(refusal(format!("the secret behind {prefix} is wrong")));
        }
        self.holds()
    }

    /// Whether the key that was found before still holds.
    fn standing(&self, key: &ApiKey) -> Result<Arc<ApiKey>> {
        if self.key.id == key.id { self.holds() } else { Err(not_there(key.prefix)) }
    }

    fn holds(&self) -> Result<Arc<ApiKey>> {
        let prefix = self.key.prefix;
        if let Some(why) = &self.refused {
            return Err(refusal(format!("{prefix}: {why}")));
        }
        match self.key.expires_at {
            Some(moment) if moment <= clock::now() => Err(refusal(format!("{prefix}: it expired at {moment}"))),
            _ => Ok(self.key.clone()),
        }
    }
}

/// One sentence for the caller, whatever was wrong.
fn refusal(cause: impl Into<String>) -> Error {
    Error::unauthenticated("the api key is not valid").because(cause.into())
}

fn not_there(prefix: Prefix) -> Error {
    refusal(format!("there is no {prefix}"))
}
