//! The table behind refresh tokens: one row per login, which names the one token of that login that is still good.
//!
//! A refresh is one statement, "put the next token's number where this one's is", so that of any uses at once the
//! database lets exactly one through, on each of the three databases and in any isolation level. A token whose
//! number is no longer there was used before.
//!
//! Must never: keep a token. A number (`jti`) without the site's key makes none.

use std::time::Duration;

use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _, sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    clock::{self, Time},
    db::Db,
    error::Result,
};
use row::{ActiveModel, Column, Entity};

/// How often rows are looked through, how long they outlive their token (clocks differ), and how many go at once.
const SWEEP: Duration = Duration::from_secs(10 * 60);
const GRACE: Duration = Duration::from_secs(60 * 60);
const SWEPT_AT_ONCE: u64 = 500;

/// A new family's or token's number: 122 random bits.
pub(super) fn new_id() -> String {
    Uuid::new_v4().simple().to_string()
}

#[derive(Debug, Clone)]
pub(in crate::auth) struct Families {
    db: Db,
}

impl Families {
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    pub async fn begin(&self, family: &str, user_id: i64, jti: &str, now: Time, expires: Time) -> Result<()> {
        let row = ActiveModel {
            family: Set(family.to_owned()),
            user_id: Set(user_id),
            jti: Set(jti.to_owned()),
            created_at: Set(now),
            issued_at: Set(now),
            expires_at: Set(expires),
            revoked_at: Set(None),
        };
        Entity::insert(row).exec_without_returning(&self.db).await?;
        Ok(())
    }

    /// Puts `next` in the place of `jti`; `false` when that is not the token that is good now.
    pub async fn advance(&self, family: &str, jti: &str, next: &str, now: Time, expires: Time) -> Result<bool> {
        let advanced = Entity::update_many()
            .col_expr(Column::Jti, Expr::value(next))
            .col_expr(Column::IssuedAt, Expr::value(now))
            .col_expr(Column::ExpiresAt, Expr::value(expires))
            .filter(Column::Family.eq(family))
            .filter(Column::Jti.eq(jti))
            .filter(Column::RevokedAt.is_null())
            .exec(&self.db)
            .await?;
        Ok(advanced.rows_affected == 1)
    }

    /// Ends the family; `false` when it has ended, or never was.
    pub async fn revoke(&self, family: &str, now: Time) -> Result<bool> {
        let revoked = Entity::update_many()
            .col_expr(Column::RevokedAt, Expr::value(now))
            .filter(Column::Family.eq(family))
            .filter(Column::RevokedAt.is_null())
            .exec(&self.db)
            .await?;
        Ok(revoked.rows_affected == 1)
    }

    /// Ends every family of a user: every login of theirs.
    pub async fn revoke_all(&self, user_id: i64, now: Time) -> Result<()> {
        Entity::update_many()
            .col_expr(Column::RevokedAt, Expr::value(now))
            .filter(Column::UserId.eq(user_id))
            .filter(Column::RevokedAt.is_null())
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// Whether this is the token of its family that is good now.
    pub async fn is_at(&self, family: &str, jti: &str) -> Result<bool> {
        let row = Entity::find()
            .filter(Column::Family.eq(family))
            .filter(Column::Jti.eq(jti))
            .filter(Column::RevokedAt.is_null())
            .one(&self.db)
            .await?;
        Ok(row.is_some())
    }

    /// Removes, now and then, the rows whose token has expired. Never ends.
    pub async fn sweep(&self) {
        loop {
            match self.sweep_once(clock::now() - GRACE).await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "removed refresh tokens that had expired"),
                Err(error) => {
                    tracing::warn!(error = error.for_log(), "could not remove refresh tokens that had expired");
                }
            }
            tokio::time::sleep(SWEEP).await;
        }
    }

    /// By their keys and in portions: a condition on the time would lock more than it removes on MySQL, and a long
    /// statement would hold up every other writer of SQLite.
    async fn sweep_once(&self, before: Time) -> Result<u64> {
        let mut rows = 0;
        loop {
            let old: Vec<String> = Entity::find()
                .select_only()
                .column(Column::Family)
                .filter(Column::ExpiresAt.lt(before))
                .limit(SWEPT_AT_ONCE)
                .into_tuple()
                .all(&self.db)
                .await?;
            if old.is_empty() {
                return Ok(rows);
            }
            // A token used in its very last second has moved its row on.
            let gone = Entity::delete_many()
                .filter(Column::Family.is_in(old))
                .filter(Column::ExpiresAt.lt(before))
                .exec(&self.db)
                .await?;
            rows += gone.rows_affected;
        }
    }
}

/// `steeple_refresh_token`.
mod row {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "steeple_refresh_token")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub family: String,
        pub user_id: i64,
        /// Of the token that is good now.
        pub jti: String,
        /// When its user logged in.
        pub created_at: DateTimeUtc,
        /// When the token that is good now was made.
        pub issued_at: DateTimeUtc,
        pub expires_at: DateTimeUtc,
        /// When the user logged out, or a token was used twice.
        pub revoked_at: Option<DateTimeUtc>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
