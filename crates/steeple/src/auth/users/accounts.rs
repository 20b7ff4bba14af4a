//! Accounts: made, found, changed and deleted.

use std::collections::HashMap;

use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    SqlErr,
    sea_query::{Alias, Expr, ExprTrait as _, Query, SimpleExpr},
};

use super::{Users, names};
use crate::{
    auth::{
        Secret,
        password::Encoded,
        tables::{user, user_group, user_permission},
        token::Families,
    },
    clock,
    error::{Error, Result},
};

/// What lets a user in and has no foreign key to them. It would be of no use without the user, but some databases give an
/// id again, and the next who has it must not inherit it.
const CREDENTIALS: [&str; 3] = ["steeple_api_key", "steeple_refresh_token", "steeple_session"];

/// A user to be made: active, and otherwise with nothing.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// What they log in with.
    pub username: String,
    /// May be empty.
    pub email: String,
    /// `None`: they cannot log in by password.
    pub password: Option<Secret>,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// May use the admin.
    pub is_staff: bool,
    /// Has every permission.
    pub is_superuser: bool,
    /// May log in.
    pub is_active: bool,
}

impl Default for NewUser {
    fn default() -> Self {
        Self {
            username: String::new(),
            email: String::new(),
            password: None,
            first_name: String::new(),
            last_name: String::new(),
            is_staff: false,
            is_superuser: false,
            is_active: true,
        }
    }
}

/// What users may change of themselves; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// Another address, or none when empty.
    pub email: Option<String>,
    /// Another first name, or none when empty.
    pub first_name: Option<String>,
    /// Another last name, or none when empty.
    pub last_name: Option<String>,
}

impl Users {
    /// Makes a user. Whether the password is easily guessed is not looked at: see
    /// [`weaknesses`](crate::auth::password::weaknesses).
    ///
    /// # Errors
    /// INVALID_ARGUMENT for names as Django would not have them, ALREADY_EXISTS for a username that is taken.
    pub async fn create(&self, new: NewUser) -> Result<user::Model> {
        let username = names::username(&new.username)?;
        let email = names::email(&new.email)?;
        let first_name = names::plain("first_name", &new.first_name)?.to_owned();
        let last_name = names::plain("last_name", &new.last_name)?.to_owned();
        let password = match &new.password {
            Some(password) => self.hash(password.expose()).await?,
            None => Encoded::unusable()?,
        };
        let row = user::ActiveModel {
            password: Set(password),
            last_login: Set(None),
            is_superuser: Set(new.is_superuser),
            username: Set(username.clone()),
            first_name: Set(first_name),
            last_name: Set(last_name),
            email: Set(email),
            is_staff: Set(new.is_staff),
            is_active: Set(new.is_active),
            date_joined: Set(clock::now()),
            ..Default::default()
        };
        let made = row.insert(&self.db).await.map_err(|error| match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Error::already_exists("user", &username).because(error),
            _ => error.into(),
        })?;
        // It may have been asked for, and known not to be.
        self.forget(made.id.into());
        Ok(made)
    }

    /// The user with this username, active or not. Upper and lower case differ, and so do accents, whatever the collation
    /// of the table finds alike.
    ///
    /// # Errors
    /// What the database says.
    pub async fn by_username(&self, username: &str) -> Result<Option<user::Model>> {
        let Some(name) = names::sought(username) else { return Ok(None) };
        let found = user::Entity::find().filter(user::Column::Username.eq(name.clone())).one(&self.db).await?;
        Ok(found.filter(|user| user.username == name))
    }

    /// Whether anybody is a superuser, active or not.
    ///
    /// # Errors
    /// What the database says.
    pub async fn has_superuser(&self) -> Result<bool> {
        let superusers = user::Entity::find().filter(user::Column::IsSuperuser.eq(true));
        let one: Option<i32> = superusers.select_only().column(user::Column::Id).into_tuple().one(&self.db).await?;
        Ok(one.is_some())
    }

    /// The user with this id, active or not.
    ///
    /// # Errors
    /// What the database says.
    pub async fn by_id(&self, id: i64) -> Result<Option<user::Model>> {
        let Ok(id) = i32::try_from(id) else { return Ok(None) };
        Ok(user::Entity::find_by_id(id).one(&self.db).await?)
    }

    /// The same, whom nobody else changes until the transaction ends: `users.on(&tx).locked(id)`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn locked(&self, id: i64) -> Result<Option<user::Model>> {
        let Ok(id) = i32::try_from(id) else { return Ok(None) };
        Ok(user::Entity::find_by_id(id).lock_exclusive().one(&self.db).await?)
    }

    /// What those of these users are called that there are, active or not.
    ///
    /// # Errors
    /// What the database says.
    pub async fn usernames(&self, ids: impl IntoIterator<Item = i64>) -> Result<HashMap<i64, String>> {
        let ids = ids.into_iter().filter_map(|id| i32::try_from(id).ok());
        let users = user::Entity::find().filter(user::Column::Id.is_in(ids)).select_only();
        let users = users.column(user::Column::Id).column(user::Column::Username).into_tuple::<(i32, String)>();
        Ok(users.all(&self.db).await?.into_iter().map(|(id, name)| (id.into(), name)).collect())
    }

    /// At most `limit` users with ids above `after`, active or not, in the order of their ids.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list(&self, after: i64, limit: u64) -> Result<Vec<user::Model>> {
        let users = user::Entity::find().filter(user::Column::Id.gt(after)).order_by_asc(user::Column::Id).limit(limit);
        Ok(users.all(&self.db).await?)
    }

    /// Gives a user another password; `None`: they cannot log in by password any more. Whoever is logged in with the old
    /// one is not for long: their refresh tokens end with it, an access token lives on for what is left of
    /// `auth.access_lifetime`. API keys stay.
    ///
    /// # Errors
    /// NOT_FOUND; INVALID_ARGUMENT for a password that is empty or too long.
    pub async fn set_password(&self, id: i64, password: Option<&str>) -> Result<()> {
        let encoded = match password {
            Some(password) => self.hash(password).await?,
            None => Encoded::unusable()?,
        };
        let key = self.must_exist(id).await?;
        self.db
            .transaction(async |tx| {
                user::Entity::update_many()
                    .col_expr(user::Column::Password, SimpleExpr::value(encoded.clone()))
                    .filter(user::Column::Id.eq(key))
                    .exec(&tx)
                    .await?;
                Families::new(tx.clone()).revoke_all(id, clock::now()).await
            })
            .await?;
        self.forget(id);
        Ok(())
    }

    /// Lets a user in, or shuts them out: who is not active has no permission and no valid credential.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub async fn set_active(&self, id: i64, active: bool) -> Result<()> {
        self.change(id, [(user::Column::IsActive, active.into())]).await
    }

    /// Makes a user staff, or no longer.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub async fn set_staff(&self, id: i64, staff: bool) -> Result<()> {
        self.change(id, [(user::Column::IsStaff, staff.into())]).await
    }

    /// Makes a user a superuser, or no longer.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub async fn set_superuser(&self, id: i64, superuser: bool) -> Result<()> {
        self.change(id, [(user::Column::IsSuperuser, superuser.into())]).await
    }

    /// Gives a user another username.
    ///
    /// # Errors
    /// NOT_FOUND; ALREADY_EXISTS; INVALID_ARGUMENT for a name as Django would not have it.
    pub async fn rename(&self, id: i64, username: &str) -> Result<()> {
        let username = names::username(username)?;
        let taken = self.by_username(&username).await?.is_some_and(|other| i64::from(other.id) != id);
        if taken {
            return Err(Error::already_exists("user", &username));
        }
        self.change(id, [(user::Column::Username, username.into())]).await
    }

    /// Changes what users may change of themselves; gives the user as they are then.
    ///
    /// # Errors
    /// NOT_FOUND; INVALID_ARGUMENT for an address or a name that cannot be kept.
    pub async fn set_profile(&self, id: i64, profile: &Profile) -> Result<user::Model> {
        let mut changes = Vec::new();
        if let Some(text) = &profile.email {
            changes.push((user::Column::Email, names::email(text)?.into()));
        }
        let named = [
            (user::Column::FirstName, "first_name", &profile.first_name),
            (user::Column::LastName, "last_name", &profile.last_name),
        ];
        for (column, field, text) in named {
            if let Some(text) = text {
                changes.push((column, names::plain(field, text)?.into()));
            }
        }
        if !changes.is_empty() {
            self.change(id, changes).await?;
        }
        self.by_id(id).await?.ok_or_else(|| Error::not_found("user", id))
    }

    async fn change(&self, id: i64, changes: impl IntoIterator<Item = (user::Column, SimpleExpr)>) -> Result<()> {
        self.must_exist(id).await?;
        let mut update = user::Entity::update_many().filter(user::Column::Id.eq(id));
        for (column, value) in changes {
            update = update.col_expr(column, value);
        }
        update.exec(&self.db).await?;
        self.forget(id);
        Ok(())
    }

    /// MySQL counts no row as changed when it was so before; so this is asked apart.
    pub(super) async fn must_exist(&self, id: i64) -> Result<i32> {
        let not_found = || Error::not_found("user", id);
        let key = i32::try_from(id).map_err(|_| not_found())?;
        let found: Option<i32> =
            user::Entity::find_by_id(key).select_only().column(user::Column::Id).into_tuple().one(&self.db).await?;
        found.ok_or_else(not_found)
    }

    /// Deletes a user with what they were given, their API keys, refresh tokens and sessions. `false`: there was none. Prefer
    /// [`set_active`](Self::set_active): rows of other tables may refer to them.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when rows of other tables refer to the user; then nothing is deleted.
    pub async fn delete(&self, id: i64) -> Result<bool> {
        let Ok(key) = i32::try_from(id) else { return Ok(false) };
        let deleted = self
            .db
            .transaction(async |tx| {
                user_group::Entity::delete_many().filter(user_group::Column::UserId.eq(key)).exec(&tx).await?;
                user_permission::Entity::delete_many()
                    .filter(user_permission::Column::UserId.eq(key))
                    .exec(&tx)
                    .await?;
                for table in CREDENTIALS {
                    let mut delete = Query::delete();
                    delete.from_table(Alias::new(table)).and_where(Expr::col(Alias::new("user_id")).eq(id));
                    tx.execute(&delete).await?;
                }
                let deleted = user::Entity::delete_by_id(key).exec(&tx).await?;
                Ok::<_, Error>(deleted.rows_affected > 0)
            })
            .await?;
        self.forget(id);
        Ok(deleted)
    }
}
