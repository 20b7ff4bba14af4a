//! What the rows are called that other rows refer to.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value as Json;

use super::{
    cells::text,
    subject::{Deed, Subject},
};
use crate::{
    admin::{Admin, asked::Asked},
    error::Result,
    model::{Field, Op, Query, Row},
};

/// By the value of the field: what the row is called, and where it is.
pub(super) type Labels = HashMap<String, (String, Option<String>)>;

/// The model that a field refers to, with the column there.
pub(super) fn referred<'a>(admin: &'a Admin, field: &'a Field) -> Option<(&'a Subject, &'a str)> {
    let (table, column) = field.references.as_ref()?;
    let there: &Subject = admin.models.of_table(table)?;
    Some((there, column.as_str()))
}

/// The same, if who asks may look at its rows: to others a key says nothing but itself.
pub(super) fn seen<'a>(asked: &'a Asked, field: &'a Field) -> Option<(&'a Subject, &'a str)> {
    referred(asked.admin(), field).filter(|(there, _)| there.may(asked.user(), Deed::View))
}

/// What the rows are called that this field of these rows refers to, for those who may look at them: by one question.
///
/// # Errors
/// The database's.
pub(super) async fn of(asked: &Asked, field: &Field, rows: &[Row]) -> Result<Labels> {
    let Some((there, column)) = seen(asked, field) else { return Ok(Labels::new()) };
    let values =
        rows.iter().filter_map(|row| row.get(field.name)).filter(|value| !value.is_null() && !value.is_object());
    let values: BTreeSet<_> = values.map(text).collect();
    if values.is_empty() {
        return Ok(Labels::new());
    }
    let (limit, values) = (values.len() as u64, values.into_iter().map(Json::from).collect::<Vec<_>>());
    let query = Query::default().filter(column, Op::In, values).limit(limit);
    let found = there.rows.list(&asked.admin().inside().db, &query).await?;
    let named = found.iter().map(|row| {
        let href = asked.to(&there.path_of(row));
        (text(row.get(column).unwrap_or(&Json::Null)), (there.name_of(row), Some(href)))
    });
    Ok(named.collect())
}
