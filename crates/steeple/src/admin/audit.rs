//! Who changed what: the audit log, for superusers.

use std::collections::BTreeMap;

use axum::response::Response;
use minijinja::{context, value::Serde};
use serde_json::Value as Json;

use super::{asked::Asked, fields::Fields, models::text};
use crate::{
    audit::{self, Action, Filter},
    error::{Error, Result},
};

/// Rows of a page.
const ROWS: usize = 50;

/// `GET /audit`.
pub(super) async fn list(asked: Asked) -> Result<Response> {
    if !asked.user().is_superuser {
        return Err(Error::permission_denied("the audit log is for superusers"));
    }
    let given = |name: &str| Some(asked.query.get(name).trim().to_owned()).filter(|text| !text.is_empty());
    let action = match given("action") {
        None => None,
        Some(name) => {
            let known = Action::ALL.into_iter().find(|action| action.as_str() == name);
            Some(known.ok_or_else(|| Error::invalid("action", "is none"))?)
        }
    };
    let before = match given("before") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| Error::invalid("before", "must be the number of a row"))?),
    };
    let filter =
        Filter { user_id: None, username: given("user"), action, kind: given("kind"), key: given("key"), before };
    let mut changes = audit::list(&asked.admin().inside().db, &filter, ROWS as u64 + 1).await?;
    let more = changes.len() > ROWS;
    changes.truncate(ROWS);
    let kept: Fields = ["user", "action", "kind", "key"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), given(name)?)))
        .collect();
    let models = &asked.admin().models;
    let page = asked.to("/audit");
    let rows = changes.iter().map(|change| {
        let subject = models.all().find(|subject| subject.kind() == change.object_type);
        let href = subject.and_then(|subject| Some(asked.to(&subject.path_of(&subject.key(&change.object_id).ok()?))));
        let fields: BTreeMap<String, Json> = serde_json::from_str(&change.changes).unwrap_or_default();
        let fields = fields.into_iter().map(|(name, both)| {
            let value = |at: usize| both.get(at).map(text).unwrap_or_default();
            context! { name => name, from => value(0), to => value(1) }
        });
        context! {
            change => Serde(change),
            moment => change.created_at.to_rfc3339(),
            href => href.filter(|_| change.action != Action::Delete.as_str()),
            fields => fields.collect::<Vec<_>>(),
        }
    });
    let next = changes.last().filter(|_| more).map(|last| kept.with("before", &last.id.to_string()).at(&page));
    let values = context! {
        rows => rows.collect::<Vec<_>>(),
        asked => kept.values(),
        actions => Action::ALL.map(Action::as_str).to_vec(),
        filtered => kept.pairs().next().is_some(),
        first_href => before.map(|_: i64| kept.at(&page)),
        next_href => next,
    };
    asked.page("audit.html", "Audit log", values)
}
