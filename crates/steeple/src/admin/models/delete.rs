//! Deleting a row: asked first, with what refers to it.

use axum::{http::StatusCode, response::Response};
use minijinja::context;
use sea_orm::sea_query::ForeignKeyAction;
use serde::Serialize;

use super::{
    edit::found,
    subject::{Deed, Subject},
};
use crate::{
    admin::{asked::Asked, fields::Fields, shown},
    audit::{Action, Entry},
    error::Result,
    model::{Op, Query, Row},
};

/// Rows that are named.
const NAMED: u64 = 3;

/// Rows of a model that refer to one.
#[derive(Debug, Serialize)]
pub(in crate::admin) struct Refers {
    text: String,
    href: Option<String>,
    /// The row cannot be deleted while these are there.
    pub hold: bool,
}

/// What refers to a row, model by model.
///
/// # Errors
/// The database's.
pub(in crate::admin) async fn refers(asked: &Asked, subject: &Subject, row: &Row) -> Result<Vec<Refers>> {
    let db = &asked.admin().inside().db;
    let mut all = Vec::new();
    for there in asked.admin().models.all() {
        for field in &there.model().fields {
            let Some((table, column)) = &field.references else { continue };
            let Some(value) = row.get(column).filter(|_| table == subject.model().table) else { continue };
            let query = Query::default().filter(field.name, Op::Eq, value.clone()).limit(NAMED);
            let count = there.rows.count(db, &query).await?;
            if count == 0 {
                continue;
            }
            let relation =
                there.model().relations.iter().find(|known| known.foreign_key_here && known.from == [field.name]);
            let fate = relation.and_then(|relation| relation.on_delete);
            let (hold, fate) = match fate {
                Some(ForeignKeyAction::Cascade) => (false, ", deleted with it"),
                Some(ForeignKeyAction::SetNull | ForeignKeyAction::SetDefault) => (false, ", which lose it"),
                _ => (true, ""),
            };
            let may = there.may(asked.user(), Deed::View);
            let rows = if may { there.rows.list(db, &query).await? } else { Vec::new() };
            let names: Vec<_> = rows.iter().map(|row| there.name_of(row)).collect();
            let words = if count == 1 { &there.one } else { &there.title };
            let mut text = format!("{} {}", shown::number(count as f64), words.to_lowercase());
            if !names.is_empty() {
                let more = if count > NAMED { ", …" } else { "" };
                text = format!("{text} ({}{more})", names.join(", "));
            }
            let filter: Fields = [(format!("f-{}", field.name), super::cells::text(value))].into_iter().collect();
            let href = may.then(|| filter.at(&asked.to(&there.path)));
            all.push(Refers { text: format!("{text}{fate}"), href, hold });
        }
    }
    Ok(all)
}

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
    let refers = refers(asked, subject, row).await?;
    let (held, others): (Vec<_>, Vec<_>) = refers.into_iter().partition(|refers| refers.hold);
    let (name, path) = (subject.name_of(row), subject.path_of(row));
    let values = context! {
        question => format!("{name} is deleted for ever."),
        failed => failed,
        refers => minijinja::value::Serde(&held),
        along => minijinja::value::Serde(&others),
        action => asked.to(&format!("{path}/delete")),
        back => asked.to(&path),
        button => format!("Delete {}", subject.one.to_lowercase()),
        dangerous => true,
    };
    asked.page_with(status, "confirm.html", &format!("Delete {name}?"), values)
}

/// `POST /models/{app}/{model}/rows/{key}/delete`.
pub(in crate::admin) async fn delete(asked: Asked) -> Result<Response> {
    let subject = asked.subject(Deed::Delete)?;
    let row = found(&asked, &subject).await?;
    if refers(&asked, &subject, &row).await?.iter().any(|refers| refers.hold) {
        return question(&asked, &subject, &row, StatusCode::CONFLICT, None).await;
    }
    let name = subject.name_of(&row);
    let db = &asked.admin().inside().db;
    let done = db
        .transaction(async |tx| {
            subject.rows.delete(&tx, &row).await?;
            let changes = subject.changes(&row, &Row::new());
            let entry = Entry::new(asked.user(), Action::Delete, &subject.kind(), subject.key_of(&row), &name);
            entry.changes(changes).write(&tx).await
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
