//! The site's secret key as an API key: whoever has it is the first active superuser.
//!
//! A convenience of the original for a developer's machine. It works in development only, and only when
//! `auth.accept_secret_key` asks for it; elsewhere that option keeps the site from starting.

use std::fmt;

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::text::Digest;
use crate::{
    auth::{Config, Secret, tables::user},
    db::Db,
    error::{Error, Result},
};

/// Knows the secret key when it sees it.
pub struct SiteKey(Option<Digest>);

impl SiteKey {
    /// Of this secret, when the configuration wants it. `development`: the environment is that one.
    ///
    /// # Errors
    /// It is wanted, and the environment is another one, or there is no secret.
    pub fn new(config: &Config, development: bool, secret: Option<&Secret>) -> Result<Self, String> {
        match (config.accept_secret_key, secret) {
            (false, _) => Ok(Self(None)),
            (true, _) if !development => Err("auth.accept_secret_key works in development only".to_owned()),
            (true, Some(secret)) => Ok(Self(Some(Digest::of(secret.expose())))),
            (true, None) => Err("auth.accept_secret_key is on, and the site has no secret key".to_owned()),
        }
    }

    /// Whether this text is the secret key, in a time that tells nothing of it.
    pub fn is(&self, text: &str) -> bool {
        self.0.is_some_and(|own| own.is(&Digest::of(text)))
    }

    /// `auth_user.id` of whom it stands for: the superuser of the lowest id among the active ones.
    ///
    /// # Errors
    /// UNAUTHENTICATED: there is none. UNAVAILABLE while the database is away.
    pub async fn user(&self, db: &Db) -> Result<i64> {
        let superusers = user::Entity::find()
            .filter(user::Column::IsActive.eq(true))
            .filter(user::Column::IsSuperuser.eq(true))
            .order_by_asc(user::Column::Id);
        let first: Option<i32> = superusers.select_only().column(user::Column::Id).into_tuple().one(db).await?;
        first.map(i64::from).ok_or_else(|| {
            Error::unauthenticated("the api key is not valid")
                .because("it is the secret key, and there is no active superuser: make one with `createsuperuser`")
        })
    }
}

impl fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "SiteKey(on)" } else { "SiteKey(off)" })
    }
}
