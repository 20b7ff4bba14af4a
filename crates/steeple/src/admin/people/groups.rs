//! Groups: users who share permissions.

use std::collections::BTreeSet;

use axum::{http::StatusCode, response::Response};
use minijinja::context;

use super::{
    boxes, checked, listed, users,
    users::{is_for_the_form, told},
    within,
};
use crate::{
    admin::{
        asked::Asked,
        models::{self, Deed, Subject},
    },
    audit::{Action, Entry},
    auth::{Users, tables::group},
    error::{Error, Result},
    model::Row,
};

/// The field of the form that has what was seen.
const SEEN: &str = "_seen";

fn subject(asked: &Asked) -> &Subject {
    &asked.admin().models.groups
}

/// `GET /groups`.
pub(in crate::admin) async fn list(asked: Asked) -> Result<Response> {
    models::list_page(&asked, subject(&asked)).await
}

/// `GET /groups/new`.
pub(in crate::admin) async fn blank(asked: Asked) -> Result<Response> {
    subject(&asked).require(asked.user(), Deed::Add)?;
    page(&asked, None, None).await
}

/// `POST /groups/new`.
pub(in crate::admin) async fn create(asked: Asked) -> Result<Response> {
    subject(&asked).require(asked.user(), Deed::Add)?;
    match saved(&asked, None).await {
        Ok(_) => Ok(asked.done("/groups", &format!("{} is created.", asked.form.get("name")))),
        Err(error) if is_for_the_form(&error) => page(&asked, None, Some(error)).await,
        Err(error) => Err(error),
    }
}

/// The group that the path names.
async fn found(asked: &Asked) -> Result<group::Model> {
    let key = asked.part("key");
    let groups = users(asked).groups().await?;
    let found = groups.into_iter().find(|group| key.parse() == Ok(group.id));
    found.ok_or_else(|| Error::not_found("group", key.chars().take(50).collect::<String>()))
}

/// `GET /groups/{id}`.
pub(in crate::admin) async fn one(asked: Asked) -> Result<Response> {
    subject(&asked).require(asked.user(), Deed::View)?;
    let group = found(&asked).await?;
    page(&asked, Some(&group), None).await
}

/// `POST /groups/{id}`.
pub(in crate::admin) async fn save(asked: Asked) -> Result<Response> {
    subject(&asked).require(asked.user(), Deed::Change)?;
    let group = found(&asked).await?;
    match saved(&asked, Some(&group)).await {
        Ok(true) => Ok(asked.done("/groups", &format!("{} is saved.", asked.form.get("name")))),
        Ok(false) => Ok(asked.done("/groups", "Nothing was changed.")),
        Err(error) if is_for_the_form(&error) => {
            let group = found(&asked).await?;
            page(&asked, Some(&group), Some(error)).await
        }
        Err(error) => Err(error),
    }
}

/// What a later form must find unchanged.
fn state(name: &str, given: &BTreeSet<String>) -> String {
    serde_json::json!([name, given]).to_string()
}

async fn given(asked: &Asked, group: Option<&group::Model>) -> Result<BTreeSet<String>> {
    match group {
        Some(group) => users(asked).permissions_of_group(&group.name).await,
        None => Ok(BTreeSet::new()),
    }
}

async fn saved(asked: &Asked, group: Option<&group::Model>) -> Result<bool> {
    let (by, name) = (asked.user(), asked.form.get("name").trim());
    let wanted = checked(asked).await?;
    let (all, db) = (users(asked), &asked.admin().inside().db);
    let changed = db
        .transaction(async |tx| {
            let users = all.on(&tx);
            let before = match group {
                None => None,
                Some(group) => Some(locked(&users, group.id).await?),
            };
            let (was, given) = before.unwrap_or_default();
            if group.is_some() && asked.form.get(SEEN) != state(&was, &given) {
                return Err(Error::aborted(
                    "somebody else changed this group since you opened the page; nothing of yours is saved, and the form \
                     has what is there now",
                ));
            }
            within(by, given.symmetric_difference(&wanted))?;
            if group.is_some() && was == name && given == wanted {
                return Ok(false);
            }
            let id = match group {
                None => users.create_group(name).await?.id,
                Some(group) => {
                    if was != name {
                        users.rename_group(&was, name).await?;
                    }
                    group.id
                }
            };
            for permission in wanted.difference(&given) {
                users.grant_to_group(name, permission).await?;
            }
            for permission in given.difference(&wanted) {
                users.revoke_from_group(name, permission).await?;
            }
            let action = if group.is_some() { Action::Change } else { Action::Add };
            let changes = [
                ("name".to_owned(), was.clone().into(), name.into()),
                ("permissions".to_owned(), listed(&given), listed(&wanted)),
            ];
            let changes = changes.into_iter().filter(|(_, from, to)| from != to);
            Entry::new(by, action, "auth.group", id, name).changes(changes).write(&tx).await?;
            Ok(true)
        })
        .await?;
    all.forget_all();
    Ok(changed)
}

/// What a group is called and gives now; nobody else changes it until the transaction ends.
async fn locked(users: &Users, id: i32) -> Result<(String, BTreeSet<String>)> {
    let group = users.locked_group(id).await?.ok_or_else(|| Error::not_found("group", id))?;
    let given = users.permissions_of_group(&group.name).await?;
    Ok((group.name, given))
}

async fn page(asked: &Asked, group: Option<&group::Model>, error: Option<Error>) -> Result<Response> {
    let conflict = error.as_ref().is_some_and(|error| error.code() == crate::error::Code::Aborted);
    let (status, failed, wrong) = told(error);
    let status = if conflict { StatusCode::CONFLICT } else { status };
    let given = given(asked, group).await?;
    let before = group.map(|group| group.name.clone()).unwrap_or_default();
    let sent = (status != StatusCode::OK && !conflict).then_some(&asked.form);
    let on = sent.map_or_else(|| given.clone(), |form| form.all("permission").map(str::to_owned).collect());
    let path = group.map_or_else(|| asked.to("/groups/new"), |group| asked.to(&format!("/groups/{}", group.id)));
    let deed = if group.is_some() { Deed::Change } else { Deed::Add };
    let may_delete = group.is_some() && subject(asked).may(asked.user(), Deed::Delete);
    let values = context! {
        name => sent.map_or(before.as_str(), |form| form.get("name")),
        new => group.is_none(),
        permissions => boxes(asked, &on).await?,
        seen => state(&before, &given),
        failed => failed,
        wrong => wrong,
        may_change => subject(asked).may(asked.user(), deed),
        delete_href => may_delete.then(|| format!("{path}/delete")),
        action => path,
    };
    let title = if group.is_some() { before.as_str() } else { "New group" };
    asked.page_with(status, "group.html", title, values)
}

/// The group, as far as other rows refer to it.
fn as_row(group: &group::Model) -> Row {
    [("id".to_owned(), group.id.into()), ("name".to_owned(), group.name.clone().into())].into_iter().collect()
}

/// `GET /groups/{id}/delete`.
pub(in crate::admin) async fn ask_delete(asked: Asked) -> Result<Response> {
    subject(&asked).require(asked.user(), Deed::Delete)?;
    let group = found(&asked).await?;
    let path = asked.to(&format!("/groups/{}", group.id));
    let refers = models::refers(&asked, &asked.admin().inside().db, subject(&asked), &as_row(&group)).await?;
    let values = context! {
        question => format!("{} is deleted for ever. Its users lose what only it gave them.", group.name),
        action => format!("{path}/delete"),
        back => path,
        button => "Delete group",
        dangerous => true,
        ..models::refers_shown(refers)
    };
    asked.page("confirm.html", &format!("Delete {}?", group.name), values)
}

/// `POST /groups/{id}/delete`.
pub(in crate::admin) async fn delete(asked: Asked) -> Result<Response> {
    subject(&asked).require(asked.user(), Deed::Delete)?;
    let group = found(&asked).await?;
    let (all, db) = (users(&asked), &asked.admin().inside().db);
    db.transaction(async |tx| {
        let users = all.on(&tx);
        let (name, given) = locked(&users, group.id).await?;
        within(asked.user(), given)?;
        let refers = models::refers(&asked, &tx, subject(&asked), &as_row(&group)).await?;
        models::allow(&refers)?;
        users.delete_group(&name).await?;
        let entry = Entry::new(asked.user(), Action::Delete, "auth.group", group.id, &name);
        entry.changes(models::along(&refers)).write(&tx).await
    })
    .await?;
    all.forget_all();
    Ok(asked.done("/groups", &format!("{} is deleted.", group.name)))
}
