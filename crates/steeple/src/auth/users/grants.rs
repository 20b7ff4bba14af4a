//! Groups, and what is granted to users and groups.
//!
//! A permission goes by its full name, `crypto.add_coin`. Granting twice is granting once; taking what was not given is
//! no error.

use std::collections::BTreeSet;

use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, JoinType, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _, RelationTrait as _, SqlErr,
    sea_query::{OnConflict, Query, SelectStatement},
};

use super::{Users, identity, names};
use crate::{
    auth::tables::{content_type, group, group_permission, permission, user_group, user_permission},
    error::{Error, Result},
};

/// A permission that can be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Its full name: `crypto.add_coin`.
    pub name: String,
    /// The label of the app.
    pub app: String,
    /// The model it is about, in lower case and without underscores.
    pub model: String,
    /// For people: `Can add coin`.
    pub title: String,
}

impl Users {
    /// Makes a group.
    ///
    /// # Errors
    /// ALREADY_EXISTS; INVALID_ARGUMENT for a name that is empty or too long.
    pub async fn create_group(&self, name: &str) -> Result<group::Model> {
        if names::plain("name", name)?.trim().is_empty() {
            return Err(Error::invalid("name", "may not be empty"));
        }
        let row = group::ActiveModel { name: Set(name.to_owned()), ..Default::default() };
        row.insert(&self.db).await.map_err(|error| match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Error::already_exists("group", name).because(error),
            _ => error.into(),
        })
    }

    /// Deletes a group; its users lose what only it gave them. `false`: there was none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_group(&self, name: &str) -> Result<bool> {
        let Some(found) = self.find_group(name).await? else { return Ok(false) };
        self.db
            .transaction(async |tx| {
                let (of_user, of_group) = (user_group::Column::GroupId, group_permission::Column::GroupId);
                user_group::Entity::delete_many().filter(of_user.eq(found.id)).exec(&tx).await?;
                group_permission::Entity::delete_many().filter(of_group.eq(found.id)).exec(&tx).await?;
                group::Entity::delete_by_id(found.id).exec(&tx).await?;
                Ok::<_, Error>(())
            })
            .await?;
        self.forget_all();
        Ok(true)
    }

    /// All groups, by name.
    ///
    /// # Errors
    /// What the database says.
    pub async fn groups(&self) -> Result<Vec<group::Model>> {
        Ok(group::Entity::find().order_by_asc(group::Column::Name).all(&self.db).await?)
    }

    /// The group with this id, which nobody else changes until the transaction ends: `users.on(&tx).locked_group(id)`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn locked_group(&self, id: i32) -> Result<Option<group::Model>> {
        Ok(group::Entity::find_by_id(id).lock_exclusive().one(&self.db).await?)
    }

    /// The groups of a user, by name.
    ///
    /// # Errors
    /// What the database says.
    pub async fn groups_of(&self, id: i64) -> Result<Vec<group::Model>> {
        let groups = group::Entity::find()
            .join_rev(JoinType::InnerJoin, user_group::Relation::Group.def())
            .filter(user_group::Column::UserId.eq(id))
            .order_by_asc(group::Column::Name);
        Ok(groups.all(&self.db).await?)
    }

    /// Gives a group another name.
    ///
    /// # Errors
    /// NOT_FOUND; ALREADY_EXISTS; INVALID_ARGUMENT for a name that is empty or too long.
    pub async fn rename_group(&self, name: &str, new: &str) -> Result<()> {
        if names::plain("name", new)?.trim().is_empty() {
            return Err(Error::invalid("name", "may not be empty"));
        }
        let row = group::ActiveModel { id: Set(self.group(name).await?.id), name: Set(new.to_owned()) };
        row.update(&self.db).await.map_err(|error| match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Error::already_exists("group", new).because(error),
            _ => error.into(),
        })?;
        Ok(())
    }

    /// Every permission there is, by app and model.
    ///
    /// # Errors
    /// What the database says.
    pub async fn permissions(&self) -> Result<Vec<Permission>> {
        let select = permission::Entity::find()
            .select_only()
            .column(content_type::Column::AppLabel)
            .column(content_type::Column::Model)
            .column(permission::Column::Codename)
            .column(permission::Column::Name)
            .join(JoinType::InnerJoin, permission::Relation::ContentType.def())
            .order_by_asc(content_type::Column::AppLabel)
            .order_by_asc(content_type::Column::Model)
            .order_by_asc(permission::Column::Id);
        let rows: Vec<(String, String, String, String)> = select.into_tuple().all(&self.db).await?;
        let permission =
            |(app, model, codename, title)| Permission { name: format!("{app}.{codename}"), app, model, title };
        Ok(rows.into_iter().map(permission).collect())
    }

    /// What a user was given themselves, by full name.
    ///
    /// # Errors
    /// What the database says.
    pub async fn permissions_of(&self, id: i64) -> Result<BTreeSet<String>> {
        let Ok(id) = i32::try_from(id) else { return Ok(BTreeSet::new()) };
        let given = user_permission::Entity::find()
            .select_only()
            .column(user_permission::Column::PermissionId)
            .filter(user_permission::Column::UserId.eq(id));
        self.named(given.into_query()).await
    }

    /// All that a user was given, themselves and by their groups, by full name: also of one who is not active, and may do
    /// none of it.
    ///
    /// # Errors
    /// What the database says.
    pub async fn all_permissions_of(&self, id: i64) -> Result<BTreeSet<String>> {
        let Ok(id) = i32::try_from(id) else { return Ok(BTreeSet::new()) };
        identity::permissions(&self.db, id).await
    }

    /// What the users of a group are given by it, by full name.
    ///
    /// # Errors
    /// NOT_FOUND for the group.
    pub async fn permissions_of_group(&self, group: &str) -> Result<BTreeSet<String>> {
        let group = self.group(group).await?;
        let given = group_permission::Entity::find()
            .select_only()
            .column(group_permission::Column::PermissionId)
            .filter(group_permission::Column::GroupId.eq(group.id));
        self.named(given.into_query()).await
    }

    async fn named(&self, ids: SelectStatement) -> Result<BTreeSet<String>> {
        let names: Vec<(String, String)> = permission::Entity::find()
            .select_only()
            .column(content_type::Column::AppLabel)
            .column(permission::Column::Codename)
            .join(JoinType::InnerJoin, permission::Relation::ContentType.def())
            .filter(permission::Column::Id.in_subquery(ids))
            .into_tuple()
            .all(&self.db)
            .await?;
        Ok(names.into_iter().map(|(app, codename)| format!("{app}.{codename}")).collect())
    }

    /// Puts a user into a group.
    ///
    /// # Errors
    /// NOT_FOUND for the user or the group.
    pub async fn add_to_group(&self, id: i64, group: &str) -> Result<()> {
        let (user, group) = (self.must_exist(id).await?, self.group(group).await?);
        let columns = [user_group::Column::UserId, user_group::Column::GroupId];
        self.link(user_group::Entity, columns, user, vec![group.id]).await?;
        self.forget(id);
        Ok(())
    }

    /// Takes a user out of a group.
    ///
    /// # Errors
    /// NOT_FOUND for the user or the group.
    pub async fn remove_from_group(&self, id: i64, group: &str) -> Result<()> {
        let (user, group) = (self.must_exist(id).await?, self.group(group).await?);
        user_group::Entity::delete_by_id((user, group.id)).exec(&self.db).await?;
        self.forget(id);
        Ok(())
    }

    /// Gives a user a permission.
    ///
    /// # Errors
    /// NOT_FOUND for the user or the permission.
    pub async fn grant(&self, id: i64, permission: &str) -> Result<()> {
        let (user, permissions) = (self.must_exist(id).await?, self.permission(permission).await?);
        let columns = [user_permission::Column::UserId, user_permission::Column::PermissionId];
        self.link(user_permission::Entity, columns, user, permissions).await?;
        self.forget(id);
        Ok(())
    }

    /// Takes from a user what they were given themselves; what their groups give stays.
    ///
    /// # Errors
    /// NOT_FOUND for the user or the permission.
    pub async fn revoke(&self, id: i64, permission: &str) -> Result<()> {
        let (user, permissions) = (self.must_exist(id).await?, self.permission(permission).await?);
        user_permission::Entity::delete_many()
            .filter(user_permission::Column::UserId.eq(user))
            .filter(user_permission::Column::PermissionId.is_in(permissions))
            .exec(&self.db)
            .await?;
        self.forget(id);
        Ok(())
    }

    /// Gives all users of a group a permission.
    ///
    /// # Errors
    /// NOT_FOUND for the group or the permission.
    pub async fn grant_to_group(&self, group: &str, permission: &str) -> Result<()> {
        let (group, permissions) = (self.group(group).await?, self.permission(permission).await?);
        let columns = [group_permission::Column::GroupId, group_permission::Column::PermissionId];
        self.link(group_permission::Entity, columns, group.id, permissions).await?;
        self.forget_all();
        Ok(())
    }

    /// Takes a permission from a group.
    ///
    /// # Errors
    /// NOT_FOUND for the group or the permission.
    pub async fn revoke_from_group(&self, group: &str, permission: &str) -> Result<()> {
        let (group, permissions) = (self.group(group).await?, self.permission(permission).await?);
        group_permission::Entity::delete_many()
            .filter(group_permission::Column::GroupId.eq(group.id))
            .filter(group_permission::Column::PermissionId.is_in(permissions))
            .exec(&self.db)
            .await?;
        self.forget_all();
        Ok(())
    }

    async fn group(&self, name: &str) -> Result<group::Model> {
        self.find_group(name).await?.ok_or_else(|| Error::not_found("group", name))
    }

    async fn find_group(&self, name: &str) -> Result<Option<group::Model>> {
        if names::plain("name", name).is_err() {
            return Ok(None);
        }
        Ok(group::Entity::find().filter(group::Column::Name.eq(name)).one(&self.db).await?)
    }

    /// The ids of a permission: two models of one app may have one of the same name, and both are meant, as by Django's
    /// `has_perm`.
    async fn permission(&self, name: &str) -> Result<Vec<i32>> {
        let not_found = || Error::not_found("permission", name.escape_default());
        let (app, codename) = name.split_once('.').filter(|_| !name.contains('\0')).ok_or_else(not_found)?;
        let ids: Vec<i32> = permission::Entity::find()
            .select_only()
            .column(permission::Column::Id)
            .join(JoinType::InnerJoin, permission::Relation::ContentType.def())
            .filter(content_type::Column::AppLabel.eq(app))
            .filter(permission::Column::Codename.eq(codename))
            .into_tuple()
            .all(&self.db)
            .await?;
        if ids.is_empty() { Err(not_found()) } else { Ok(ids) }
    }

    /// Adds the pairs that are not there yet.
    async fn link<E: sea_orm::EntityTrait>(
        &self,
        table: E,
        columns: [E::Column; 2],
        one: i32,
        others: Vec<i32>,
    ) -> Result<()> {
        let mut insert = Query::insert();
        insert.into_table(table).columns(columns);
        for other in others {
            insert.values_panic([one.into(), other.into()]);
        }
        insert.on_conflict(OnConflict::columns(columns).do_nothing_on(columns).to_owned());
        self.db.execute(&insert).await?;
        Ok(())
    }
}
