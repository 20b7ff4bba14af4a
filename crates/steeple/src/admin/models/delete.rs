//! Deleting a row: asked first, with what refers to it.

use axum::{http::StatusCode, response::Response};
use minijinja::context;

use super::{
    edit::found,
    refers::{self, refers},
    subject::{Deed, Subject},
};
use crate::{
    admin::asked::Asked,
    audit::{Action, Entry},
    error::{Error, Result},
    model::Row,
};

/// `GET /models/{app}/{model}/rows/{key}/delete`.
pub(in crate::admin) async fn ask(asked: Asked) -> Result<Response> {
    let subject = asked.subject(Deed::Delete)?;
    let row = found(&asked, &subject).await?;
    question(&asked, &subject, &row, StatusCode::OK, None).await
}

async fn question(
    asked: &Asked,
    subject: &Subject,
    row: &Row,
    status: StatusCode,
    failed: Option<String>,
) -> Result<Response> {
    let refers = refers(asked, &asked.admin().inside().db, subject, row).await?;
    let (name, path) = (subject.name_of(row), subject.path_of(row));
    let values = context! {
        question => format!("{name} is deleted for ever."),
        failed => failed,
        action => asked.to(&format!("{path}/delete")),
        back => asked.to(&path),
        button => format!("Delete {}", subject.one.to_lowercase()),
        dangerous => true,
        ..refers::shown(refers)
    };
    asked.page_with(status, "confirm.html", &format!("Delete {name}?"), values)
}

/// `POST /models/{app}/{model}/rows/{key}/delete`.
pub(in crate::admin) async fn delete(asked: Asked) -> Result<Response> {
    let subject = asked.subject(Deed::Delete)?;
    let row = found(&asked, &subject).await?;
    let name = subject.name_of(&row);
    let db = &asked.admin().inside().db;
    let done = db
        .transaction(async |tx| {
            let refers = refers(&asked, &tx, &subject, &row).await?;
            refers::allow(&refers)?;
            subject.rows.delete(&tx, &row).await?;
            let changes = subject.changes(&row, &Row::new()).into_iter().chain(refers::along(&refers));
            let entry = Entry::new(asked.user(), Action::Delete, &subject.kind(), subject.key_of(&row), &name);
            entry.changes(changes).write(&tx).await?;
            Ok::<_, Error>(())
        })
        .await;
    match done {
        Ok(()) => Ok(asked.done(&subject.path, &format!("{name} is deleted."))),
        // A table that the site did not add as a model may refer to it, too.
        Err(error) if error.code() == crate::error::Code::FailedPrecondition => {
            let told = crate::admin::failure::sentence(error.message());
            question(&asked, &subject, &row, StatusCode::CONFLICT, Some(told)).await
        }
        Err(error) => Err(error),
    }
}
