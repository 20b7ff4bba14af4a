//! The site's secret key: the configuration's, or one that the database keeps.
//!
//! In development and test nobody has to think of a key: the first process makes a random one, and all processes of this
//! database share it, now and after a restart. Whoever reads that database can make tokens, which is why production
//! wants the key in its configuration and never comes here.
//!
//! Must never: make a key where the configuration must have one, or show it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sea_orm::{ActiveValue::Set, EntityTrait as _, SqlErr};

use super::{Config, Secret};
use crate::{
    clock,
    db::Db,
    error::{Error, Result},
};
use row::{ActiveModel, Entity};

/// The only row so far.
const NAME: &str = "secret_key";
const RANDOM_BYTES: usize = 48;

/// The secret key of the site. `may_make`: a random one will do when the configuration has none.
///
/// # Errors
/// FAILED_PRECONDITION when there is none and none may be made; UNAVAILABLE and such from the database.
pub(crate) async fn site_secret(db: &Db, config: &Config, may_make: bool) -> Result<Secret> {
    if let Some(secret) = &config.secret_key {
        return Ok(secret.clone());
    }
    if !may_make {
        return Err(Error::failed_precondition(
            "auth.secret_key: must be set in production: at least 32 random bytes, as `openssl rand -base64 48` prints",
        ));
    }
    if let Some(kept) = kept(db).await? {
        return Ok(kept);
    }
    let row = ActiveModel { name: Set(NAME.to_owned()), value: Set(random()?), created_at: Set(clock::now()) };
    match Entity::insert(row).exec_without_returning(db).await {
        // Another process was faster: its key is the one.
        Err(error) if !matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Err(error)?,
        _ => {}
    }
    kept(db)
        .await?
        .ok_or_else(|| Error::internal("internal error").because("the secret key that was just kept is gone"))
}

async fn kept(db: &Db) -> Result<Option<Secret>> {
    Ok(Entity::find_by_id(NAME).one(db).await?.map(|row| row.value))
}

fn random() -> Result<Secret> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal("internal error").because(error))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// `steeple_secret`.
mod row {
    use sea_orm::entity::prelude::*;

    use crate::auth::Secret;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "steeple_secret")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub value: Secret,
        pub created_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
