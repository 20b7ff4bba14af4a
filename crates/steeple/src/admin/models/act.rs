//! What a site lets people do with rows that they chose in a list.

use axum::response::Response;

use super::subject::Deed;
use crate::{
    admin::asked::Asked,
    audit::{Action, Entry},
    error::{Error, Result},
    model::RowsError,
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
    (action.run)(rows, asked.admin().inside().setup(subject.model().app)).await?;
    for row in &chosen {
        let changes = [("action".to_owned(), serde_json::Value::Null, action.name.into())];
        let entry = Entry::new(asked.user(), Action::Act, &subject.kind(), subject.key_of(row), &subject.name_of(row));
        entry.changes(changes).write(db).await?;
    }
    let words = if count == 1 { &subject.one } else { &subject.title };
    Ok(asked.done(&subject.path, &format!("{}: done with {count} {}.", action.label, words.to_lowercase())))
}
