//! The `grpc-timeout` header (gRPC over HTTP/2, "Timeout"): at most eight digits and a unit.

use std::time::{Duration, Instant};

use http::HeaderMap;

use super::Config;
use crate::error::{Error, Result};

/// When a call that began at `started` must be over: what the caller asked for, within what the site allows.
///
/// # Errors
/// INTERNAL for a malformed header, which is what gRPC libraries answer; the method does not run.
pub(crate) fn deadline(headers: &HeaderMap, started: Instant, config: &Config) -> Result<Option<Instant>> {
    let asked = match headers.get("grpc-timeout") {
        Some(value) => Some(value.to_str().ok().and_then(parse).ok_or_else(|| {
            Error::internal("malformed grpc-timeout: write at most eight digits and one of H, M, S, m, u, n")
        })?),
        None => config.default_deadline,
    };
    let allowed = match (asked, config.max_deadline) {
        (Some(asked), Some(most)) => Some(asked.min(most)),
        (asked, most) => asked.or(most),
    };
    Ok(allowed.and_then(|allowed| started.checked_add(allowed)))
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_every_unit() {
        assert_eq!(parse("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(parse("2M"), Some(Duration::from_secs(120)));
        assert_eq!(parse("3S"), Some(Duration::from_secs(3)));
        assert_eq!(parse("99999999m"), Some(Duration::from_millis(99_999_999)));
        assert_eq!(parse("5u"), Some(Duration::from_micros(5)));
        assert_eq!(parse("0n"), Some(Duration::ZERO));
    }

    #[test]
    fn refuses_what_the_grammar_does_not_allow() {
        for text in ["", "S", "1", "123456789S", "-1S", "+1S", "1 S", "1s", "1Sx", "é", "1é"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".*") {
            let _ = parse(&text);
        }
    }
}
