//! Profiles: of the users asked for, in one statement, and written whether there was one before or not.

use std::collections::HashMap;

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::OnConflict};
use steeple::{Db, Result, auth::tables::user};

use super::models::profile;
use crate::pb::users::User;

/// The users with their profiles, in the order given.
pub async fn shown(db: &Db, users: Vec<user::Model>) -> Result<Vec<User>> {
    if users.is_empty() {
        return Ok(vec![]);
    }
    let profiles =
        profile::Entity::find().filter(profile::Column::UserId.is_in(users.iter().map(|user| user.id))).all(db).await?;
    let mut bios: HashMap<_, _> = profiles.into_iter().map(|profile| (profile.user_id, profile.bio)).collect();
    let with_bio = |user: user::Model| {
        let bio = bios.remove(&user.id).unwrap_or_default();
        (user, bio).into()
    };
    Ok(users.into_iter().map(with_bio).collect())
}

/// One user with their profile.
pub async fn shown_one(db: &Db, user: user::Model) -> Result<User> {
    let mut shown = shown(db, vec![user]).await?;
    Ok(shown.remove(0))
}

/// Writes the profile of a user.
pub async fn write(db: &Db, user_id: i32, bio: &str) -> Result<()> {
    let row = profile::ActiveModel { user_id: Set(user_id), bio: Set(bio.to_owned()), ..Default::default() };
    let or_change = OnConflict::column(profile::Column::UserId).update_column(profile::Column::Bio).to_owned();
    profile::Entity::insert(row).on_conflict(or_change).exec_without_returning(db).await?;
    Ok(())
}
