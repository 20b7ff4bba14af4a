//! Keys listed, counted and found by what is asked of them.

use std::collections::BTreeMap;

use sea_orm::{
    ColumnTrait as _, Condition, DbBackend, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _,
    sea_query::{Expr, ExprTrait as _, Func, LikeExpr},
};

use super::{
    ApiKeys, KeyType,
    table::{Column, Entity, Model},
};
use crate::{
    auth::tables::user,
    clock::{self, Time},
    error::Result,
};

/// What a key may be used for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It is on, not revoked and not expired.
    Valid,
    /// It was revoked, or is turned off.
    Revoked,
    /// It has expired, and would hold otherwise.
    Expired,
}

/// Which keys [`ApiKeys::page`] gives and [`ApiKeys::count`] counts. The default: all of them.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// Of this user.
    pub user_id: Option<i64>,
    /// Of this type.
    pub key_type: Option<KeyType>,
    /// On, or off.
    pub is_active: Option<bool>,
    /// What it may be used for now.
    pub state: Option<KeyState>,
    /// It is called so.
    pub name: Option<String>,
    /// This text is in its name, its prefix (`stp_k3Qz81Lm` or a part of it) or its owner's name, whatever the case.
    pub text: Option<String>,
}

/// How many keys there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyTotals {
    /// All.
    pub all: u64,
    /// That can be used.
    pub valid: u64,
    /// That have expired.
    pub expired: u64,
    /// That were revoked.
    pub revoked: u64,
    /// Uses of all keys.
    pub requests: i64,
    /// How many of each type; types without any are not there.
    pub by_type: BTreeMap<&'static str, u64>,
}

impl ApiKeys {
    /// At most `limit` of the keys that fit, the newest first, without the first `skip`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn page(&self, filter: &KeyFilter, skip: u64, limit: u64) -> Result<Vec<Model>> {
        let select = Entity::find().filter(filter.condition(clock::now())).order_by_desc(Column::Id);
        Ok(select.offset(skip).limit(limit).all(&self.db).await?)
    }

    /// How many keys fit.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count(&self, filter: &KeyFilter) -> Result<u64> {
        self.counted(filter.condition(clock::now())).await
    }

    async fn counted(&self, condition: Condition) -> Result<u64> {
        Ok(Entity::find().filter(condition).count(&self.db).await?)
    }

    /// How many keys there are, and of which kinds.
    ///
    /// # Errors
    /// What the database says.
    pub async fn totals(&self) -> Result<KeyTotals> {
        let now = clock::now();
        let by_type = Entity::find().select_only().column(Column::KeyType).expr_as(Expr::cust("COUNT(*)"), "n");
        let by_type: Vec<(KeyType, i64)> = by_type.group_by(Column::KeyType).into_tuple().all(&self.db).await?;
        let by_type: BTreeMap<_, _> = by_type.into_iter().map(|(of, n)| (of.as_str(), n.unsigned_abs())).collect();
        // A sum of bigints is of a wider type, unless it is said to be one.
        let sum = match self.db.backend() {
            DbBackend::MySql => "CAST(COALESCE(SUM(request_count), 0) AS SIGNED)",
            _ => "CAST(COALESCE(SUM(request_count), 0) AS bigint)",
        };
        let requests: Option<i64> =
            Entity::find().select_only().expr_as(Expr::cust(sum), "n").into_tuple().one(&self.db).await?;
        Ok(KeyTotals {
            all: by_type.values().sum(),
            valid: self.counted(KeyState::Valid.condition(now)).await?,
            expired: self.counted(Condition::all().add(expired(now))).await?,
            revoked: self.counted(Condition::all().add(Column::RevokedAt.is_not_null())).await?,
            requests: requests.unwrap_or_default(),
            by_type,
        })
    }
}

impl KeyState {
    fn condition(self, now: Time) -> Condition {
        let holds = Condition::all().add(Column::IsActive.eq(true)).add(Column::RevokedAt.is_null());
        match self {
            Self::Valid => holds.add(Column::ExpiresAt.is_null().or(Column::ExpiresAt.gt(now))),
            Self::Expired => holds.add(expired(now)),
            Self::Revoked => Condition::any().add(Column::IsActive.eq(false)).add(Column::RevokedAt.is_not_null()),
        }
    }
}

/// NULL is never: it is not less.
fn expired(now: Time) -> Expr {
    Column::ExpiresAt.lte(now)
}

impl KeyFilter {
    fn condition(&self, now: Time) -> Condition {
        let mut all = Condition::all();
        if let Some(id) = self.user_id {
            all = all.add(Column::UserId.eq(id));
        }
        if let Some(of) = self.key_type {
            all = all.add(Column::KeyType.eq(of));
        }
        if let Some(active) = self.is_active {
            all = all.add(Column::IsActive.eq(active));
        }
        if let Some(state) = self.state {
            all = all.add(state.condition(now));
        }
        if let Some(name) = &self.name {
            all = all.add(Column::Name.eq(name.as_str()));
        }
        if let Some(text) = self.text.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            all = all.add(found(text));
        }
        all
    }
}

fn found(text: &str) -> Condition {
    let text = text.to_lowercase().replace('\0', "");
    let owners = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .filter(contains(Expr::col(user::Column::Username), &text))
        .into_query();
    let found = Condition::any()
        .add(contains(Expr::col((Entity, Column::Name)), &text))
        .add(Column::UserId.in_subquery(owners));
    // As pages show it: `stp_k3Qz81Lm…`.
    let prefix = text.strip_prefix("stp_").unwrap_or(&text).trim_end_matches('…');
    if "stp_".contains(&text) {
        found.add(Column::Id.is_not_null())
    } else if !prefix.is_empty() && prefix.bytes().all(|letter| letter.is_ascii_alphanumeric()) {
        found.add(contains(Expr::col((Entity, Column::KeyPrefix)), prefix))
    } else {
        found
    }
}

fn contains(cell: Expr, text: &str) -> Expr {
    let literal = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    Expr::expr(Func::lower(cell)).like(LikeExpr::new(format!("%{literal}%")).escape('\\'))
}
