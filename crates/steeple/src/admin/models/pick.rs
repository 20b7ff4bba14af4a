//! The rows that a relation may lead to: a few as choices, many by what is typed.

use axum::{
    Json as Body,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use serde_json::Value as Json;

use super::{
    cells::text,
    labels::{referred, seen},
    subject::{Deed, Subject},
};
use crate::{
    admin::asked::Asked,
    error::{Error, Result},
    model::{Field, Op, Query, Row},
};

/// So many rows at most are choices; so many are offered for what is typed.
const FEW: u64 = 100;
const OFFERED: u64 = 20;
const LONGEST: usize = 200;

#[derive(Serialize)]
struct Offer {
    key: String,
    label: String,
}

/// Value and name of every row that a field may refer to; `None` when these are more than a few, or not for
/// who asks to see.
///
/// # Errors
/// The database's.
pub(super) async fn few(asked: &Asked, field: &Field) -> Result<Option<Vec<(String, String)>>> {
    let Some((there, column)) = seen(asked, field) else { return Ok(None) };
    let query = Query { order: by_name(there), ..Query::default() }.limit(FEW + 1);
    let rows = there.rows.list(&asked.admin().inside().db, &query).await?;
    Ok((rows.len() as u64 <= FEW).then(|| rows.iter().map(|row| named(there, column, row)).collect()))
}

fn by_name(subject: &Subject) -> Vec<crate::model::Order> {
    let label = subject.label.map(|label| crate::model::Order { field: label.to_owned(), descending: false });
    label.into_iter().collect()
}

fn named(there: &Subject, column: &str, row: &Row) -> (String, String) {
    (text(row.get(column).unwrap_or(&Json::Null)), there.name_of(row))
}

/// `GET /models/{app}/{model}/pick/{field}?q=`: for who may make or change rows with this field, and look at
/// those it leads to.
pub(in crate::admin) async fn pick(asked: Asked) -> Result<Response> {
    let subject = asked.subject(Deed::View)?;
    if !subject.may(asked.user(), Deed::Add) {
        subject.require(asked.user(), Deed::Change)?;
    }
    let name = asked.part("field");
    let unknown = || Error::not_found("relation", name.chars().take(50).collect::<String>());
    let field = subject.field(name).ok_or_else(unknown)?;
    let (there, column) = referred(asked.admin(), field).ok_or_else(unknown)?;
    there.require(asked.user(), Deed::View)?;
    let typed: String = asked.query.get("q").chars().take(LONGEST).collect();
    let query = Query { order: by_name(there), ..Query::default() }.limit(OFFERED);
    let db = &asked.admin().inside().db;
    let mut rows = there.rows.list(db, &query.clone().search(&*typed, there.search.iter().copied())).await?;
    // What is typed may be the key itself.
    if rows.is_empty()
        && let Ok(found) = there.rows.list(db, &query.filter(column, Op::Eq, typed)).await
    {
        rows = found;
    }
    let offers = rows.iter().map(|row| named(there, column, row)).map(|(key, label)| Offer { key, label });
    Ok(Body(offers.collect::<Vec<_>>()).into_response())
}
