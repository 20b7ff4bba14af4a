//! How values read on a page: numbers, durations, moments, and the tone of a badge.
//!
//! The tones are the original's: a duration is good below 100 ms and middling below a second; OK is good, CANCELLED and
//! DEADLINE_EXCEEDED are middling, every other code is bad. A template gives each tone a shape and a word as well.

use chrono::DateTime;
use minijinja::{Environment, Value, context};

use super::fields::{Fields, escaped};
use crate::clock;

/// Makes the filters known to the templates.
pub(super) fn add(views: &mut Environment<'static>, root: &str) {
    views.add_filter("number", |value: f64| number(value));
    views.add_filter("ms", |value: f64| ms(value));
    views.add_filter("us_to_ms", |value: Option<f64>| value.map(|us| us / 1000.0));
    views.add_filter("bytes", |value: f64| bytes(value));
    views.add_filter("share", |part: f64, whole: f64| share(part, whole));
    views.add_filter("moment", |text: String| moment(&text));
    views.add_filter("is_today", |text: String| is_on(&text, clock::now()));
    views.add_filter("ago", |text: String| ago(&text, clock::now()));
    views.add_filter("last_part", |text: String| last_part(&text).to_owned());
    views.add_filter("pace_tone", |value: f64| pace_tone(value));
    views.add_filter("code_tone", |code: String| code_tone(&code));
    views.add_filter("uses_tone", |uses: f64| grade(uses, 100.0, 1000.0));
    views.add_filter("uptime_tone", |seconds: f64| grade(seconds, 3_600.0, 86_400.0));
    views.add_filter("server_state", |server: Value| server_state(&server));
    views.add_filter("key_state", |key: Value| key_state(&key));
    let requests = format!("{root}/requests");
    let all_requests = requests.clone();
    views.add_filter("requests_of", move |row: Value| requests_of(&all_requests, &row, "method_name"));
    views.add_filter("requests_of_method", move |row: Value| requests_of(&requests, &row, "name"));
    let root = root.to_owned();
    views.add_function("at", move |path: String| format!("{root}{}", escaped(&path)));
}

fn text(value: &Value, name: &str) -> String {
    value.get_attr(name).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn is(value: &Value, name: &str) -> bool {
    value.get_attr(name).is_ok_and(|value| value.is_true())
}

fn requests_of(path: &str, row: &Value, method: &str) -> String {
    let fields = [("service", "service_name"), ("method", method)];
    fields.into_iter().map(|(field, name)| (field.to_owned(), text(row, name))).collect::<Fields>().at(path)
}

/// `12,345`; below ten with what is behind the point.
pub(super) fn number(value: f64) -> String {
    if value.fract() != 0.0 && value.abs() < 10.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value < 0.0 {
        text.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Milliseconds with the unit that suits them, in three digits.
pub(super) fn ms(value: f64) -> String {
    match value {
        value if value < 0.9995 => format!("{:.0} µs", value * 1000.0),
        value if value < 9.995 => format!("{value:.2} ms"),
        value if value < 99.95 => format!("{value:.1} ms"),
        value if value < 999.5 => format!("{value:.0} ms"),
        value if value < 9_995.0 => format!("{:.2} s", value / 1000.0),
        value if value < 119_500.0 => format!("{:.0} s", value / 1000.0),
        value if value < 7_200_000.0 => format!("{:.0} min", value / 60_000.0),
        value => format!("{:.1} h", value / 3_600_000.0),
    }
}

fn bytes(value: f64) -> String {
    match value {
        value if value < 1000.0 => format!("{value:.0} B"),
        value if value < 999_500.0 => format!("{:.1} kB", value / 1e3),
        value if value < 999_500_000.0 => format!("{:.1} MB", value / 1e6),
        value => format!("{:.1} GB", value / 1e9),
    }
}

/// A part of a whole, in per cent.
fn share(part: f64, whole: f64) -> String {
    if whole <= 0.0 {
        return "–".to_owned();
    }
    let share = part / whole * 100.0;
    match share {
        share if share <= 0.0 => "0 %".to_owned(),
        share if share < 0.01 => "< 0.01 %".to_owned(),
        share if share < 9.995 => format!("{share:.2} %"),
        share => format!("{share:.1} %"),
    }
}

fn read(text: &str) -> Option<clock::Time> {
    DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc())
}

/// `2026-11-21 12:40:03`, in UTC; a text that is no moment stays as it is.
fn moment(text: &str) -> String {
    read(text).map_or_else(|| text.to_owned(), |moment| moment.format("%F %T").to_string())
}

/// Whether a moment is on the day of another, in UTC.
fn is_on(text: &str, day: clock::Time) -> bool {
    read(text).is_some_and(|moment| moment.date_naive() == day.date_naive())
}

fn ago(text: &str, now: clock::Time) -> String {
    let Some(moment) = read(text) else { return text.to_owned() };
    let seconds = (now - moment).num_seconds();
    let (words, seconds) = if seconds < 0 { ("in ", -seconds) } else { ("", seconds) };
    let span = match seconds {
        0..=4 if words.is_empty() => return "just now".to_owned(),
        0..=90 => format!("{seconds} s"),
        91..=5_400 => format!("{} min", seconds / 60),
        5_401..=172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    };
    if words.is_empty() { format!("{span} ago") } else { format!("{words}{span}") }
}

fn last_part(text: &str) -> &str {
    text.rsplit(['.', ':']).next().unwrap_or(text)
}

fn pace_tone(ms: f64) -> &'static str {
    match ms {
        ms if ms < 100.0 => "good",
        ms if ms < 1000.0 => "warn",
        _ => "bad",
    }
}

/// The more the better, in three steps; the number beside it says the same.
fn grade(value: f64, warn: f64, good: f64) -> &'static str {
    match value {
        value if value >= good => "tone-good",
        value if value >= warn => "tone-warn",
        _ => "",
    }
}

fn code_tone(code: &str) -> &'static str {
    match code {
        "OK" => "good",
        "CANCELLED" | "DEADLINE_EXCEEDED" => "warn",
        _ => "bad",
    }
}

fn server_state(server: &Value) -> Value {
    let status = text(server, "status");
    let (tone, words) = match status.as_str() {
        "running" if is(server, "is_running") => ("good", "running"),
        "starting" | "stopping" if is(server, "is_running") => ("warn", status.as_str()),
        "stopped" => ("off", "stopped"),
        "error" => ("bad", "error"),
        // It said it was at work, and has not been heard of since.
        _ => ("bad", "down"),
    };
    context! { tone => tone, text => words }
}

fn key_state(key: &Value) -> Value {
    let (tone, words) = if is(key, "is_valid") {
        ("good", "active")
    } else if is(key, "revoked_at") {
        ("off", "revoked")
    } else if is(key, "is_active") {
        ("warn", "expired")
    } else {
        ("off", "off")
    };
    context! { tone => tone, text => words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_durations_are_read_at_a_glance() {
        assert_eq!(
            [0.0, 999.0, 1000.0, 1_234_567.0, 2.5, -4321.0].map(number),
            ["0", "999", "1,000", "1,234,567", "2.5", "-4,321"]
        );
        assert_eq!(
            [0.042, 0.9999, 1.5, 99.96, 999.6, 12_000.0, 180_000.0, 7_200_000.0].map(ms),
            ["42 µs", "1.00 ms", "1.50 ms", "100 ms", "1.00 s", "12 s", "3 min", "2.0 h"]
        );
        assert_eq!([0.0, 1500.0, 2e6].map(bytes), ["0 B", "1.5 kB", "2.0 MB"]);
        assert_eq!(
            [(0.0, 0.0), (0.0, 5.0), (1.0, 1e6), (1.0, 3.0)].map(|(part, whole)| share(part, whole)),
            ["–", "0 %", "< 0.01 %", "33.3 %"]
        );
    }

    #[test]
    fn moments_are_told_from_now() {
        let now = read("2026-11-21T12:00:00Z").unwrap();
        let told = |text: &str| ago(text, now);
        assert_eq!(told("2026-11-21T11:59:58Z"), "just now");
        assert_eq!(told("2026-11-21T11:58:50Z"), "70 s ago");
        assert_eq!(told("2026-11-21T13:00:00Z"), "in 60 min");
        assert_eq!(told("2026-11-01T12:00:00Z"), "20 days ago");
        assert_eq!(moment("2026-11-21T12:00:00.123456Z"), "2026-11-21 12:00:00");
        assert_eq!(moment("soon"), "soon");
        let on = ["2026-11-21T00:00:00Z", "2026-11-22T01:00:00+02:00", "2026-11-20T23:59:59Z", "soon"];
        assert_eq!(on.map(|text| is_on(text, now)), [true, true, false, false]);
    }

    #[test]
    fn tones_are_the_originals() {
        assert_eq!([0.0, 99.9, 100.0, 999.9, 1000.0].map(pace_tone), ["good", "good", "warn", "warn", "bad"]);
        assert_eq!(
            ["OK", "CANCELLED", "DEADLINE_EXCEEDED", "NOT_FOUND", "INTERNAL"].map(code_tone),
            ["good", "warn", "warn", "bad", "bad"]
        );
        assert_eq!([0.0, 100.0, 1000.0].map(|uses| grade(uses, 100.0, 1000.0)), ["", "tone-warn", "tone-good"]);
    }
}
