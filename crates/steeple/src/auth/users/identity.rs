//! One user as the access rules see them: the row, and all permissions by one statement.

use std::collections::BTreeSet;

use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, JoinType, QueryFilter as _, QuerySelect as _, QueryTrait as _,
    RelationTrait as _,
};

use crate::{
    auth::{
        User,
        tables::{content_type, group_permission, permission, user, user_group, user_permission},
    },
    db::Db,
    error::Result,
};

/// An active user; `None` when there is none of this id.
pub(super) async fn load(db: &Db, id: i64) -> Result<Option<User>> {
    // Ids that Django cannot have given.
    let Ok(id) = i32::try_from(id) else { return Ok(None) };
    let row = user::Entity::find_by_id(id).filter(user::Column::IsActive.eq(true)).one(db).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(User {
        permissions: permissions(db, id).await?,
        id: row.id.into(),
        username: row.username,
        email: row.email,
        first_name: row.first_name,
        last_name: row.last_name,
        is_staff: row.is_staff,
        is_superuser: row.is_superuser,
    }))
}

/// All that this user was given, themselves or through a group, by full name.
pub(super) async fn permissions(db: &Db, id: i32) -> Result<BTreeSet<String>> {
    let own = user_permission::Entity::find()
        .select_only()
        .column(user_permission::Column::PermissionId)
        .filter(user_permission::Column::UserId.eq(id))
        .into_query();
    let groups = user_group::Entity::find()
        .select_only()
        .column(user_group::Column::GroupId)
        .filter(user_group::Column::UserId.eq(id))
        .into_query();
    let of_groups = group_permission::Entity::find()
        .select_only()
        .column(group_permission::Column::PermissionId)
        .filter(group_permission::Column::GroupId.in_subquery(groups))
        .into_query();
    let permissions: Vec<(String, String)> = permission::Entity::find()
        .select_only()
        .column(content_type::Column::AppLabel)
        .column(permission::Column::Codename)
        .join(JoinType::InnerJoin, permission::Relation::ContentType.def())
        .filter(
            Condition::any()
                .add(permission::Column::Id.in_subquery(own))
                .add(permission::Column::Id.in_subquery(of_groups)),
        )
        .into_tuple()
        .all(db)
        .await?;
    Ok(permissions.into_iter().map(|(app, codename)| format!("{app}.{codename}")).collect())
}
