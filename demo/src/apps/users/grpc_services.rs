//! `users.UserService`. What each method promises is said in `proto/users.proto`.

use sea_orm::{Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use steeple::{
    Context, Error, Result, Setup,
    auth::{Profile, Users, tables::user},
};

use super::{input, profiles};
use crate::{
    paging::Page,
    pb::users::{
        self as pb, GetUserRequest, ListUsersRequest, ListUsersResponse, SetUserActiveRequest, UpdateProfileRequest,
        User,
    },
};

const VIEW: &str = "auth.view_user";

/// Serves the site's users.
#[derive(Debug)]
pub struct UserService {
    users: Users,
}

impl UserService {
    /// Of this site.
    pub fn new(setup: &Setup) -> Result<Self> {
        Ok(Self { users: setup.identity().users.clone() })
    }

    async fn user(&self, cx: &Context, id: i64) -> Result<user::Model> {
        self.users.on(cx.db()).by_id(id).await?.ok_or_else(|| Error::not_found("user", id))
    }
}

impl pb::UserService for UserService {
    async fn get_user(&self, cx: Context, request: GetUserRequest) -> Result<User> {
        let caller = cx.require_user()?.id;
        let id = if request.user_id == 0 { caller } else { request.user_id };
        if id != caller && !cx.check_permission(VIEW) {
            return Err(Error::not_found("user", id));
        }
        profiles::shown_one(cx.db(), self.user(&cx, id).await?).await
    }

    async fn update_profile(&self, cx: Context, request: UpdateProfileRequest) -> Result<User> {
        let id = cx.require_user()?.id;
        let bio = request.bio.as_deref().map(input::bio).transpose()?;
        let UpdateProfileRequest { first_name, last_name, email, .. } = request.clone();
        let profile = Profile { email, first_name, last_name };
        let user = cx
            .transaction(async |cx| {
                let user = self.users.on(cx.db()).set_profile(id, &profile).await?;
                if let Some(bio) = bio {
                    profiles::write(cx.db(), user.id, bio).await?;
                }
                profiles::shown_one(cx.db(), user).await
            })
            .await?;
        // Somebody may have asked for them before the commit.
        self.users.forget(id);
        Ok(user)
    }

    async fn list_users(&self, cx: Context, request: ListUsersRequest) -> Result<ListUsersResponse> {
        let page = Page::read(request.page_size, &request.page_token, "users.id".into())?;
        let rows = user::Entity::find()
            .filter(Condition::all().add_option(page.behind(user::Column::Id, user::Column::Id, false)))
            .order_by_asc(user::Column::Id)
            .limit(page.limit())
            .all(cx.db())
            .await?;
        let (rows, next_page_token) = page.cut(rows, |user| (user.id.into(), user.id.into()));
        Ok(ListUsersResponse { users: profiles::shown(cx.db(), rows).await?, next_page_token })
    }

    async fn set_user_active(&self, cx: Context, request: SetUserActiveRequest) -> Result<User> {
        let id = input::id("user_id", request.user_id)?;
        if id == cx.require_user()?.id && !request.active {
            return Err(Error::failed_precondition("nobody can shut themselves out").reason("OWN_ACCOUNT", "users"));
        }
        self.users.set_active(id, request.active).await?;
        profiles::shown_one(cx.db(), self.user(&cx, id).await?).await
    }
}
