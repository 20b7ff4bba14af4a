//! Users and groups, what they may do, and passwords.
//!
//! The permissions are Django's: `auth.view_user`, `auth.add_group` and so on. Beyond Django's rules, nobody gives what
//! they do not have: only superusers change superusers and staff, make anybody either, or set their passwords; others give
//! no permission that they lack themselves, and no group that has one. What lets somebody else into an account (its
//! password, its name, the address that a site may send mail about passwords to, turning it on) is theirs to change who
//! may do all that the account may.
//!
//! What is compared with what was seen is read within the transaction, from rows that are locked.
//!
//! Must never: show a password or its hash, or let anybody become more than who changes them is.

mod groups;
mod password;
mod users;

use std::{collections::BTreeSet, sync::Arc};

use axum::{Router, routing::MethodRouter};
use minijinja::{Value, context};

use super::{Admin, asked::Asked, form, page};
use crate::{
    auth::{User, Users, users::Permission},
    error::{Error, Result},
};

/// The pages.
pub(super) fn routes(router: Router<Arc<Admin>>) -> Router<Arc<Admin>> {
    let both = |read: MethodRouter<Arc<Admin>>, write| read.merge(write);
    router
        .route("/users", page(users::list))
        .route("/users/new", both(page(users::blank), form(users::create)))
        .route("/users/{key}", both(page(users::one), form(users::save)))
        .route("/users/{key}/delete", both(page(users::ask_delete), form(users::delete)))
        .route("/users/{key}/password", both(page(password::of_another), form(password::set_of_another)))
        .route("/groups", page(groups::list))
        .route("/groups/new", both(page(groups::blank), form(groups::create)))
        .route("/groups/{key}", both(page(groups::one), form(groups::save)))
        .route("/groups/{key}/delete", both(page(groups::ask_delete), form(groups::delete)))
        .route("/password", both(page(password::own), form(password::set_own)))
}

/// The site's users.
fn users(asked: &Asked) -> &Users {
    &asked.admin().inside().identity.users
}

/// All permissions as boxes, by app and model; those are checked that are `given`.
async fn boxes(asked: &Asked, given: &BTreeSet<String>) -> Result<Vec<Value>> {
    let all = users(asked).permissions().await?;
    let by = asked.user();
    let models = all.chunk_by(|one, other| (&one.app, &one.model) == (&other.app, &other.model));
    let boxes = models.map(|permissions: &[Permission]| {
        let boxes = permissions.iter().map(|one| {
            context! { name => &one.name, title => &one.title, on => given.contains(&one.name), may => by.has_permission(&one.name) }
        });
        context! { model => format!("{}.{}", permissions[0].app, permissions[0].model), boxes => boxes.collect::<Vec<_>>() }
    });
    Ok(boxes.collect())
}

/// The permissions that a form has checked, each of which there is.
async fn checked(asked: &Asked) -> Result<BTreeSet<String>> {
    let known: BTreeSet<_> = users(asked).permissions().await?.into_iter().map(|one| one.name).collect();
    let checked: BTreeSet<_> = asked.form.all("permission").map(str::to_owned).collect();
    match checked.iter().find(|name| !known.contains(*name)) {
        Some(unknown) => Err(Error::not_found("permission", unknown.escape_default())),
        None => Ok(checked),
    }
}

/// Nobody gives or takes what they do not have.
fn within(by: &User, permissions: impl IntoIterator<Item = impl AsRef<str>>) -> Result<()> {
    let lacks = |name: &str| !by.has_permission(name);
    match permissions.into_iter().find(|name| lacks(name.as_ref())) {
        Some(name) => {
            let name = name.as_ref();
            Err(Error::permission_denied(format!(
                "you cannot give or take {name}, because you do not have it yourself"
            )))
        }
        None => Ok(()),
    }
}

/// Names as the audit log has them.
fn listed(names: impl IntoIterator<Item = impl AsRef<str>>) -> serde_json::Value {
    names.into_iter().map(|name| name.as_ref().to_owned()).collect::<Vec<_>>().join(", ").into()
}
