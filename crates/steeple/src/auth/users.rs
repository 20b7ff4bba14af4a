//! Users, their groups and permissions, and who is remembered.
//!
//! Takes a database with Django's tables; gives [`User`]s to the access rules, from memory where it can, and answers who
//! has which password. What is changed through here counts on this node at once and on others within `auth.user_cache`.
//!
//! A user is loaded by two statements, whatever the number of groups and permissions; loads of one user at one time are
//! one. At most [`REMEMBERED`] users are remembered.
//!
//! Must never: tell an unknown user from a wrong password, by answer or, for hashes as `auth.password_hasher` makes them,
//! by time (an older one takes its own time until its user's next login, as in Django); keep a password; or remember what a
//! transaction may still undo.

mod accounts;
mod grants;
mod identity;
pub mod names;

use std::{fmt, sync::Arc, time::Duration};

use moka::sync::Cache;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use tokio::sync::OnceCell;

pub use self::{
    accounts::{NewUser, Profile},
    grants::Permission,
};
use super::{
    Config, Hasher, User,
    password::{self, Checks, Encoded, Verdict},
    tables::user,
};
use crate::{
    clock,
    db::Db,
    error::{Error, Result},
};

/// How many users are remembered at once.
pub const REMEMBERED: u64 = 10_000;
/// Longest time for loading who calls.
pub(super) const LOAD: Duration = Duration::from_secs(5);

/// The users of a site. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct Users {
    db: Db,
    shared: Arc<Shared>,
}

struct Shared {
    hasher: Hasher,
    checks: Checks,
    /// Nothing, when users are not to be remembered.
    remembered: Option<Cache<i64, Arc<Remembered>>>,
}

/// An active user, or that there is none; empty while the first who asked is loading.
type Remembered = OnceCell<Option<Arc<User>>>;

impl Users {
    /// The users in this database.
    pub fn new(db: Db, config: &Config) -> Self {
        let remembered = (!config.user_cache.is_zero())
            .then(|| Cache::builder().max_capacity(REMEMBERED).time_to_live(config.user_cache).build());
        let checks = Checks::new(config.password_checks);
        Self { db, shared: Arc::new(Shared { hasher: config.password_hasher, checks, remembered }) }
    }

    /// The same users, read and written within a transaction: `users.on(cx.db())`. It must not outlive the transaction.
    ///
    /// Changes are forgotten when they are made, not when they are committed: another call that asks in between may
    /// remember the old state, for as long as `auth.user_cache`. [`forget`](Self::forget) after the commit mends that.
    pub fn on(&self, db: &Db) -> Self {
        Self { db: db.clone(), shared: Arc::clone(&self.shared) }
    }

    /// An active user, if they are remembered. `Some(None)`: there is no such active user. `None`: ask
    /// [`active`](Self::active). Never waits.
    pub fn known(&self, id: i64) -> Option<Option<Arc<User>>> {
        self.shared.remembered.as_ref()?.get(&id)?.get().cloned()
    }

    /// An active user with their permissions; `None` when there is no such user, or they are not active.
    ///
    /// # Errors
    /// What the database says.
    pub async fn active(&self, id: i64) -> Result<Option<Arc<User>>> {
        // Within a transaction the rows may be nobody else's yet.
        let (Some(remembered), Db::Pool(_)) = (&self.shared.remembered, &self.db) else {
            return self.load(id).await;
        };
        let cell = remembered.get_with(id, Arc::default);
        cell.get_or_try_init(|| self.load(id)).await.cloned()
    }

    async fn load(&self, id: i64) -> Result<Option<Arc<User>>> {
        // A database that hangs must not hold every call of this user until its deadline; many have none.
        let loaded = tokio::time::timeout(LOAD, identity::load(&self.db, id)).await;
        Ok(loaded.map_err(|_| Error::unavailable("the database does not answer"))??.map(Arc::new))
    }

    /// Asks the database again the next time. Call it after changing a user otherwise than through here.
    pub fn forget(&self, id: i64) {
        if let Some(remembered) = &self.shared.remembered {
            remembered.invalidate(&id);
        }
    }

    /// The same for all users.
    pub fn forget_all(&self) {
        if let Some(remembered) = &self.shared.remembered {
            remembered.invalidate_all();
        }
    }

    /// The user with this username and password, if they are active. `None`: one of the three is not so; the same work is
    /// done for each. A hash that is not as `auth.password_hasher` would write it today is replaced, and `last_login` set.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when too many passwords wait to be checked; what the database says.
    pub async fn verify(&self, username: &str, password: &str) -> Result<Option<Arc<User>>> {
        Ok(self.verified(username, password).await?.map(|(user, _)| user))
    }

    /// The same, with the hash that the password is right for: should the table have another one by now, the password was
    /// changed meanwhile.
    pub(super) async fn verified(&self, username: &str, password: &str) -> Result<Option<(Arc<User>, Encoded)>> {
        if password.is_empty() || password.len() > password::LONGEST {
            return Ok(None);
        }
        // Checking takes its time, and there may be a line: what the table has then may be another password, which this one
        // is not, or a newer hash of the same, which another login has put there. The second look tells.
        for _ in 0..2 {
            let found = self.by_username(username).await?;
            let (id, active) = found.as_ref().map_or((0, false), |user| (user.id, user.is_active));
            let kept = found.map(|user| user.password);
            let (hasher, old, password) = (self.shared.hasher, kept.clone(), password.to_owned());
            let check = move || password::verify(&password, kept.as_ref(), hasher, active);
            let Verdict::Right(new) = self.shared.checks.run(check).await? else { return Ok(None) };
            let Some(old) = old.filter(|_| active) else { return Ok(None) };
            let hash = new.unwrap_or_else(|| old.clone());
            if self.entered(id, old, hash.clone()).await? {
                // As it is now: they may have been given more than was remembered.
                self.forget(id.into());
                return Ok(self.active(id.into()).await?.map(|user| (user, hash)));
            }
        }
        Ok(None)
    }

    /// Notes the login, and the hash of today in place of an older one. `false`: the table has another by now.
    async fn entered(&self, id: i32, old: Encoded, hash: Encoded) -> Result<bool> {
        let noted = user::Entity::update_many()
            .col_expr(user::Column::Password, sea_orm::sea_query::Expr::value(hash))
            .col_expr(user::Column::LastLogin, clock::now().into())
            .filter(user::Column::Id.eq(id))
            .filter(user::Column::Password.eq(old))
            .exec(&self.db)
            .await?;
        Ok(noted.rows_affected > 0)
    }

    /// A new hash, made where hashes are made.
    async fn hash(&self, password: &str) -> Result<Encoded> {
        let (hasher, password) = (self.shared.hasher, password.to_owned());
        self.shared.checks.run(move || Encoded::make(&password, hasher)).await
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("hasher", &self.shared.hasher)
            .field("checks", &self.shared.checks)
            .finish_non_exhaustive()
    }
}
