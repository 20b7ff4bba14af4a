//! A time up to now, in the parts that minutes, hours and days tell.

use crate::record::tally::{DAY, HOUR, MINUTE};

use super::{HOUR_DAYS, MINUTE_DAYS};

/// The seconds at which the minutes, the hours and the days begin to tell; each part ends where the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub minutes: i64,
    pub hours: i64,
    pub days: i64,
}

impl Span {
    /// The last `hours` up to `now`. Begins at a full minute, hour or day, whichever is still kept for that time.
    pub fn last(hours: u32, now: i64) -> Self {
        let from = now - i64::from(hours) * HOUR;
        let finest = if from >= now - MINUTE_DAYS * DAY {
            MINUTE
        } else if from >= now - HOUR_DAYS * DAY {
            HOUR
        } else {
            DAY
        };
        let minutes = down(from, finest);
        let hours = up(minutes, HOUR);
        Self { minutes, hours, days: up(hours, DAY) }
    }

    /// The same in portions, each a condition on `period` and `starts_at`.
    pub fn portions(self, now: i64) -> Vec<String> {
        let Self { minutes, hours, days } = self;
        let mut portions = Vec::new();
        for (period, from, until) in [(MINUTE, minutes, hours), (HOUR, hours, days), (DAY, days, now + DAY)] {
            let step = period * portion(period);
            let mut start = from;
            while start < until {
                let end = Ord::min(start + step, until);
                // A node whose clock is ahead counts as well.
                let last = period == DAY && end == until;
                let end = if last { String::new() } else { format!(" AND starts_at < {end}") };
                portions.push(format!("period = {period} AND starts_at >= {start}{end}"));
                start += step;
            }
        }
        portions
    }

    /// The same as one condition.
    pub fn condition(self) -> String {
        let Self { minutes, hours, days } = self;
        format!(
            "((period = {MINUTE} AND starts_at >= {minutes} AND starts_at < {hours}) \
             OR (period = {HOUR} AND starts_at >= {hours} AND starts_at < {days}) \
             OR (period = {DAY} AND starts_at >= {days}))"
        )
    }
}

/// Periods of one length that are asked for at once.
pub(super) fn portion(period: i64) -> i64 {
    match period {
        MINUTE => 120,
        HOUR => 48,
        _ => 7,
    }
}

/// The full `period` at or before `second`.
pub(super) fn down(second: i64, period: i64) -> i64 {
    second - second.rem_euclid(period)
}

/// The full `period` at or after `second`.
fn up(second: i64, period: i64) -> i64 {
    second + (-second).rem_euclid(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_lead_up_to_the_first_full_hour_and_hours_to_the_first_full_day() {
        let day = 20_000 * DAY;
        let span = |hours, now| {
            let Span { minutes, hours, days } = Span::last(hours, now);
            (minutes - day, hours - day, days - day)
        };
        assert_eq!(span(1, day + HOUR + 90), (60, HOUR, DAY));
        assert_eq!(span(1, day + HOUR), (0, 0, 0));
        assert_eq!(span(24, day + 3599), (59 * 60 - DAY, HOUR - DAY, 0));
        assert_eq!(span(24 * 30, day + 90), (-30 * DAY, -30 * DAY, -30 * DAY));
        assert_eq!(span(24 * 30, day + HOUR + 90), (HOUR - 30 * DAY, HOUR - 30 * DAY, -29 * DAY));
        assert_eq!(span(24 * 300, day + HOUR), (-300 * DAY, -300 * DAY, -300 * DAY));
    }
    #[test]
    fn portions_are_the_whole_without_a_gap() {
        let day = 20_000 * DAY;
        for (hours, most) in [(1, 3), (24, 4), (24 * 30, 8), (24 * 364, 55)] {
            let now = day + 5000;
            let portions = Span::last(hours, now).portions(now);
            assert!(portions.len() <= most, "{portions:#?}");
            // Each period is in one of them: where one ends the next begins.
            let number = |text: &str, behind: &str| {
                text.split_once(behind).map(|(_, rest)| rest.split(' ').next().unwrap().parse::<i64>().unwrap())
            };
            let ends: Vec<_> = portions.iter().map(|portion| number(portion, "starts_at < ")).collect();
            let begins: Vec<_> = portions.iter().map(|portion| number(portion, "starts_at >= ")).collect();
            assert_eq!(begins[0], Some(Span::last(hours, now).minutes));
            assert_eq!(begins[1..], ends[..ends.len() - 1]);
            assert_eq!(ends[ends.len() - 1], None);
        }
    }
}
