//! A list: columns, words, filters, order, a page after another.

use axum::response::Response;
use minijinja::{Value, context, value::Serde};
use sea_orm::sea_query::ArrayType;
use serde_json::Value as Json;

use super::{
    COUNTED,
    cells::{self, cell, is_moment, is_number, text, title},
    labels::{self, referred, seen},
    many, pick,
    subject::{Deed, Subject},
};
use crate::{
    admin::{asked::Asked, fields::Fields},
    clock,
    error::{Error, Result},
    model::{Field, Op, Order, Query, Row},
};

/// Rows of a page.
const ROWS: usize = 50;
/// Bytes of a search.
const LONGEST: usize = 200;
/// In front of the name of a field, to filter by it.
const FILTER: &str = "f-";
/// The value that means an empty field.
const EMPTY: &str = "(empty)";
/// In days.
const AGES: [(i64, &str); 4] = [(1, "Last day"), (7, "Last 7 days"), (30, "Last 30 days"), (365, "Last year")];

/// `GET /models/{app}/{model}`.
pub(in crate::admin) async fn list(asked: Asked) -> Result<Response> {
    let subject = asked.subject(Deed::View)?;
    page(&asked, &subject).await
}

/// A page of the list of a model.
///
/// # Errors
/// PERMISSION_DENIED; INVALID_ARGUMENT for what cannot be meant; the database's.
pub(in crate::admin) async fn page(asked: &Asked, subject: &Subject) -> Result<Response> {
    subject.require(asked.user(), Deed::View)?;
    let (query, kept) = question(subject, &asked.query)?;
    let db = &asked.admin().inside().db;
    let count = subject.rows.count_up_to(db, &query, COUNTED + 1).await?;
    let mut rows = subject.rows.list(db, &query).await?;
    let more = rows.len() > ROWS;
    rows.truncate(ROWS);

    let page = asked.to(&subject.path);
    let columns: Vec<&Field> = subject.columns.iter().filter_map(|name| subject.field(name)).collect();
    let mut cells: Vec<Vec<cells::Cell>> = rows.iter().map(|_| Vec::with_capacity(columns.len())).collect();
    for field in &columns {
        let labels = labels::of(asked, field, &rows).await?;
        for (row, cells) in rows.iter().zip(&mut cells) {
            cells.push(cell(subject, field, row, &labels));
        }
    }
    let shown_rows = rows.iter().zip(&cells).map(|(row, cells)| {
        context! {
            href => asked.to(&subject.path_of(row)),
            key => subject.key_of(row),
            name => subject.name_of(row),
            cells => Serde(cells),
        }
    });
    let heads = columns.iter().map(|field| head(field, &query.order, &kept, &page));
    let next = rows.last().filter(|_| more).map(|row| kept.with("after", &place(row, subject, &query.order)).at(&page));
    let first = asked.query.given("after").map(|_| kept.at(&page));
    let words = if count == 1 { &subject.one } else { &subject.title };
    let acts = subject.actions.iter().map(|action| vec![action.name, action.label]);
    let may_change = subject.may(asked.user(), Deed::Change);
    let values = context! {
        rows => shown_rows.collect::<Vec<_>>(),
        heads => heads.collect::<Vec<_>>(),
        filters => filters(asked, subject, &kept).await?,
        q => kept.get("q"),
        o => kept.get("o"),
        searched => !subject.search.is_empty(),
        filtered => kept.pairs().any(|(name, _)| name != "o"),
        here => &page,
        one => subject.one.to_lowercase(),
        new_href => subject.may(asked.user(), Deed::Add).then(|| format!("{page}/new")),
        actions => if may_change { acts.collect::<Vec<_>>() } else { Vec::new() },
        counted => format!("{} {}", many(count), words.to_lowercase()),
        beyond => rows.is_empty() && first.is_some(),
        first_href => first,
        next_href => next,
    };
    asked.page("model_list.html", &subject.title, values)
}

/// The question that an address asks, and what of it other addresses keep.
fn question(subject: &Subject, asked: &Fields) -> Result<(Query, Fields)> {
    let mut query = Query { order: subject.order.clone(), ..Query::default() }.limit(ROWS as u64 + 1);
    let mut after = None;
    let mut kept = Vec::new();
    for (name, value) in asked.pairs().filter(|(_, value)| !value.is_empty()) {
        match name {
            "q" if value.len() > LONGEST => {
                return Err(Error::invalid("q", format!("must have at most {LONGEST} bytes")));
            }
            "q" => query = query.search(value, subject.search.iter().copied()),
            "o" => query.order = vec![order(subject, value)?],
            "after" => after = Some(value),
            _ => {
                let field =
                    name.strip_prefix(FILTER).and_then(|name| subject.field(name)).filter(|field| fits(subject, field));
                let field = field.ok_or_else(|| Error::invalid(name, "is no filter of this list"))?;
                query = filtered(query, field, value)?;
            }
        }
        if name != "after" {
            kept.push((name.to_owned(), value.to_owned()));
        }
    }
    if let Some(after) = after {
        let row = serde_json::from_str::<Row>(after);
        query.after = Some(row.map_err(|_| Error::invalid("after", "is no place in this list"))?);
    }
    Ok((query, kept.into_iter().collect()))
}

fn order(subject: &Subject, text: &str) -> Result<Order> {
    let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let field = subject.columns.iter().find(|known| **known == name).and_then(|name| subject.field(name));
    let field =
        field.filter(|field| can_order(field)).ok_or_else(|| Error::invalid("o", "is no column to order by"))?;
    Ok(Order { field: field.name.to_owned(), descending })
}

fn can_order(field: &Field) -> bool {
    !matches!(field.kind, ArrayType::Json | ArrayType::Bytes)
}

/// By which fields a list may be narrowed: those that were chosen, and all that refer to other rows.
fn fits(subject: &Subject, field: &Field) -> bool {
    subject.filters.contains(&field.name) || field.references.is_some()
}

fn filtered(query: Query, field: &Field, value: &str) -> Result<Query> {
    let name = field.name;
    if value == EMPTY && field.null {
        return Ok(query.filter(name, Op::IsNull, true));
    }
    if field.kind == ArrayType::Bool {
        let on = match value {
            "true" => true,
            "false" => false,
            _ => return Err(Error::invalid(name, "must be true or false")),
        };
        return Ok(query.filter(name, Op::Eq, on));
    }
    let age = AGES.iter().find(|(days, _)| days.to_string() == value);
    match age {
        Some((days, _)) if is_moment(&field.kind) => {
            Ok(query.filter(name, Op::Gte, (clock::now() - chrono::TimeDelta::days(*days)).to_rfc3339()))
        }
        _ => Ok(query.filter(name, Op::Eq, value)),
    }
}

/// Where a page ends: what the order and the key are made of.
fn place(row: &Row, subject: &Subject, order: &[Order]) -> String {
    let keys = subject.model().keys().map(|field| field.name);
    let names = order.iter().map(|by| by.field.as_str()).chain(keys);
    let place: Row = names.filter_map(|name| Some((name.to_owned(), row.get(name)?.clone()))).collect();
    Json::Object(place).to_string()
}

/// The head of a column, with the link that orders by it.
fn head(field: &Field, order: &[Order], kept: &Fields, page: &str) -> Value {
    let now = order.first().filter(|by| by.field == field.name);
    let next = match now {
        Some(by) if !by.descending => format!("-{}", field.name),
        _ => field.name.to_owned(),
    };
    let href = can_order(field).then(|| kept.with("o", &next).at(page));
    let sort = now.map(|by| if by.descending { "descending" } else { "ascending" });
    context! { text => title(field), href => href, sort => sort, number => is_number(field) }
}

/// The choices that narrow the list.
async fn filters(asked: &Asked, subject: &Subject, kept: &Fields) -> Result<Vec<Value>> {
    let mut filters = Vec::new();
    for field in subject.fields().filter(|field| fits(subject, field)) {
        let name = format!("{FILTER}{}", field.name);
        let value = kept.get(&name);
        let chosen = subject.filters.contains(&field.name);
        if !chosen && value.is_empty() {
            continue;
        }
        let mut choices: Vec<(String, String)> = if field.kind == ArrayType::Bool {
            vec![("true".to_owned(), "yes".to_owned()), ("false".to_owned(), "no".to_owned())]
        } else if is_moment(&field.kind) {
            AGES.iter().map(|(days, label)| (days.to_string(), (*label).to_owned())).collect()
        } else if seen(asked, field).is_some() {
            pick::few(asked, field).await?.unwrap_or_default()
        } else {
            subject.choices(field).iter().map(|choice| (choice.clone(), choice.clone())).collect()
        };
        if field.null && !choices.is_empty() {
            choices.push((EMPTY.to_owned(), "empty".to_owned()));
        }
        // Of rows that who asks may not see, the key is all there is, and can be typed.
        let hidden = referred(asked.admin(), field).is_some() && seen(asked, field).is_none();
        if !value.is_empty() && !hidden && !choices.iter().any(|(known, _)| known == value) {
            // Of a field that refers to many rows: what this one is called.
            let row: Row = [(field.name.to_owned(), Json::from(value))].into_iter().collect();
            let labels = labels::of(asked, field, &[row]).await.unwrap_or_default();
            let label = labels.get(value).map_or_else(|| text(&Json::from(value)), |(label, _)| label.clone());
            choices.push((value.to_owned(), label));
        }
        let choices: Vec<_> = choices.into_iter().map(|(value, label)| vec![value, label]).collect();
        let typed = choices.is_empty();
        filters
            .push(context! { name => name, label => title(field), value => value, choices => choices, typed => typed });
    }
    Ok(filters)
}
