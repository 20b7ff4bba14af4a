//! Making a row and changing one.

use std::collections::HashMap;

use axum::{http::StatusCode, response::Response};
use minijinja::{context, value::Serde};
use serde_json::Value as Json;

use super::{
    form::{self, seen},
    input::{filled, inputs},
    subject::{Deed, Subject},
};
use crate::{
    admin::{asked::Asked, failure},
    audit::{Action, Entry},
    error::{Code, Error, Result},
    model::{Row, RowsError},
};

/// `GET /models/{app}/{model}/new`.
pub(in crate::admin) async fn blank(asked: Asked) -> Result<Response> {
    let subject = asked.subject(Deed::Add)?;
    new(&asked, &subject, None).await
}

async fn new(asked: &Asked, subject: &Subject, error: Option<Error>) -> Result<Response> {
    let Told { status, failed, wrong } = told(subject, error);
    let sent = (status != StatusCode::OK).then_some(&asked.form);
    let values = context! {
        inputs => Serde(inputs(asked, subject, None, sent, &wrong, true).await?),
        failed => failed,
        action => asked.to(&format!("{}/new", subject.path)),
        back => asked.to(&subject.path),
        many => &subject.title,
        button => format!("Create {}", subject.one.to_lowercase()),
        may_change => true,
    };
    asked.page_with(status, "model_form.html", &format!("New {}", subject.one.to_lowercase()), values)
}

/// `POST /models/{app}/{model}/new`.
pub(in crate::admin) async fn create(asked: Asked) -> Result<Response> {
    let subject = asked.subject(Deed::Add)?;
    match made(&asked, &subject).await {
        Ok(row) => Ok(asked.done(&subject.path_of(&row), &format!("{} is created.", subject.name_of(&row)))),
        Err(error) if is_for_the_form(&error) => new(&asked, &subject, Some(error)).await,
        Err(error) => Err(error),
    }
}

async fn made(asked: &Asked, subject: &Subject) -> Result<Row> {
    let mut row = form::read(subject, &asked.form, None)?;
    form::stamp(subject, &mut row, true);
    let db = &asked.admin().inside().db;
    db.transaction(async |tx| {
        let made = subject.rows.insert(&tx, &row).await?;
        let changes = subject.changes(&Row::new(), &made);
        let (key, name) = (subject.key_of(&made), subject.name_of(&made));
        Entry::new(asked.user(), Action::Add, &subject.kind(), key, &name).changes(changes).write(&tx).await?;
        Ok::<_, Error>(made)
    })
    .await
}

/// The row that the path names.
pub(super) async fn found(asked: &Asked, subject: &Subject) -> Result<Row> {
    let text = asked.part("key");
    match subject.rows.get(&asked.admin().inside().db, &subject.key(text)?).await {
        Ok(Some(row)) => Ok(row),
        // A key of another form is no row's.
        Ok(None) | Err(RowsError::Fields(_)) => Err(subject.unknown(text)),
        Err(error) => Err(error.into()),
    }
}

/// `GET /models/{app}/{model}/rows/{key}`.
pub(in crate::admin) async fn one(asked: Asked) -> Result<Response> {
    let subject = asked.subject(Deed::View)?;
    let row = found(&asked, &subject).await?;
    shown(&asked, &subject, &row, None).await
}

async fn shown(asked: &Asked, subject: &Subject, row: &Row, error: Option<Error>) -> Result<Response> {
    let may_change = subject.may(asked.user(), Deed::Change);
    let conflict = error.as_ref().is_some_and(|error| error.code() == Code::Aborted);
    let Told { mut status, mut failed, mut wrong } = told(subject, error);
    let mut sent = asked.form.clone();
    if conflict {
        // Saved once more, the form is about the row as it is now.
        status = StatusCode::CONFLICT;
        for (name, was) in &form::seen_by(subject, &asked.form)? {
            let (Some(field), Some(now)) = (subject.field(name), row.get(name)) else { continue };
            if was == now {
                continue;
            }
            if form::same(field, was, sent.get(name)) {
                // Only they changed it, and it stays so.
                sent = sent.with(name, &form::as_sent(field, now));
            }
            let (was, now) = (filled(field, was), filled(field, now));
            wrong.insert(name.clone(), format!("Was {was:?}, and somebody made it {now:?} meanwhile."));
        }
        failed = Some(
            "Somebody else changed this row since you opened it, and nothing of yours is saved yet. What they changed is \
             marked below; save again to write your values over theirs."
                .to_owned(),
        );
    }
    let sent = (status != StatusCode::OK).then_some(&sent);
    let path = asked.to(&subject.path_of(row));
    let history = asked.to(&format!(
        "/audit?kind={}&key={}",
        subject.kind(),
        crate::admin::fields::escaped(&subject.key_of(row))
    ));
    let values = context! {
        inputs => Serde(inputs(asked, subject, Some(row), sent, &wrong, may_change).await?),
        failed => failed,
        seen => Json::Object(seen(subject, row)).to_string(),
        action => &path,
        back => asked.to(&subject.path),
        many => &subject.title,
        button => "Save",
        may_change => may_change,
        delete_href => subject.may(asked.user(), Deed::Delete).then(|| format!("{path}/delete")),
        history_href => asked.user().is_superuser.then_some(history),
    };
    asked.page_with(status, "model_form.html", &subject.name_of(row), values)
}

/// `POST /models/{app}/{model}/rows/{key}`.
pub(in crate::admin) async fn save(asked: Asked) -> Result<Response> {
    let subject = asked.subject(Deed::Change)?;
    match saved(&asked, &subject).await {
        Ok(Some(row)) => Ok(asked.done(&subject.path, &format!("{} is saved.", subject.name_of(&row)))),
        Ok(None) => Ok(asked.done(&subject.path, "Nothing was changed.")),
        Err(error) if is_for_the_form(&error) => {
            let row = found(&asked, &subject).await?;
            shown(&asked, &subject, &row, Some(error)).await
        }
        Err(error) => Err(error),
    }
}

async fn saved(asked: &Asked, subject: &Subject) -> Result<Option<Row>> {
    let before = found(asked, subject).await?;
    let key: Row = subject
        .model()
        .keys()
        .filter_map(|field| Some((field.name.to_owned(), before.get(field.name)?.clone())))
        .collect();
    let seen = form::seen_by(subject, &asked.form)?;
    let mut change = form::read(subject, &asked.form, Some(&seen))?;
    if change.is_empty() {
        return Ok(None);
    }
    form::stamp(subject, &mut change, false);
    let db = &asked.admin().inside().db;
    let row = db
        .transaction(async |tx| {
            let row = subject.rows.update(&tx, &key, &seen, &change).await?;
            let mut was = before.clone();
            was.extend(seen.clone());
            let changes = subject.changes(&was, &row);
            let entry =
                Entry::new(asked.user(), Action::Change, &subject.kind(), subject.key_of(&row), &subject.name_of(&row));
            entry.changes(changes).write(&tx).await?;
            Ok::<_, Error>(row)
        })
        .await?;
    Ok(Some(row))
}

/// What is wrong, for whoever filled the form in.
struct Told {
    status: StatusCode,
    failed: Option<String>,
    wrong: HashMap<String, String>,
}

fn told(subject: &Subject, error: Option<Error>) -> Told {
    let Some(mut error) = error else {
        return Told { status: StatusCode::OK, failed: None, wrong: HashMap::new() };
    };
    let violations = error.details_mut().bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    let (of_fields, others): (Vec<_>, Vec<_>) =
        violations.into_iter().partition(|one| subject.field(&one.field).is_some());
    let wrong: HashMap<_, _> =
        of_fields.into_iter().map(|one| (one.field, failure::sentence(&one.description))).collect();
    let others: Vec<_> = others.into_iter().map(|one| format!("{}: {}", one.field, one.description)).collect();
    let failed = match (wrong.is_empty(), others.is_empty()) {
        (_, false) => failure::sentence(&others.join("; ")),
        (true, true) => failure::sentence(error.message()),
        (false, true) => "Please look at the fields that are marked.".to_owned(),
    };
    Told { status: StatusCode::BAD_REQUEST, failed: Some(failed), wrong }
}

/// What the form can tell; anything else is a page of its own.
fn is_for_the_form(error: &Error) -> bool {
    use Code::{Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, OutOfRange};
    matches!(error.code(), Aborted | AlreadyExists | FailedPrecondition | InvalidArgument | OutOfRange)
}
