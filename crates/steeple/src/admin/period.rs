//! The time that figures are about, as a choice of a few.

use minijinja::{Value, context};

use super::{asked::Asked, fields::Fields};
use crate::{
    error::{Error, Result},
    record::stats::{Interval, LONGEST_HOURS},
};

const CHOICES: [(u32, &str); 5] = [(1, "1 h"), (6, "6 h"), (24, "24 h"), (168, "7 d"), (720, "30 d")];
const USUAL: u32 = 24;

/// The hours that are asked for, and the links to other ones.
///
/// # Errors
/// INVALID_ARGUMENT for what are no such hours.
pub(super) fn of(asked: &Asked, path: &str) -> Result<(u32, Vec<Value>)> {
    let hours = match asked.query.get("hours") {
        "" => USUAL,
        text => text
            .parse()
            .ok()
            .filter(|hours| (1..=LONGEST_HOURS).contains(hours))
            .ok_or_else(|| Error::invalid("hours", format!("must be a whole number from 1 to {LONGEST_HOURS}")))?,
    };
    let link = |(choice, label): (u32, &str)| {
        let href = Fields::from_iter([("hours".to_owned(), choice.to_string())]).at(&asked.to(path));
        context! { href => href, label => label, current => choice == hours }
    };
    Ok((hours, CHOICES.into_iter().map(link).collect()))
}

/// The length of a bucket that shows this time best.
pub(super) fn interval(hours: u32) -> Interval {
    match hours {
        ..=6 => Interval::Minute,
        7..=168 => Interval::Hour,
        _ => Interval::Day,
    }
}
