//! Users: made, changed, deleted, and what they may do.

use std::collections::{BTreeMap, BTreeSet};

use axum::{http::StatusCode, response::Response};
use minijinja::context;
use serde_json::{Value as Json, json};

use super::{boxes, checked, listed, users, within};
use crate::{
    admin::{
        asked::Asked,
        failure,
        fields::Fields,
        models::{self, Deed, Subject},
    },
    audit::{Action, Entry},
    auth::{NewUser, Profile, Secret, Users, password::weaknesses, tables::user},
    error::{Code, Error, Result},
    model::Row,
};

/// The field of the form that has what was seen.
const SEEN: &str = "_seen";

fn subject(asked: &Asked) -> &Subject {
    &asked.admin().models.users
}

/// `GET /users`.
pub(in crate::admin) async fn list(asked: Asked) -> Result<Response> {
    models::list_page(&asked, subject(&asked)).await
}

/// `GET /users/new`.
pub(in crate::admin) async fn blank(asked: Asked) -> Result<Response> {
    subject(&asked).require(asked.user(), Deed::Add)?;
    new(&asked, None)
}

fn new(asked: &Asked, error: Option<Error>) -> Result<Response> {
    let (status, failed, wrong) = told(error);
    let form = &asked.form;
    let values = context! {
        asked => form.with("password", "").with("password_again", "").values(),
        failed => failed,
        wrong => wrong,
        superuser => asked.user().is_superuser,
    };
    asked.page_with(status, "user_new.html", "New user", values)
}

/// `POST /users/new`.
pub(in crate::admin) async fn create(asked: Asked) -> Result<Response> {
    subject(&asked).require(asked.user(), Deed::Add)?;
    match made(&asked).await {
        Ok(user) => {
            let told = format!("{} is created. Now say what they may do.", user.username);
            Ok(asked.done(&format!("/users/{}", user.id), &told))
        }
        Err(error) if is_for_the_form(&error) => new(&asked, Some(error)),
        Err(error) => Err(error),
    }
}

async fn made(asked: &Asked) -> Result<user::Model> {
    let form = &asked.form;
    let is_staff = form.get("is_staff") == "on";
    if is_staff && !asked.user().is_superuser {
        return Err(Error::permission_denied("only superusers make staff"));
    }
    let (username, email) = (form.get("username").trim(), form.get("email").trim());
    let new = NewUser {
        password: new_password(form, &[("username", username), ("email address", email)], true)?,
        username: username.to_owned(),
        email: email.to_owned(),
        is_staff,
        ..NewUser::default()
    };
    let (users, db) = (users(asked), &asked.admin().inside().db);
    let made = db
        .transaction(async |tx| {
            let made = users.on(&tx).create(new).await?;
            let changes = [("is_staff".to_owned(), Json::Null, made.is_staff.into())];
            let entry = Entry::new(asked.user(), Action::Add, "auth.user", made.id, &made.username);
            entry.changes(changes).write(&tx).await?;
            Ok::<_, Error>(made)
        })
        .await?;
    users.forget(made.id.into());
    Ok(made)
}

/// The new password of a form; `None`, where that is allowed, when both fields are empty.
///
/// # Errors
/// INVALID_ARGUMENT: the two differ, or it is easily guessed.
pub(super) fn new_password(form: &Fields, about: &[(&'static str, &str)], may_lack: bool) -> Result<Option<Secret>> {
    let (password, again) = (form.get("password"), form.get("password_again"));
    if password != again {
        return Err(Error::invalid("password_again", "the two are not the same"));
    }
    if password.is_empty() {
        return if may_lack { Ok(None) } else { Err(Error::invalid("password", "may not be empty")) };
    }
    let weak: Vec<_> = weaknesses(password, about).iter().map(ToString::to_string).collect();
    if weak.is_empty() { Ok(Some(Secret::new(password))) } else { Err(Error::invalid("password", weak.join(", and "))) }
}

/// The user that the path names.
pub(super) async fn found(asked: &Asked) -> Result<user::Model> {
    let key = asked.part("key");
    let found = match key.parse() {
        Ok(id) => users(asked).by_id(id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| Error::not_found("user", key.chars().take(50).collect::<String>()))
}

/// Whether who asks may change this user: only superusers change those who are more than anybody.
pub(super) fn may_change(asked: &Asked, user: &user::Model) -> Result<()> {
    subject(asked).require(asked.user(), Deed::Change)?;
    if (user.is_superuser || user.is_staff) && !asked.user().is_superuser {
        return Err(Error::permission_denied("only superusers change staff and superusers"));
    }
    Ok(())
}

/// Whether who asks may let somebody into this account: only who may do all that it may, active or not, as it would be
/// theirs to use.
///
/// # Errors
/// PERMISSION_DENIED; what the database says.
pub(super) async fn may_let_in(asked: &Asked, users: &Users, id: i64) -> Result<()> {
    let by = asked.user();
    let more = users.all_permissions_of(id).await?.into_iter().find(|name| !by.has_permission(name));
    match more {
        Some(name) => Err(Error::permission_denied(format!(
            "this account may do more than you ({name}): only who has all of its permissions changes its password, \
             username or email address, or makes it active"
        ))),
        None => Ok(()),
    }
}

/// What a form of a user shows and a later one must find unchanged.
fn state(
    user: &user::Model,
    groups: &BTreeSet<String>,
    permissions: &BTreeSet<String>,
) -> BTreeMap<&'static str, Json> {
    BTreeMap::from([
        ("username", user.username.clone().into()),
        ("first_name", user.first_name.clone().into()),
        ("last_name", user.last_name.clone().into()),
        ("email", user.email.clone().into()),
        ("is_active", user.is_active.into()),
        ("is_staff", user.is_staff.into()),
        ("is_superuser", user.is_superuser.into()),
        ("groups", json!(groups)),
        ("permissions", json!(permissions)),
    ])
}

async fn names_of_groups(users: &Users, id: i32) -> Result<BTreeSet<String>> {
    Ok(users.groups_of(id.into()).await?.into_iter().map(|group| group.name).collect())
}

/// `GET /users/{id}`.
pub(in crate::admin) async fn one(asked: Asked) -> Result<Response> {
    subject(&asked).require(asked.user(), Deed::View)?;
    let user = found(&asked).await?;
    shown(&asked, &user, None).await
}

async fn shown(asked: &Asked, user: &user::Model, error: Option<Error>) -> Result<Response> {
    let may_change = may_change(asked, user).is_ok();
    let may_let_in = may_change && may_let_in(asked, users(asked), user.id.into()).await.is_ok();
    let conflict = error.as_ref().is_some_and(|error| error.code() == Code::Aborted);
    let (status, failed, wrong) = told(error);
    let status = if conflict { StatusCode::CONFLICT } else { status };
    let groups = names_of_groups(users(asked), user.id).await?;
    let given = users(asked).permissions_of(user.id.into()).await?;
    let state = state(user, &groups, &given);
    let sent = (status != StatusCode::OK && !conflict).then_some(&asked.form);
    let text = |name: &str| match sent {
        Some(form) => form.get(name).to_owned(),
        None => state.get(name).and_then(Json::as_str).unwrap_or_default().to_owned(),
    };
    let on = |name: &str| match sent {
        Some(form) => form.get(name) == "on",
        None => state.get(name).and_then(Json::as_bool).unwrap_or_default(),
    };
    let chosen = |name: &str, now: &BTreeSet<String>| match sent {
        Some(form) => form.all(name).map(str::to_owned).collect(),
        None => now.clone(),
    };
    let (in_groups, permissions) = (chosen("group", &groups), chosen("permission", &given));
    let all_groups = users(asked).groups().await?;
    let all_groups =
        all_groups.iter().map(|group| context! { name => &group.name, on => in_groups.contains(&group.name) });
    let path = asked.to(&format!("/users/{}", user.id));
    let effective = users(asked).active(user.id.into()).await?;
    let by_groups = effective.iter().flat_map(|user| &user.permissions).filter(|name| !given.contains(*name)).count();
    let values = context! {
        user => context! {
            id => user.id, username => &user.username, last_login => user.last_login.map(|moment| moment.to_rfc3339()),
            date_joined => user.date_joined.to_rfc3339(), has_password => user.password.is_usable(),
        },
        asked => context! {
            username => text("username"), first_name => text("first_name"), last_name => text("last_name"),
            email => text("email"), is_active => on("is_active"), is_staff => on("is_staff"),
            is_superuser => on("is_superuser"),
        },
        groups => all_groups.collect::<Vec<_>>(),
        permissions => boxes(asked, &permissions).await?,
        by_groups => by_groups,
        seen => Json::Object(state.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()).to_string(),
        failed => failed,
        wrong => wrong,
        action => &path,
        may_change => may_change,
        may_let_in => may_let_in,
        superuser => asked.user().is_superuser,
        delete_href => (may_change && subject(asked).may(asked.user(), Deed::Delete)).then(|| format!("{path}/delete")),
        requests_href => asked.to(&format!("/requests?user={}", user.id)),
        history_href => asked.user().is_superuser.then(|| asked.to(&format!("/audit?kind=auth.user&key={}", user.id))),
    };
    asked.page_with(status, "user.html", &user.username, values)
}

/// `POST /users/{id}`.
pub(in crate::admin) async fn save(asked: Asked) -> Result<Response> {
    let user = found(&asked).await?;
    may_change(&asked, &user)?;
    match saved(&asked, user.id.into()).await {
        Ok(true) => Ok(asked.done("/users", &format!("{} is saved.", asked.form.get("username").trim()))),
        Ok(false) => Ok(asked.done("/users", "Nothing was changed.")),
        Err(error) if is_for_the_form(&error) => {
            let user = found(&asked).await?;
            shown(&asked, &user, Some(error)).await
        }
        Err(error) => Err(error),
    }
}

/// What a user is and was given.
struct Stands {
    row: user::Model,
    groups: BTreeSet<String>,
    permissions: BTreeSet<String>,
}

impl Stands {
    /// As it is now; nobody else changes it until the transaction ends.
    async fn locked(users: &Users, id: i64) -> Result<Self> {
        let row = users.locked(id).await?.ok_or_else(|| Error::not_found("user", id))?;
        let groups = names_of_groups(users, row.id).await?;
        Ok(Self { groups, permissions: users.permissions_of(id).await?, row })
    }

    /// As the form wants it.
    fn wanted(&self, asked: &Asked, permissions: BTreeSet<String>) -> Self {
        let (form, mut row) = (&asked.form, self.row.clone());
        form.get("username").trim().clone_into(&mut row.username);
        form.get("first_name").trim().clone_into(&mut row.first_name);
        form.get("last_name").trim().clone_into(&mut row.last_name);
        form.get("email").trim().clone_into(&mut row.email);
        row.is_active = form.get("is_active") == "on";
        if asked.user().is_superuser {
            row.is_staff = form.get("is_staff") == "on";
            row.is_superuser = form.get("is_superuser") == "on";
        }
        Self { row, groups: form.all("group").map(str::to_owned).collect(), permissions }
    }

    fn state(&self) -> BTreeMap<&'static str, Json> {
        state(&self.row, &self.groups, &self.permissions)
    }
}

async fn saved(asked: &Asked, id: i64) -> Result<bool> {
    let seen: BTreeMap<String, Json> = serde_json::from_str(asked.form.get(SEEN))
        .map_err(|_| Error::invalid_argument("the form is not whole: open its page again"))?;
    let permissions = checked(asked).await?;
    let (all, db) = (users(asked), &asked.admin().inside().db);
    let changed = db
        .transaction(async |tx| {
            let users = all.on(&tx);
            let before = Stands::locked(&users, id).await?;
            may_change(asked, &before.row)?;
            if before.state().iter().any(|(name, now)| seen.get(*name).is_some_and(|seen| seen != now)) {
                return Err(Error::aborted(
                    "somebody else changed this user since you opened the page; nothing of yours is saved, and the form \
                     has what is there now",
                ));
            }
            let after = before.wanted(asked, permissions);
            let (was, now) = (before.state(), after.state());
            let changed: Vec<_> =
                was.iter().filter(|(name, was)| now.get(*name) != Some(*was)).map(|(name, _)| *name).collect();
            if changed.is_empty() {
                return Ok(false);
            }
            allowed(asked, &users, &before, &after).await?;
            write(&users, &before, &after, &changed).await?;
            let value = |state: &BTreeMap<&str, Json>, name: &str| match state.get(name) {
                Some(Json::Array(names)) => listed(names.iter().filter_map(Json::as_str)),
                value => value.cloned().unwrap_or_default(),
            };
            let changes = changed.iter().map(|name| ((*name).to_owned(), value(&was, name), value(&now, name)));
            let entry = Entry::new(asked.user(), Action::Change, "auth.user", id, &after.row.username);
            entry.changes(changes).write(&tx).await?;
            Ok(true)
        })
        .await?;
    all.forget(id);
    Ok(changed)
}

/// Whether who asks may make this of a user whom they may change.
async fn allowed(asked: &Asked, users: &Users, before: &Stands, after: &Stands) -> Result<()> {
    let by = asked.user();
    within(by, before.permissions.symmetric_difference(&after.permissions))?;
    for group in before.groups.symmetric_difference(&after.groups) {
        within(by, users.permissions_of_group(group).await?)?;
    }
    let (was, now) = (&before.row, &after.row);
    if now.username != was.username || now.email != was.email || now.is_active && !was.is_active {
        may_let_in(asked, users, was.id.into()).await?;
    }
    if i64::from(was.id) == by.id && !(now.is_active && now.is_staff && now.is_superuser == by.is_superuser) {
        return Err(Error::failed_precondition(
            "you cannot shut yourself out: let another superuser change your own status",
        ));
    }
    Ok(())
}

/// Writes what changed, and nothing else.
async fn write(users: &Users, before: &Stands, after: &Stands, changed: &[&str]) -> Result<()> {
    let (id, row) = (i64::from(before.row.id), &after.row);
    let other = |name: &str, text: &String| changed.contains(&name).then(|| text.clone());
    if changed.contains(&"username") {
        users.rename(id, &row.username).await?;
    }
    let profile = Profile {
        email: other("email", &row.email),
        first_name: other("first_name", &row.first_name),
        last_name: other("last_name", &row.last_name),
    };
    users.set_profile(id, &profile).await?;
    if changed.contains(&"is_active") {
        users.set_active(id, row.is_active).await?;
    }
    if changed.contains(&"is_staff") {
        users.set_staff(id, row.is_staff).await?;
    }
    if changed.contains(&"is_superuser") {
        users.set_superuser(id, row.is_superuser).await?;
    }
    for group in after.groups.difference(&before.groups) {
        users.add_to_group(id, group).await?;
    }
    for group in before.groups.difference(&after.groups) {
        users.remove_from_group(id, group).await?;
    }
    for permission in after.permissions.difference(&before.permissions) {
        users.grant(id, permission).await?;
    }
    for permission in before.permissions.difference(&after.permissions) {
        users.revoke(id, permission).await?;
    }
    Ok(())
}

/// `GET /users/{id}/delete`.
pub(in crate::admin) async fn ask_delete(asked: Asked) -> Result<Response> {
    let user = deletable(&asked).await?;
    question(&asked, &user, StatusCode::OK, None).await
}

async fn deletable(asked: &Asked) -> Result<user::Model> {
    subject(asked).require(asked.user(), Deed::Delete)?;
    let user = found(asked).await?;
    if (user.is_superuser || user.is_staff) && !asked.user().is_superuser {
        return Err(Error::permission_denied("only superusers delete staff and superusers"));
    }
    if i64::from(user.id) == asked.user().id {
        return Err(Error::failed_precondition("you cannot delete yourself"));
    }
    Ok(user)
}

/// The user, as far as other rows refer to them.
fn as_row(user: &user::Model) -> Row {
    [("id".to_owned(), user.id.into()), ("username".to_owned(), user.username.clone().into())].into_iter().collect()
}

async fn question(asked: &Asked, user: &user::Model, status: StatusCode, failed: Option<String>) -> Result<Response> {
    let refers = models::refers(asked, &asked.admin().inside().db, subject(asked), &as_row(user)).await?;
    let path = asked.to(&format!("/users/{}", user.id));
    let values = context! {
        question => format!(
            "{} is deleted for ever, with their API keys, tokens and sessions. To keep what they did under their name, \
             make them inactive instead.",
            user.username
        ),
        failed => failed,
        action => format!("{path}/delete"),
        back => path,
        button => "Delete user",
        dangerous => true,
        ..models::refers_shown(refers)
    };
    asked.page_with(status, "confirm.html", &format!("Delete {}?", user.username), values)
}

/// `POST /users/{id}/delete`.
pub(in crate::admin) async fn delete(asked: Asked) -> Result<Response> {
    let user = deletable(&asked).await?;
    let (all, db) = (users(&asked), &asked.admin().inside().db);
    let done = db
        .transaction(async |tx| {
            let refers = models::refers(&asked, &tx, subject(&asked), &as_row(&user)).await?;
            models::allow(&refers)?;
            all.on(&tx).delete(user.id.into()).await?;
            let entry = Entry::new(asked.user(), Action::Delete, "auth.user", user.id, &user.username);
            entry.changes(models::along(&refers)).write(&tx).await
        })
        .await;
    all.forget(user.id.into());
    match done {
        Ok(()) => Ok(asked.done("/users", &format!("{} is deleted.", user.username))),
        Err(error) if error.code() == Code::FailedPrecondition => {
            question(&asked, &user, StatusCode::CONFLICT, Some(failure::sentence(error.message()))).await
        }
        Err(error) => Err(error),
    }
}

/// Status, sentence, and what is wrong with which field.
pub(super) fn told(error: Option<Error>) -> (StatusCode, Option<String>, BTreeMap<String, String>) {
    let Some(mut error) = error else { return (StatusCode::OK, None, BTreeMap::new()) };
    let violations = error.details_mut().bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    let wrong = violations.into_iter().map(|one| (one.field, failure::sentence(&one.description)));
    let wrong: BTreeMap<_, _> = wrong.collect();
    let failed = if wrong.is_empty() { error.message() } else { "please look at the fields that are marked" };
    (StatusCode::BAD_REQUEST, Some(failure::sentence(failed)), wrong)
}

/// What the form can tell; anything else is a page of its own.
pub(super) fn is_for_the_form(error: &Error) -> bool {
    use Code::{Aborted, AlreadyExists, FailedPrecondition, InvalidArgument};
    matches!(error.code(), Aborted | AlreadyExists | FailedPrecondition | InvalidArgument)
}
