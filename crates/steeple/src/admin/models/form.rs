//! From what was filled in to what is written: only what differs from what was seen.

use sea_orm::sea_query::ArrayType;
use serde_json::Value as Json;

use super::{
    cells::is_moment,
    input::filled,
    subject::{Subject, is_needed},
};
use crate::{
    admin::fields::Fields,
    clock,
    error::{Error, Result},
    model::{Field, Row},
};

/// The field of a form that has the values that were seen.
pub(super) const SEEN: &str = "_seen";

/// The values of a row that its form was made from.
pub(super) fn seen(subject: &Subject, row: &Row) -> Row {
    let set = subject.fields().filter(|field| subject.is_set_by_people(field, false));
    set.filter_map(|field| Some((field.name.to_owned(), row.get(field.name)?.clone()))).collect()
}

/// The same, as a form brings them back.
///
/// # Errors
/// INVALID_ARGUMENT for what no form of this model has.
pub(super) fn seen_by(subject: &Subject, form: &Fields) -> Result<Row> {
    let broken = || Error::invalid_argument("the form is not whole: open its page again");
    let seen: Row = serde_json::from_str(form.get(SEEN)).map_err(|_| broken())?;
    let known = |name: &String| subject.field(name).is_some_and(|field| subject.is_set_by_people(field, false));
    if seen.keys().all(known) { Ok(seen) } else { Err(broken()) }
}

/// What is to be written of a row that was seen so, or of a new one.
///
/// # Errors
/// INVALID_ARGUMENT with all that is wrong.
pub(super) fn read(subject: &Subject, form: &Fields, seen: Option<&Row>) -> Result<Row> {
    let mut row = Row::new();
    let mut wrong = Vec::new();
    let set = subject.fields().filter(|field| subject.is_set_by_people(field, seen.is_none()));
    for field in set {
        let sent = match (form.given(field.name), &field.kind) {
            // Not a field of this form: it could not be read, or is shown only.
            (None, _) if seen.is_some_and(|seen| !seen.contains_key(field.name)) => continue,
            (None, ArrayType::Bool) => "",
            (None, _) if seen.is_some() => continue,
            (sent, _) => sent.unwrap_or_default(),
        };
        let before = seen.and_then(|seen| seen.get(field.name));
        // Browsers send lines with both of their ends.
        let sent = sent.replace("\r\n", "\n");
        if before.is_some_and(|before| same(field, before, &sent)) {
            continue;
        }
        match meant(field, &sent, seen.is_none()) {
            Ok(Some(value)) => {
                row.insert(field.name.to_owned(), value);
            }
            Ok(None) => {}
            Err(problem) => wrong.push((field.name, problem)),
        }
    }
    if !wrong.is_empty() {
        let error = Error::invalid_argument("some fields are not right");
        return Err(wrong.into_iter().fold(error, |error, (field, problem)| error.violation(field, problem)));
    }
    Ok(row)
}

/// Whether a form brings a value back as it was.
pub(super) fn same(field: &Field, before: &Json, sent: &str) -> bool {
    match before {
        Json::Bool(on) if !field.null => *on == (sent == "on"),
        before => filled(field, before).replace("\r\n", "\n") == sent,
    }
}

/// A value as a form sends it.
pub(super) fn as_sent(field: &Field, value: &Json) -> String {
    match value {
        Json::Bool(on) if !field.null => if *on { "on" } else { "" }.to_owned(),
        value => filled(field, value),
    }
}

/// The value that a text means; `None`: the database's own.
fn meant(field: &Field, text: &str, new: bool) -> Result<Option<Json>, String> {
    if field.kind == ArrayType::Bool && !field.null {
        return Ok(Some((text == "on").into()));
    }
    if text.is_empty() {
        if field.null {
            return Ok(Some(Json::Null));
        }
        if new && field.default {
            return Ok(None);
        }
        if field.kind == ArrayType::String && field.choices.is_empty() {
            return Ok(Some("".into()));
        }
        return Err(if is_needed(field) { "is needed" } else { "may not be empty" }.to_owned());
    }
    match &field.kind {
        ArrayType::Bool => Ok(Some((text == "true").into())),
        ArrayType::Json => {
            let json: Json = serde_json::from_str(text).map_err(|error| format!("must be JSON: {error}"))?;
            Ok(Some(json))
        }
        // As the browser's own field has it, without an offset: the page says that it is UTC.
        kind if is_moment(kind) => Ok(Some(match text.len() {
            16 => format!("{text}:00Z").into(),
            19..=29 if !text.ends_with('Z') && !text.contains('+') => format!("{text}Z").into(),
            _ => text.into(),
        })),
        ArrayType::ChronoDateTime | ArrayType::ChronoTime if text.len() == 16 || text.len() == 5 => {
            Ok(Some(format!("{text}:00").into()))
        }
        _ => Ok(Some(text.into())),
    }
}

/// Puts in the moment, where the site said so.
pub(super) fn stamp(subject: &Subject, row: &mut Row, new: bool) {
    let now = clock::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let fields = [subject.made_at.filter(|_| new), subject.changed_at];
    for name in fields.into_iter().flatten() {
        let naive = subject.model().field(name).is_some_and(|field| field.kind == ArrayType::ChronoDateTime);
        let text = if naive { now.trim_end_matches('Z') } else { &now };
        row.insert(name.to_owned(), text.into());
    }
}
