//! The parameters of a request, checked against their description before anything is asked.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::{
    clock,
    error::{Error, Result},
};

/// Longest text of one parameter, in bytes.
const LONGEST: usize = 500;

/// A parameter of an endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    pub name: &'static str,
    pub kind: Kind,
    pub doc: &'static str,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A whole number between the first two; the third is meant without one.
    Whole(i64, i64, Option<i64>),
    /// One of these; the second is meant without one.
    Choice(&'static [&'static str], Option<&'static str>),
    /// A moment (RFC 3339).
    Moment,
    /// Any text.
    Text,
}

pub(super) const fn parameter(name: &'static str, kind: Kind, doc: &'static str) -> Parameter {
    Parameter { name, kind, doc }
}

/// The last hours, up to `most`.
pub(super) const fn hours(most: i64) -> Parameter {
    parameter("hours", Kind::Whole(1, most, Some(24)), "Calls that ended in the last hours.")
}

pub(super) const PAGE: Parameter =
    parameter("page", Kind::Whole(1, 1_000_000, Some(1)), "The number of the page, from 1.");
pub(super) const PAGE_SIZE: Parameter = parameter("page_size", Kind::Whole(1, 1000, Some(100)), "How many a page has.");

/// The parameters of one request, each fit for its description.
#[derive(Debug, Default)]
pub(crate) struct Query {
    parameters: &'static [Parameter],
    values: BTreeMap<&'static str, String>,
}

impl Query {
    /// Reads the part of an address behind its question mark.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with everything that is wrong, by name.
    pub fn read(parameters: &'static [Parameter], text: &str) -> Result<Self> {
        let mut query = Self { parameters, values: BTreeMap::new() };
        let mut wrong = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
                wrong.push(("query".to_owned(), "is not UTF-8".to_owned()));
                continue;
            };
            let Some(parameter) = parameters.iter().find(|parameter| parameter.name == name) else {
                let known = parameters.iter().map(|parameter| parameter.name).collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "there are none".to_owned() } else { format!("there are {known}") };
                wrong.push((name.chars().take(100).collect(), format!("is no parameter here; {known}")));
                continue;
            };
            // A form sends what was left empty.
            if value.is_empty() {
                continue;
            }
            if let Err(why) = parameter.kind.check(&value) {
                wrong.push((name, why));
            } else if query.values.insert(parameter.name, value).is_some() {
                wrong.push((name, "is given twice".to_owned()));
            }
        }
        let mut wrong = wrong.into_iter();
        match wrong.next() {
            None => Ok(query),
            Some((field, why)) => {
                Err(wrong.fold(Error::invalid(field, why), |error, (field, why)| error.violation(field, why)))
            }
        }
    }

    /// A text, if it was given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A number, if it was given or has a default.
    pub fn whole(&self, name: &str) -> Option<i64> {
        let given = self.text(name).and_then(|text| text.parse().ok());
        given.or_else(|| match self.kind(name) {
            Some(Kind::Whole(_, _, default)) => default,
            _ => None,
        })
    }

    /// One of several words, if it was given or has a default.
    pub fn choice(&self, name: &str) -> Option<&str> {
        self.text(name).or_else(|| match self.kind(name) {
            Some(Kind::Choice(_, default)) => default,
            _ => None,
        })
    }

    /// A moment, if it was given.
    pub fn moment(&self, name: &str) -> Option<clock::Time> {
        self.text(name).and_then(moment)
    }

    /// The hours that are asked for.
    pub fn hours(&self) -> u32 {
        self.whole("hours").and_then(|hours| u32::try_from(hours).ok()).unwrap_or(24)
    }

    /// The number of the page and its size.
    pub fn page(&self) -> (u64, u64) {
        let number = |name, default| self.whole(name).and_then(|n| u64::try_from(n).ok()).unwrap_or(default);
        (number("page", 1), number("page_size", 100))
    }

    fn kind(&self, name: &str) -> Option<Kind> {
        self.parameters.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.kind)
    }
}

fn decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn moment(text: &str) -> Option<clock::Time> {
    // A plus sign in an address means a space.
    chrono::DateTime::parse_from_rfc3339(&text.replace(' ', "+")).ok().map(|moment| moment.to_utc())
}

impl Kind {
    fn check(self, value: &str) -> Result<(), String> {
        match self {
            Self::Whole(least, most, _) => match value.parse::<i64>() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ => Err(format!("must be a whole number between {least} and {most}")),
            },
            Self::Choice(words, _) if words.contains(&value) => Ok(()),
            Self::Choice(words, _) => Err(format!("must be one of {}", words.join(", "))),
            Self::Moment if moment(value).is_some() => Ok(()),
            Self::Moment => Err("must be a moment such as 2026-11-20T18:00:00Z".to_owned()),
            Self::Text if value.len() > LONGEST => Err(format!("must have at most {LONGEST} bytes")),
            Self::Text if value.contains('\0') => Err("must not have a zero byte".to_owned()),
            Self::Text => Ok(()),
        }
    }

    /// As JSON Schema.
    pub fn schema(self) -> Value {
        match self {
            Self::Whole(least, most, default) => {
                let mut schema = json!({ "type": "integer", "minimum": least, "maximum": most });
                if let Some(default) = default {
                    schema["default"] = default.into();
                }
                schema
            }
            Self::Choice(words, default) => {
                let mut schema = json!({ "type": "string", "enum": words });
                if let Some(default) = default {
                    schema["default"] = default.into();
                }
                schema
            }
            Self::Moment => json!({ "type": "string", "format": "date-time" }),
            Self::Text => json!({ "type": "string", "maxLength": LONGEST }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: &[Parameter] = &[
        hours(168),
        parameter("status", Kind::Choice(&["success", "error"], None), ""),
        parameter("text", Kind::Text, ""),
        parameter("since", Kind::Moment, ""),
    ];

    #[test]
    fn values_are_read_as_they_were_meant() {
        let query = Query::read(PARAMETERS, "text=a%20b+c%26%3d&status=&since=2026-11-20T18:00:00+01:00").unwrap();
        assert_eq!((query.text("text"), query.hours(), query.choice("status")), (Some("a b c&="), 24, None));
        assert_eq!(query.moment("since").unwrap().to_rfc3339(), "2026-11-20T17:00:00+00:00");
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (text, field) in [
            ("hours=0", "hours"),
            ("hours=-1", "hours"),
            ("hours=169", "hours"),
            ("hours=99999999999999999999", "hours"),
            ("hours=text", "hours"),
            ("hours=1&hours=2", "hours"),
            ("status=success'--", "status"),
            ("since=yesterday", "since"),
            ("text=%00", "text"),
            ("text=%ff", "query"),
            ("hour=1", "hour"),
        ] {
            let error = Query::read(PARAMETERS, text).unwrap_err();
            assert!(error.message().starts_with(&format!("{field}: ")), "{text}: {}", error.message());
        }
        let mut error = Query::read(PARAMETERS, "hours=0&status=1").unwrap_err();
        assert_eq!(error.details_mut().bad_request().unwrap().field_violations.len(), 2);
    }
}
