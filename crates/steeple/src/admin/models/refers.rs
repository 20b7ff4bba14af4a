//! What refers to a row, and what becomes of that when the row goes.
//!
//! As in Django, who deletes a row needs the permission for everything that goes or changes with it: to delete rows of the
//! other model where the foreign key cascades, to change them where it is emptied. What goes with these in turn is followed
//! as far as [`FOLLOWED`] rows of a model; beyond, the permission is asked for whether there are such rows or not.

use std::collections::BTreeSet;

use minijinja::{Value, context, value::Serde};
use sea_orm::sea_query::ForeignKeyAction;
use serde::Serialize;
use serde_json::Value as Json;

use super::{
    COUNTED, cells, many,
    subject::{Deed, Subject},
};
use crate::{
    admin::{asked::Asked, fields::Fields},
    db::Db,
    error::{Error, Result},
    model::{Field, Op, Query, Row},
};

/// Rows that are named.
const NAMED: usize = 3;
/// Rows of a model whose own references are looked at.
const FOLLOWED: u64 = 1000;
/// Rows of all models that are looked at; a row that takes more with it is not deleted here.
const MOST_FOLLOWED: usize = 10_000;

/// What becomes of rows when what they refer to goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// They keep it from going.
    Hold,
    /// They go with it.
    Go,
    /// They lose their reference.
    Lose,
}

/// Rows of a model that refer to one by one of their fields.
#[derive(Debug, Serialize)]
pub(in crate::admin) struct Refers {
    text: String,
    href: Option<String>,
    /// The permission that this takes, for who asks and does not have it.
    lacks: Option<String>,
    #[serde(skip)]
    fate: Fate,
    /// The model and the field, for the audit log.
    #[serde(skip)]
    field: String,
    #[serde(skip)]
    count: u64,
}

impl Refers {
    /// The row cannot be deleted while these are there.
    pub fn hold(&self) -> bool {
        self.fate == Fate::Hold
    }
}

/// Rows that go, or the one that is asked about.
struct Going<'s> {
    subject: &'s Subject,
    rows: Vec<Row>,
    /// There may be more than `rows`.
    more: bool,
}

/// What refers to a row, model by model, and to what goes with it.
///
/// # Errors
/// FAILED_PRECONDITION for more than can be looked at; the database's.
pub(in crate::admin) async fn refers(asked: &Asked, db: &Db, subject: &Subject, row: &Row) -> Result<Vec<Refers>> {
    let mut all = Vec::new();
    // Each row is followed once, also where rows refer to rows of their own table, or two ways lead to one.
    let mut seen = BTreeSet::from([(subject.model().table, subject.key_of(row))]);
    let mut going = vec![Going { subject, rows: vec![row.clone()], more: false }];
    while let Some(gone) = going.pop() {
        for there in asked.admin().models.all() {
            for field in &there.model().fields {
                let Some((table, column)) = &field.references else { continue };
                if table != gone.subject.model().table {
                    continue;
                }
                let values = gone.rows.iter().filter_map(|row| row.get(column));
                let values: Vec<_> = values.filter(|value| !value.is_null() && !value.is_object()).cloned().collect();
                if values.is_empty() {
                    continue;
                }
                let query = Query::default().filter(field.name, Op::In, values.clone());
                let count = there.rows.count_up_to(db, &query, COUNTED + 1).await?;
                let fate = fate(there, field);
                let lacks = lacks(asked, there, fate);
                if count == 0 && !(gone.more && lacks.is_some()) {
                    continue;
                }
                let mut rows = match fate {
                    Fate::Go => there.rows.list(db, &query.limit(FOLLOWED)).await?,
                    _ => there.rows.list(db, &query.limit(NAMED as u64 + 1)).await?,
                };
                if fate == Fate::Go {
                    rows.retain(|row| seen.insert((there.model().table, there.key_of(row))));
                    // All of them are told of already.
                    if rows.is_empty() && count > 0 && count <= FOLLOWED {
                        continue;
                    }
                }
                if seen.len() > MOST_FOLLOWED {
                    let many = "more rows than can be looked at would be deleted with it: delete some of those first";
                    return Err(Error::failed_precondition(many));
                }
                all.push(Refers {
                    text: text(asked, there, count, &rows, fate),
                    href: href(asked, there, field, &values),
                    lacks,
                    fate,
                    field: format!("{}.{}", there.kind(), field.name),
                    count,
                });
                if fate == Fate::Go && !rows.is_empty() {
                    going.push(Going { subject: there, rows, more: gone.more || count > FOLLOWED });
                }
            }
        }
    }
    Ok(all)
}

fn fate(there: &Subject, field: &Field) -> Fate {
    let relation = there.model().relations.iter().find(|known| known.foreign_key_here && known.from == [field.name]);
    match relation.and_then(|relation| relation.on_delete.as_ref()) {
        Some(ForeignKeyAction::Cascade) => Fate::Go,
        Some(ForeignKeyAction::SetNull | ForeignKeyAction::SetDefault) => Fate::Lose,
        _ => Fate::Hold,
    }
}

fn lacks(asked: &Asked, there: &Subject, fate: Fate) -> Option<String> {
    let deed = match fate {
        Fate::Hold => return None,
        Fate::Go => Deed::Delete,
        Fate::Lose => Deed::Change,
    };
    (!there.may(asked.user(), deed)).then(|| there.permission(deed))
}

fn text(asked: &Asked, there: &Subject, count: u64, rows: &[Row], fate: Fate) -> String {
    let words = if count == 1 { &there.one } else { &there.title }.to_lowercase();
    let mut text = if count == 0 { format!("{words}, if there are any") } else { format!("{} {words}", many(count)) };
    if there.may(asked.user(), Deed::View) && !rows.is_empty() {
        let names: Vec<_> = rows.iter().take(NAMED).map(|row| there.name_of(row)).collect();
        let more = if rows.len() > NAMED { ", …" } else { "" };
        text = format!("{text} ({}{more})", names.join(", "));
    }
    text.push_str(match fate {
        Fate::Hold => "",
        Fate::Go => ", deleted with it",
        Fate::Lose => ", which lose it",
    });
    text
}

/// Where they are listed, for those who may look: of what refers to one row.
fn href(asked: &Asked, there: &Subject, field: &Field, values: &[Json]) -> Option<String> {
    let [value] = values else { return None };
    let filter: Fields = [(format!("f-{}", field.name), cells::text(value))].into_iter().collect();
    let may = there.may(asked.user(), Deed::View) && there.field(field.name).is_some();
    may.then(|| filter.at(&asked.to(&there.path)))
}

/// Lets only those go on who may do all that comes with it.
///
/// # Errors
/// FAILED_PRECONDITION when rows hold it; PERMISSION_DENIED.
pub(in crate::admin) fn allow(refers: &[Refers]) -> Result<()> {
    if refers.iter().any(Refers::hold) {
        return Err(Error::failed_precondition("other rows refer to it"));
    }
    match refers.iter().find_map(|refers| Some((&refers.text, refers.lacks.as_ref()?))) {
        Some((what, permission)) => Err(Error::permission_denied(format!(
            "this needs the permission {permission}, because of what else is deleted or changed: {what}"
        ))),
        None => Ok(()),
    }
}

/// What goes or changes with a row, as the audit log has it.
pub(in crate::admin) fn along(refers: &[Refers]) -> impl Iterator<Item = (String, Json, Json)> {
    refers.iter().map(|refers| {
        let became = if refers.fate == Fate::Go { "deleted with it" } else { "no longer refer to it" };
        let rows = if refers.count == 1 { "row" } else { "rows" };
        (refers.field.clone(), format!("{} {rows}", many(refers.count)).into(), became.into())
    })
}

/// The same for the page that asks: what holds the row, what goes with it, and whether who asks may not do that.
pub(in crate::admin) fn shown(refers: Vec<Refers>) -> Value {
    let (held, others): (Vec<_>, Vec<_>) = refers.into_iter().partition(Refers::hold);
    let lacking = others.iter().any(|refers| refers.lacks.is_some());
    context! { refers => Serde(&held), along => Serde(&others), lacking => lacking }
}
