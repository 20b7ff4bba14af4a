//! What a site lets people do with rows that they chose in a list.
//!
//! The audit log has an entry for each row before the action begins, and another one if it fails.

use axum::response::Response;
use serde_json::Value as Json;

use super::subject::{Deed, Subject};
use crate::{
    admin::asked::Asked,
    audit::{Action, Entry},
    error::{Error, Result},
    model::{Row, RowsError},
};

/// `POST /models/{app}/{model}/act`.
pub(in crate::admin) async fn act(asked: Asked) -> Result<Response> {
    let subject = asked.subject(Deed::Change)?;
    let wanted = asked.form.get("action");
    let action = subject.actions.iter().find(|known| known.name == wanted);
    let action = action.ok_or_else(|| Error::invalid("action", "choose one from the list"))?;
    let db = &asked.admin().inside().db;
    let mut rows = Vec::new();
    for key in asked.form.all("row") {
        match subject.rows.get(db, &subject.key(key)?).await {
            Ok(row) => rows.extend(row),
            Err(RowsError::Fields(_)) => return Err(subject.unknown(key)),
            Err(error) => return Err(error.into()),
        }
    }
    if rows.is_empty() {
        return Ok(asked.done(&subject.path, "Choose rows first."));
    }
    let (count, chosen) = (rows.len(), rows.clone());
    // A site's action begins and commits what it likes, so it cannot be in one transaction with its entries: they are
    // there before it begins, and nothing is done that nobody knows of.
    noted(&asked, &subject, &chosen, || vec![("action".to_owned(), Json::Null, action.name.into())]).await?;
    let done = (action.run)(rows, asked.admin().inside().setup(subject.model().app)).await;
    if let Err(error) = done {
        let why = error.message().to_owned();
        let failed = || {
            let why = ("failed".to_owned(), Json::Null, why.as_str().into());
            vec![("action".to_owned(), Json::Null, action.name.into()), why]
        };
        if let Err(unwritten) = noted(&asked, &subject, &chosen, failed).await {
            tracing::warn!(action = action.name, error = %unwritten, "the audit log cannot take that an action failed");
        }
        return Err(error);
    }
    let words = if count == 1 { &subject.one } else { &subject.title };
    Ok(asked.done(&subject.path, &format!("{}: done with {count} {}.", action.label, words.to_lowercase())))
}

/// Writes an entry for each of these rows, all or none of them.
async fn noted(
    asked: &Asked,
    subject: &Subject,
    rows: &[Row],
    changes: impl Fn() -> Vec<(String, Json, Json)>,
) -> Result<()> {
    let db = &asked.admin().inside().db;
    db.transaction(async |tx| {
        for row in rows {
            let (key, name) = (subject.key_of(row), subject.name_of(row));
            Entry::new(asked.user(), Action::Act, &subject.kind(), key, &name).changes(changes()).write(&tx).await?;
        }
        Ok(())
    })
    .await
}
