//! The inputs of a form: what each field is filled in with.

use std::collections::HashMap;

use chrono::DateTime;
use sea_orm::{
    ColumnType,
    sea_query::{ArrayType, StringLen},
};
use serde::Serialize;
use serde_json::Value as Json;

use super::{
    cells::{self, is_moment, is_whole, text, title, unreadable},
    labels::{self, referred, seen},
    pick,
    subject::{Subject, is_needed},
};
use crate::{
    admin::{asked::Asked, fields::Fields},
    error::Result,
    model::{Field, Row},
};

/// Texts up to this length fit a line.
const LINE: u32 = 255;

/// One input.
#[derive(Debug, Serialize)]
pub(super) struct Input {
    name: &'static str,
    label: String,
    /// `text`, `long`, `json`, `check`, `choice`, `pick`, `moment`, `date`, `time` or `fixed`.
    kind: &'static str,
    value: String,
    choices: Vec<(String, String)>,
    required: bool,
    longest: Option<u32>,
    mode: &'static str,
    help: String,
    wrong: Option<String>,
    /// Where rows are offered for what is typed.
    pick: Option<String>,
    /// Of what is not changed: how it reads, and where it leads.
    cell: Option<cells::Cell>,
}

/// What a value is in its input; what comes back unchanged was not changed.
pub(super) fn filled(field: &Field, value: &Json) -> String {
    match value {
        Json::String(moment) if is_moment(&field.kind) => match DateTime::parse_from_rfc3339(moment) {
            Ok(moment) => moment.to_utc().format("%Y-%m-%dT%H:%M:%S").to_string(),
            Err(_) => moment.clone(),
        },
        Json::String(moment) if field.kind == ArrayType::ChronoDateTime => moment.chars().take(19).collect(),
        Json::Null => String::new(),
        value if field.kind == ArrayType::Json => serde_json::to_string_pretty(value).unwrap_or_default(),
        value => text(value),
    }
}

/// The inputs of a row, or of a new one; with what was filled in and what is wrong with it.
///
/// # Errors
/// The database's.
pub(super) async fn inputs(
    asked: &Asked,
    subject: &Subject,
    row: Option<&Row>,
    sent: Option<&Fields>,
    wrong: &HashMap<String, String>,
    may_change: bool,
) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for field in subject.fields() {
        let new = row.is_none();
        let value = row.and_then(|row| row.get(field.name)).unwrap_or(&Json::Null);
        let fixed = !may_change || !subject.is_set_by_people(field, new) || unreadable(field, value).is_some();
        if fixed && new {
            continue;
        }
        let mut input = input(subject, field);
        input.wrong = wrong.get(field.name).cloned();
        if fixed {
            let labels = labels::of(asked, field, row.map(std::slice::from_ref).unwrap_or_default()).await?;
            input.cell = row.map(|row| cells::cell(subject, field, row, &labels));
            input.kind = "fixed";
            inputs.push(input);
            continue;
        }
        input.value = match sent {
            // A box that is not checked is not sent.
            Some(sent) if input.kind == "check" => (sent.get(field.name) == "on").to_string(),
            Some(sent) => sent.get(field.name).to_owned(),
            None => filled(field, value),
        };
        if let Some((there, _)) = referred(asked.admin(), field) {
            if seen(asked, field).is_none() {
                input.kind = "text";
                input.help = format!("The key of a {}.", there.one.to_lowercase());
            } else if let Some(choices) = pick::few(asked, field).await? {
                (input.kind, input.choices) = ("choice", choices);
            } else {
                input.kind = "pick";
                input.pick = Some(asked.to(&format!("{}/pick/{}", subject.path, field.name)));
                input.help = format!("The key of a {}: type to find it.", there.one.to_lowercase());
                let labels = labels::of(asked, field, row.map(std::slice::from_ref).unwrap_or_default()).await?;
                input.choices = labels.into_iter().map(|(key, (label, _))| (key, label)).collect();
            }
        }
        // What there is and is no choice any more stays what it is until somebody chooses.
        if input.kind == "choice"
            && !input.value.is_empty()
            && !input.choices.iter().any(|(known, _)| *known == input.value)
        {
            input.choices.push((input.value.clone(), input.value.clone()));
        }
        inputs.push(input);
    }
    Ok(inputs)
}

fn input(subject: &Subject, field: &Field) -> Input {
    let longest = match field.column {
        ColumnType::String(StringLen::N(most)) | ColumnType::Char(Some(most)) => Some(most),
        _ => None,
    };
    let choices = subject.choices(field);
    let pair = |text: &str, label: &str| (text.to_owned(), label.to_owned());
    let (kind, mode, help) = match &field.kind {
        _ if !choices.is_empty() => ("choice", "", ""),
        ArrayType::Bool if field.null => ("choice", "", ""),
        ArrayType::Bool => ("check", "", ""),
        ArrayType::Json => ("json", "", "JSON."),
        ArrayType::String if longest.is_none_or(|most| most > LINE) => ("long", "", ""),
        ArrayType::ChronoDate => ("date", "", ""),
        ArrayType::ChronoTime => ("time", "", ""),
        ArrayType::ChronoDateTime => ("moment", "", ""),
        kind if is_moment(kind) => ("moment", "", "UTC."),
        kind if is_whole(kind) && field.scale.is_none() => ("text", "numeric", ""),
        ArrayType::Float | ArrayType::Double | ArrayType::Decimal => ("text", "decimal", ""),
        _ if field.scale.is_some() => ("text", "decimal", ""),
        _ => ("text", "", ""),
    };
    let choices = if field.kind == ArrayType::Bool && kind == "choice" {
        vec![pair("true", "yes"), pair("false", "no")]
    } else {
        choices.iter().map(|choice| pair(choice, choice)).collect()
    };
    Input {
        name: field.name,
        label: title(field),
        kind,
        value: String::new(),
        choices,
        required: is_needed(field) && kind != "check" && !matches!(field.kind, ArrayType::String),
        longest,
        mode,
        help: help.to_owned(),
        wrong: None,
        pick: None,
        cell: None,
    }
}
