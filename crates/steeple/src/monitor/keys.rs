//! `api-keys/`: the site's API keys, and making, revoking and rotating them.
//!
//! Everybody of staff sees all keys, never their text. A change is for those who logged in, on keys of their own;
//! superusers change any. A key makes no keys. Must never: show a key's text but once, in the answer that makes it.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Monitor,
    endpoint::{Asked, Endpoint, get, post},
    names::Names,
    paged::Paged,
    query::{Kind, PAGE, PAGE_SIZE, Parameter, parameter},
};
use crate::{
    audit::{Action, Entry},
    auth::{
        Access, Principal, User,
        api_key::{KeyFilter, KeyType, NewApiKey, NewKey, Scopes, entity::Model},
    },
    clock,
    db::Db,
    error::{Error, Result},
};

/// What the audit log calls a key.
const KIND: &str = "steeple.apikey";
/// What a key may be for.
pub(crate) const TYPES: [&str; 5] = ["service", "cli", "webhook", "internal", "development"];

const LIST: &[Parameter] = &[
    parameter("is_active", Kind::Choice(&["true", "false"], None), "Only keys that are on, or off."),
    parameter("user_id", Kind::Whole(1, i64::MAX, None), "Only keys of this user."),
    parameter("key_type", Kind::Choice(&TYPES, None), "Only keys of this type."),
    PAGE,
    PAGE_SIZE,
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("api-keys/", "The API keys, the newest first", LIST, keys),
        post("api-keys/", "Make a key; its text is in this answer and never again", create),
        get("api-keys/stats/", "How many keys there are", &[], stats),
        get("api-keys/{id}/", "One API key", &[], key),
        post("api-keys/{id}/revoke/", "Refuse a key from now on, for ever", revoke),
        post(
            "api-keys/{id}/rotate/",
            "Make a key that takes the place of this one; its text is in this answer",
            rotate,
        ),
    ]
}

/// An API key, without its text.
#[expect(clippy::struct_field_names, reason = "the names of the original's answer")]
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Key {
    /// Its number.
    pub id: i64,
    /// What its owner calls it.
    pub name: String,
    /// More about it.
    pub description: String,
    /// What it is for: `service`, `cli`, `webhook`, `internal` or `development`.
    pub key_type: String,
    /// The public part of its text.
    pub masked_key: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// It was not turned off.
    pub is_active: bool,
    /// It is on, not revoked and not expired.
    pub is_valid: bool,
    /// On whose behalf it acts.
    pub user_id: i64,
    /// Their name; null when they are gone.
    pub username: Option<String>,
    /// How often it was used.
    pub request_count: i64,
    /// When it was last used.
    pub last_used_at: Option<clock::Time>,
    /// Refused from then on.
    pub expires_at: Option<clock::Time>,
    /// Refused for ever since then.
    pub revoked_at: Option<clock::Time>,
    /// When it was made.
    pub created_at: clock::Time,
    /// Who made it; null: the command line, or somebody who is gone.
    pub created_by: Option<String>,
    /// The key that this one takes the place of.
    pub rotated_from_id: Option<i64>,
}

/// A key that was just made.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Made {
    /// The key.
    #[serde(flatten)]
    pub api_key: Key,
    /// Its text, this once.
    pub key: String,
}

/// A key to be made.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKeyBody {
    /// What to call it.
    pub name: String,
    /// On whose behalf it acts; without one, whoever asks.
    #[serde(default)]
    pub user_id: Option<i64>,
    /// More about it.
    #[serde(default)]
    pub description: String,
    /// What it is for.
    #[serde(default)]
    pub key_type: Option<String>,
    /// What it may be used for; without any, everything.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Refused from then on; without one it never expires.
    #[serde(default)]
    pub expires_at: Option<clock::Time>,
}

/// How to rotate a key.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateBody {
    /// How long the old key is good still, in seconds; without it a day, 0: it is revoked at once.
    #[serde(default)]
    pub overlap_seconds: Option<u64>,
}

/// Nothing needs to be said.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// How many keys there are.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Stats {
    /// All.
    pub total_keys: u64,
    /// That can be used.
    pub active_keys: u64,
    /// That have expired.
    pub expired_keys: u64,
    /// That were revoked.
    pub revoked_keys: u64,
    /// Uses of all keys.
    pub total_requests: i64,
    /// How many of each type.
    pub keys_by_type: BTreeMap<String, u64>,
}

impl Key {
    fn of(row: Model, names: &Names) -> Self {
        let expired = row.expires_at.is_some_and(|moment| moment <= clock::now());
        let scopes = serde_json::from_str(&row.scopes).unwrap_or_default();
        Self {
            is_valid: row.is_active && row.revoked_at.is_none() && !expired,
            masked_key: format!("stp_{}…", row.key_prefix),
            username: names.user(Some(row.user_id)),
            created_by: names.user(row.created_by_id),
            key_type: row.key_type.as_str().to_owned(),
            scopes,
            id: row.id,
            name: row.name,
            description: row.description,
            is_active: row.is_active,
            user_id: row.user_id,
            request_count: row.request_count,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            created_at: row.created_at,
            rotated_from_id: row.rotated_from_id,
        }
    }
}

/// The keys with their owners' names.
async fn named(monitor: &Monitor, rows: Vec<Model>) -> Result<Vec<Key>> {
    let users: Vec<_> = rows.iter().flat_map(|row| [Some(row.user_id), row.created_by_id]).flatten().collect();
    let names = Names::of(monitor, users, []).await?;
    Ok(rows.into_iter().map(|row| Key::of(row, &names)).collect())
}

async fn one(monitor: &Monitor, row: Model) -> Result<Key> {
    let id = row.id;
    named(monitor, vec![row]).await?.pop().ok_or_else(|| Error::not_found("api key", id))
}

async fn made(monitor: &Monitor, NewKey { row, text }: NewKey) -> Result<Made> {
    Ok(Made { api_key: one(monitor, row).await?, key: text.expose().to_owned() })
}

/// Who may change keys: somebody who logged in, and of others' keys a superuser alone.
fn may_change(principal: &Principal, owner: i64) -> Result<&User> {
    match principal {
        Principal::User(user) if user.is_superuser || user.id == owner => Ok(user),
        Principal::User(_) => Err(Error::permission_denied("only superusers change keys of others")),
        _ => Err(Error::permission_denied("an api key cannot change api keys: log in")),
    }
}

/// Makes a key.
///
/// # Errors
/// PERMISSION_DENIED for a key of somebody else; INVALID_ARGUMENT for what cannot be meant.
pub(crate) async fn make(monitor: &Monitor, principal: &Principal, wanted: NewKeyBody) -> Result<Made> {
    let own = principal.user().map(|user| user.id).unwrap_or_default();
    let user_id = wanted.user_id.unwrap_or(own);
    let by = may_change(principal, user_id)?;
    let key_type = match &wanted.key_type {
        None => KeyType::default(),
        Some(name) => KeyType::named(name)
            .ok_or_else(|| Error::invalid("key_type", format!("must be one of {}", TYPES.join(", "))))?,
    };
    let scopes = Scopes::read(&wanted.scopes).map_err(|why| Error::invalid("scopes", why))?;
    let plan = &monitor.inside.plan;
    let methods: Vec<_> = plan.methods().map(|planned| &*planned.method).collect();
    let asked_for = |scope: &str| {
        plan.methods().any(|planned| matches!(&planned.decision.access, Access::Scope(name) if name == scope))
    };
    if let Some(idle) = scopes.about_nothing(&methods).find(|scope| !asked_for(scope)) {
        return Err(Error::invalid("scopes", format!("{idle} names no method of this site")));
    }
    let new = NewApiKey {
        description: wanted.description,
        key_type,
        scopes,
        expires_at: wanted.expires_at,
        created_by: Some(by.id),
        ..NewApiKey::new(user_id, wanted.name)
    };
    let (keys, db) = (&monitor.inside.identity.keys, &monitor.inside.db);
    let new = db.transaction(async |tx| {
        let new = keys.on(&tx).create(new).await?;
        let scopes = serde_json::from_str(&new.row.scopes).unwrap_or_default();
        noted(&tx, by, Action::Add, &new.row, [("scopes", serde_json::Value::Null, scopes)]).await?;
        Ok::<_, Error>(new)
    });
    made(monitor, new.await?).await
}

/// Writes down what somebody did to a key, within the transaction that does it.
async fn noted(
    tx: &Db,
    by: &User,
    action: Action,
    row: &Model,
    changes: impl IntoIterator<Item = (&'static str, serde_json::Value, serde_json::Value)>,
) -> Result<()> {
    let changes = changes.into_iter().map(|(name, from, to)| (name.to_owned(), from, to));
    Entry::new(by, action, KIND, row.id, &row.name).changes(changes).write(tx).await
}

/// The keys that fit, the newest first: this page of so many.
///
/// # Errors
/// NOT_FOUND past the end; the database's.
pub(crate) async fn page(monitor: &Monitor, filter: &KeyFilter, (page, size): (u64, u64)) -> Result<Paged<Key>> {
    let keys = &monitor.inside.identity.keys;
    let count = keys.count(filter).await?;
    let rows = keys.page(filter, (page - 1).saturating_mul(size), size).await?;
    Paged::of(named(monitor, rows).await?, (count, true), (page, size))
}

/// The key with this number.
///
/// # Errors
/// NOT_FOUND.
pub(crate) async fn find(monitor: &Monitor, id: i64) -> Result<Key> {
    one(monitor, row(monitor, id).await?).await
}

/// Refuses a key from now on, for ever.
///
/// # Errors
/// NOT_FOUND; PERMISSION_DENIED for a key of somebody else.
pub(crate) async fn revoke_as(monitor: &Monitor, principal: &Principal, id: i64) -> Result<Key> {
    let by = may_change(principal, row(monitor, id).await?.user_id)?;
    let (keys, db) = (&monitor.inside.identity.keys, &monitor.inside.db);
    let row = db.transaction(async |tx| {
        let row = keys.on(&tx).revoke(id).await?;
        noted(&tx, by, Action::Revoke, &row, []).await?;
        Ok::<_, Error>(row)
    });
    one(monitor, row.await?).await
}

/// Makes a key that takes the place of this one, which is good for as long as `overlap` still.
///
/// # Errors
/// NOT_FOUND; PERMISSION_DENIED for a key of somebody else; FAILED_PRECONDITION for one that is no longer good.
pub(crate) async fn rotate_as(monitor: &Monitor, principal: &Principal, id: i64, overlap: Duration) -> Result<Made> {
    let by = may_change(principal, row(monitor, id).await?.user_id)?;
    let (keys, db) = (&monitor.inside.identity.keys, &monitor.inside.db);
    let new = db.transaction(async |tx| {
        let new = keys.on(&tx).rotate(id, overlap).await?;
        noted(&tx, by, Action::Rotate, &new.row, [("rotated_from_id", serde_json::Value::Null, id.into())]).await?;
        Ok::<_, Error>(new)
    });
    made(monitor, new.await?).await
}

async fn row(monitor: &Monitor, id: i64) -> Result<Model> {
    monitor.inside.identity.keys.get(&id.to_string()).await
}

async fn keys(asked: Asked) -> Result<Paged<Key>> {
    let Asked { monitor, query, .. } = &asked;
    let filter = KeyFilter {
        user_id: query.whole("user_id"),
        is_active: query.choice("is_active").map(|active| active == "true"),
        key_type: query.choice("key_type").and_then(KeyType::named),
        ..KeyFilter::default()
    };
    page(monitor, &filter, query.page()).await
}

async fn key(asked: Asked) -> Result<Key> {
    find(&asked.monitor, asked.id("api key")?).await
}

async fn stats(asked: Asked) -> Result<Stats> {
    let totals = asked.monitor.inside.identity.keys.totals().await?;
    let of_type = |name: &&str| ((*name).to_owned(), totals.by_type.get(*name).copied().unwrap_or_default());
    Ok(Stats {
        total_keys: totals.all,
        active_keys: totals.valid,
        expired_keys: totals.expired,
        revoked_keys: totals.revoked,
        total_requests: totals.requests,
        keys_by_type: TYPES.iter().map(of_type).collect(),
    })
}

async fn create(asked: Asked, wanted: NewKeyBody) -> Result<Made> {
    make(&asked.monitor, &asked.principal, wanted).await
}

async fn revoke(asked: Asked, _: Nothing) -> Result<Key> {
    revoke_as(&asked.monitor, &asked.principal, asked.id("api key")?).await
}

async fn rotate(asked: Asked, wanted: RotateBody) -> Result<Made> {
    let overlap = Duration::from_secs(wanted.overlap_seconds.unwrap_or(86_400));
    rotate_as(&asked.monitor, &asked.principal, asked.id("api key")?, overlap).await
}
