//! Making, listing, revoking and rotating keys.
//!
//! Each change is in the table before it is told, and empties the key's entry in this process's cache afterwards.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait as _, DbErr, EntityTrait as _, IntoActiveModel as _, Iterable as _,
    QueryFilter as _, QuerySelect as _,
    sea_query::{Expr, IntoIden as _, Query},
};

use super::{
    ApiKeys, KeyFilter, KeyText, KeyType, Prefix, Scopes,
    table::{ActiveModel, Column, Entity, HASH, Model},
};
use crate::{
    auth::tables::user,
    clock::{self, Time},
    db::Db,
    error::{Error, Result},
};

/// Characters of a name, and bytes of a description, at most.
const NAME: usize = 255;
const DESCRIPTION: usize = 10_000;
/// How long a key may stay good after it was rotated.
const LONGEST_OVERLAP: Duration = Duration::from_secs(366 * 86_400);

/// A key to be made. Without more said it opens all that its user may do, and never expires.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// `auth_user.id`: on whose behalf it acts.
    pub user_id: i64,
    /// What its owner calls it.
    pub name: String,
    /// More about it.
    pub description: String,
    /// What it is for.
    pub key_type: KeyType,
    /// What it may be used for.
    pub scopes: Scopes,
    /// Refused from then on.
    pub expires_at: Option<Time>,
    /// `auth_user.id` of who makes it.
    pub created_by: Option<i64>,
}

impl NewApiKey {
    /// Of this user, with this name.
    pub fn new(user_id: i64, name: impl Into<String>) -> Self {
        Self {
            user_id,
            name: name.into(),
            description: String::new(),
            key_type: KeyType::default(),
            scopes: Scopes::all(),
            expires_at: None,
            created_by: None,
        }
    }

    fn check(&self, now: Time) -> Result<()> {
        if self.name.trim().is_empty() || self.name.chars().count() > NAME || self.name.contains('\0') {
            return Err(Error::invalid("name", format!("must have from 1 to {NAME} characters")));
        }
        if self.description.len() > DESCRIPTION || self.description.contains('\0') {
            return Err(Error::invalid("description", format!("must have at most {DESCRIPTION} bytes")));
        }
        if self.expires_at.is_some_and(|moment| moment <= now) {
            return Err(Error::invalid("expires_at", "must be in the future"));
        }
        Ok(())
    }

    fn row(self, now: Time, rotated_from_id: Option<i64>) -> ActiveModel {
        ActiveModel {
            name: Set(self.name),
            description: Set(self.description),
            key_type: Set(self.key_type),
            user_id: Set(self.user_id),
            scopes: Set(self.scopes.to_json()),
            is_active: Set(true),
            expires_at: Set(self.expires_at),
            revoked_at: Set(None),
            created_at: Set(now),
            created_by_id: Set(self.created_by),
            last_used_at: Set(None),
            request_count: Set(0),
            rotated_from_id: Set(rotated_from_id),
            ..<ActiveModel as Default>::default()
        }
    }
}

/// A key that was just made: the only moment at which its text can be seen.
#[derive(Debug)]
pub struct NewKey {
    /// Its row.
    pub row: Model,
    /// Its text, for its owner.
    pub text: KeyText<'static>,
}

impl ApiKeys {
    /// Makes a key. It can be used at once.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a name, a description or an expiry that will not do; FAILED_PRECONDITION when there is no
    /// such user, or one that is not active.
    pub async fn create(&self, new: NewApiKey) -> Result<NewKey> {
        let now = clock::now();
        new.check(now)?;
        let db = &self.db;
        if !is_active(db, new.user_id).await? {
            return Err(Error::failed_precondition("a key needs an active user"));
        }
        let text = KeyText::random()?;
        let row = db.transaction(async |tx| insert(&tx, &text, new.row(now, None)).await).await?;
        self.forget_prefix(text.prefix());
        Ok(NewKey { row, text })
    }

    /// Keys, the newest first: of one user, or of all.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list(&self, user_id: Option<i64>, limit: u64) -> Result<Vec<Model>> {
        self.page(&KeyFilter { user_id, ..KeyFilter::default() }, 0, limit).await
    }

    /// Those of these keys that there are.
    ///
    /// # Errors
    /// What the database says.
    pub async fn by_ids(&self, ids: impl IntoIterator<Item = i64>) -> Result<Vec<Model>> {
        Ok(Entity::find().filter(Column::Id.is_in(ids)).all(&self.db).await?)
    }

    /// The key with this id (`7`) or prefix (`k3Qz81Lm`, `stp_k3Qz81Lm`).
    ///
    /// # Errors
    /// NOT_FOUND, also for what is neither.
    pub async fn get(&self, id_or_prefix: &str) -> Result<Model> {
        let select = match (id_or_prefix.parse::<i64>(), Prefix::read(id_or_prefix)) {
            (Ok(id), _) => Entity::find_by_id(id),
            (_, Some(prefix)) => Entity::find().filter(Column::KeyPrefix.eq(prefix.to_string())),
            // A whole key may have been pasted: not a word of it.
            _ => return Err(Error::invalid_argument("a key is named by its id or by the eight letters of its prefix")),
        };
        select.one(&self.db).await?.ok_or_else(|| Error::not_found("api key", id_or_prefix))
    }

    /// Refuses a key from now on, for ever. One that was revoked before stays as it is.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub async fn revoke(&self, id: i64) -> Result<Model> {
        self.change(id, |row, now| {
            if row.revoked_at.is_none() {
                return Ok(Some(ActiveModel {
                    is_active: Set(false),
                    revoked_at: Set(Some(now)),
                    ..row.into_active_model()
                }));
            }
            Ok(None)
        })
        .await
    }

    /// Turns a key off, or on again.
    ///
    /// # Errors
    /// NOT_FOUND; FAILED_PRECONDITION for turning on one that was revoked.
    pub async fn set_active(&self, id: i64, active: bool) -> Result<Model> {
        self.change(id, |row, _| {
            if active && row.revoked_at.is_some() {
                return Err(Error::failed_precondition("the key was revoked, which is for ever; make a new one"));
            }
            Ok((row.is_active != active).then(|| ActiveModel { is_active: Set(active), ..row.into_active_model() }))
        })
        .await
    }

    /// Makes a key that takes the place of this one: same name, user and scopes, and as long a life from now on. The old
    /// one is good for the overlap still (not beyond its own expiry), or revoked at once when that is zero.
    ///
    /// # Errors
    /// NOT_FOUND; FAILED_PRECONDITION for a key that is refused already, or that was rotated already; INVALID_ARGUMENT
    /// for an overlap of more than 366 days.
    pub async fn rotate(&self, id: i64, overlap: Duration) -> Result<NewKey> {
        if overlap > LONGEST_OVERLAP {
            return Err(Error::invalid("overlap", "must be at most 366 days"));
        }
        let (now, text) = (clock::now(), KeyText::random()?);
        let (old, row) = self
            .db
            .transaction(async |tx| {
                let old = locked(&tx, id).await?;
                refuse_unless_it_holds(&tx, &old, now).await?;
                let scopes = Scopes::from_json(&old.scopes)
                    .map_err(|why| Error::failed_precondition("the key's scopes cannot be read").because(why))?;
                let new = NewApiKey {
                    user_id: old.user_id,
                    name: old.name.clone(),
                    description: old.description.clone(),
                    key_type: old.key_type,
                    scopes,
                    expires_at: old.expires_at.map(|moment| now + (moment - old.created_at)),
                    created_by: old.created_by_id,
                };
                let row = insert(&tx, &text, new.row(now, Some(old.id))).await?;
                Ok::<_, Error>((retired(old, now, overlap).update(&tx).await?, row))
            })
            .await?;
        self.forget(&old);
        Ok(NewKey { row, text })
    }

    /// One change of one row, then of what is remembered of it.
    async fn change(
        &self,
        id: i64,
        change: impl FnOnce(Model, Time) -> Result<Option<ActiveModel>> + Send,
    ) -> Result<Model> {
        let changed = self
            .db
            .transaction(async |tx| {
                let row = locked(&tx, id).await?;
                match change(row.clone(), clock::now())? {
                    Some(changed) => Ok::<_, Error>(changed.update(&tx).await?),
                    None => Ok(row),
                }
            })
            .await?;
        self.forget(&changed);
        Ok(changed)
    }

    /// Forgets what this process remembers of a key: for those who changed its row themselves.
    pub fn forget(&self, row: &Model) {
        if let Some(prefix) = Prefix::read(&row.key_prefix) {
            self.forget_prefix(prefix);
        }
    }

    /// Now; within a transaction after its commit, since others may look at the key in between.
    fn forget_prefix(&self, prefix: Prefix) {
        let shared = Arc::clone(&self.shared);
        self.db.after_commit(move || shared.lookup.forget(prefix));
    }
}

async fn is_active(db: &Db, user_id: i64) -> Result<bool> {
    let Ok(id) = i32::try_from(user_id) else { return Ok(false) };
    let active = user::Entity::find_by_id(id).select_only().column(user::Column::IsActive);
    Ok(active.into_tuple().one(db).await?.unwrap_or(false))
}

/// The row, which nobody else changes until the transaction ends.
async fn locked(tx: &Db, id: i64) -> Result<Model> {
    let row = Entity::find_by_id(id).lock_exclusive().one(tx).await?;
    row.ok_or_else(|| Error::not_found("api key", id))
}

async fn refuse_unless_it_holds(tx: &Db, old: &Model, now: Time) -> Result<()> {
    let refused = |why: &str| Err(Error::failed_precondition(format!("the key {why}; make a new one")));
    if old.revoked_at.is_some() {
        return refused("was revoked");
    }
    if !old.is_active {
        return refused("is turned off");
    }
    if old.expires_at.is_some_and(|moment| moment <= now) {
        return refused("has expired");
    }
    match Entity::find().filter(Column::RotatedFromId.eq(old.id)).one(tx).await? {
        Some(next) => Err(Error::failed_precondition(format!(
            "the key was rotated already, and {} took its place; rotate that one",
            next.key_prefix
        ))),
        None => Ok(()),
    }
}

/// The old key, on its way out.
fn retired(old: Model, now: Time, overlap: Duration) -> ActiveModel {
    let until = now + TimeDelta::from_std(overlap).unwrap_or_default();
    let expires_at = old.expires_at.map_or(until, |moment| Ord::min(moment, until));
    if overlap.is_zero() {
        ActiveModel { is_active: Set(false), revoked_at: Set(Some(now)), ..old.into_active_model() }
    } else {
        ActiveModel { expires_at: Set(Some(expires_at)), ..old.into_active_model() }
    }
}

/// Adds a row with its hash, which the entity does not know.
async fn insert(tx: &Db, text: &KeyText<'_>, row: ActiveModel) -> Result<Model> {
    let prefix = text.prefix().to_string();
    let row = ActiveModel { key_prefix: Set(prefix.clone()), ..row };
    let (mut columns, mut values) = (vec![HASH.into_iden()], vec![Expr::val(text.digest().hex())]);
    for column in Column::iter() {
        if let Some(value) = row.get(column).into_value() {
            columns.push(column.into_iden());
            values.push(Expr::val(value));
        }
    }
    let mut insert = Query::insert();
    insert.into_table(Entity).columns(columns).values(values).map_err(|error| DbErr::Custom(error.to_string()))?;
    tx.execute(&insert).await?;
    let row = Entity::find().filter(Column::KeyPrefix.eq(&prefix)).one(tx).await?;
    row.ok_or_else(|| Error::internal("internal error").because("the key that was just made is not there"))
}
