//! One line per call, for people or for machines.
//!
//! Takes closed calls, gives bytes; the recorder's thread writes the lines of a batch at once. Whatever came from
//! outside is escaped: a line stays one line, and no control character reaches a terminal or a log reader.
//!
//! Must never: print what the row does not hold.

use std::fmt::{self, Write};

use chrono::{DateTime, Datelike as _, Timelike as _};

use super::{
    Call, State,
    config::Format,
    row::{Row, Scratch},
};

/// Adds the line of `call` to `out`.
pub(super) fn line(out: &mut String, call: &Call, format: Format) {
    let mut scratch = Scratch::default();
    let row = Row::of(call, &mut scratch);
    let wrote = match format {
        Format::Pretty => pretty(out, &row),
        Format::Json | Format::Auto => json(out, &row),
    };
    debug_assert!(wrote.is_ok(), "a string takes any text");
}

fn pretty(out: &mut String, row: &Row<'_>) -> fmt::Result {
    let time = DateTime::from_timestamp_micros(row.completed_at.unwrap_or(row.created_at)).unwrap_or_default();
    write!(out, "{:02}:{:02}:{:02}.{:03} ", time.hour(), time.minute(), time.second(), time.timestamp_subsec_millis())?;
    write!(out, "{:<18} ", row.grpc_status_code.unwrap_or(row.status))?;
    escape(out, row.full_method.trim_start_matches('/'))?;
    let us = row.duration_us.unwrap_or_default();
    write!(out, "  {}.{:03} ms", us / 1000, us % 1000)?;
    write!(out, "  in {} / {} B", row.request_messages, row.request_size)?;
    write!(out, "  out {} / {} B", row.response_messages, row.response_size)?;
    write!(out, "  {}", row.peer.unwrap_or("-"))?;
    if let Some(user) = row.user_id {
        write!(out, "  user {user}")?;
    }
    if let Some(key) = row.api_key_id {
        write!(out, "  key {key}")?;
    }
    out.write_str("  id ")?;
    escape(out, row.request_id)?;
    if let Some(message) = &row.error_message {
        out.write_str("  \"")?;
        escape(out, message)?;
        out.write_char('"')?;
    }
    out.write_char('\n')
}

fn json(out: &mut String, row: &Row<'_>) -> fmt::Result {
    let time = DateTime::from_timestamp_micros(row.completed_at.unwrap_or(row.created_at)).unwrap_or_default();
    write!(
        out,
        "{{\"timestamp\":\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z\"",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.timestamp_subsec_micros()
    )?;
    let level = match row.status {
        status if status == State::Success.as_str() => "INFO",
        _ => "WARN",
    };
    write!(out, ",\"level\":\"{level}\",\"target\":\"steeple::call\"")?;
    text(out, "method", Some(row.full_method))?;
    text(out, "status", Some(row.status))?;
    text(out, "code", row.grpc_status_code)?;
    let us = row.duration_us.unwrap_or_default();
    write!(out, ",\"duration_ms\":{}.{:03}", us / 1000, us % 1000)?;
    write!(out, ",\"request_messages\":{},\"request_bytes\":{}", row.request_messages, row.request_size)?;
    write!(out, ",\"response_messages\":{},\"response_bytes\":{}", row.response_messages, row.response_size)?;
    text(out, "peer", row.peer)?;
    text(out, "user_agent", row.user_agent.as_deref())?;
    text(out, "request_id", Some(row.request_id))?;
    if let Some(user) = row.user_id {
        write!(out, ",\"user_id\":{user}")?;
    }
    if let Some(key) = row.api_key_id {
        write!(out, ",\"api_key_id\":{key}")?;
    }
    text(out, "error", row.error_message.as_deref())?;
    out.write_str("}\n")
}

fn text(out: &mut String, key: &str, value: Option<&str>) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    write!(out, ",\"{key}\":\"")?;
    escape(out, value)?;
    out.write_char('"')
}

/// JSON's escapes, for everything that could end a line, a string, or steer a terminal or the direction of text.
fn escape(out: &mut String, text: &str) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(risky) {
        let (plain, from) = rest.split_at(at);
        out.push_str(plain);
        let character = from.chars().next().expect("a character was found here");
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
        rest = &from[character.len_utf8()..];
    }
    out.push_str(rest);
    Ok(())
}

fn risky(character: char) -> bool {
    matches!(character, '"' | '\\' | '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}')
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || character.is_control()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;
    use tonic::Code;

    use super::*;
    use crate::{
        method::Method,
        record::{Caller, RequestId},
    };

    fn attack() -> Call {
        let agent = HeaderValue::from_bytes("evil\t\u{9b}31m\u{202e}".as_bytes()).unwrap();
        let call = Call::open(
            RequestId::of(Some(&HeaderValue::from_static("r\"1"))),
            Arc::new(Method::other("/a.B/C\u{1b}[2J")),
            "127.0.0.1:9".parse().ok(),
            Some(agent),
        );
        call.caller.set(Caller { user_id: Some(7), api_key_id: None }).unwrap();
        call.count_request(12, 1);
        call.close(Code::NotFound, Some("no\n{\"level\":\"INFO\"}\r\u{1b}[31m \\ é"));
        call
    }

    #[test]
    fn a_json_line_is_one_line_of_json_whatever_came_in() {
        let mut out = String::new();
        line(&mut out, &attack(), Format::Json);
        assert_eq!(out.matches('\n').count(), 1);
        assert!(!out.trim_end().chars().any(|c| c.is_control() || c == '\u{202e}'), "{out}");
        let read: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(read["error"], "no\n{\"level\":\"INFO\"}\r\u{1b}[31m \\ é");
        assert_eq!(read["level"], "WARN");
        assert_eq!(read["request_id"], "r\"1");
        assert_eq!(read["user_id"], 7);
        assert_eq!(read["request_bytes"], 12);
        assert!(read["duration_ms"].is_f64());
        let time = read["timestamp"].as_str().unwrap();
        assert!(DateTime::parse_from_rfc3339(time).is_ok(), "{time}");
    }

    #[test]
    fn a_pretty_line_cannot_be_forged() {
        let mut out = String::new();
        line(&mut out, &attack(), Format::Pretty);
        assert_eq!(out.matches('\n').count(), 1);
        assert!(!out.trim_end().chars().any(char::is_control), "{out}");
        assert!(out.contains(" NOT_FOUND          a.B/C\\u001b[2J  0."), "{out}");
        assert!(out.contains("  in 1 / 12 B  out 0 / 0 B  127.0.0.1:9  user 7  id r\\\"1  \"no\\n"), "{out}");
    }
}
