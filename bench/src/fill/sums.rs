//! The sums of the minute, the hour and the day that are under way.

use std::collections::BTreeMap;

use hdrhistogram::{
    Histogram,
    serialization::{Serializer as _, V2Serializer},
};

use super::Trace;
use crate::Outcome;

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// By method (`None`: all of them) and code.
type ByMethod = BTreeMap<(Option<i64>, i64), Sum>;

/// What is under way.
#[derive(Default)]
pub struct Sums {
    periods: [(i64, ByMethod); 3],
    /// By user and code, of the hour.
    users: (i64, BTreeMap<(i64, i64), UserSum>),
}

const PERIODS: [i64; 3] = [MINUTE, HOUR, DAY];

/// Calls of one method with one code, within one period.
pub struct Sum {
    pub period: i64,
    pub starts_at: i64,
    /// `None`: all of them.
    pub method: Option<i64>,
    pub code: i64,
    pub calls: i64,
    pub duration_us: i64,
    pub last_us: i64,
    durations: Histogram<u64>,
}

/// Calls of one user with one code, within one hour.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserSum {
    pub starts_at: i64,
    pub user: i64,
    pub code: i64,
    pub calls: i64,
    pub duration_us: i64,
    pub last_us: i64,
}

impl Sums {
    /// What is complete at this time; the time moves on.
    pub fn passed(&mut self, at: i64) -> (Vec<Sum>, Vec<UserSum>) {
        let mut passed = Vec::new();
        for (period, (starts_at, sums)) in PERIODS.into_iter().zip(&mut self.periods) {
            if at >= starts_at.saturating_add(period) {
                passed.extend(std::mem::take(sums).into_values());
                *starts_at = at - at.rem_euclid(period);
            }
        }
        let (starts_at, users) = &mut self.users;
        if at < starts_at.saturating_add(HOUR) {
            return (passed, Vec::new());
        }
        *starts_at = at - at.rem_euclid(HOUR);
        (passed, std::mem::take(users).into_values().collect())
    }

    /// Adds a call that ended at this second.
    pub fn add(&mut self, trace: &Trace, at: i64) {
        let last_us = at * 1_000_000 + trace.duration_us;
        for (period, (starts_at, sums)) in PERIODS.into_iter().zip(&mut self.periods) {
            for method in [Some(trace.method), None] {
                let sum = sums
                    .entry((method, trace.code))
                    .or_insert_with(|| Sum::new(period, *starts_at, method, trace.code));
                sum.add(trace.duration_us, last_us);
            }
        }
        if let Some(user) = trace.user {
            let sum = self.users.1.entry((user, trace.code)).or_default();
            (sum.starts_at, sum.user, sum.code, sum.last_us) = (self.users.0, user, trace.code, last_us);
            sum.calls += 1;
            sum.duration_us += trace.duration_us;
        }
    }
}

impl Sum {
    fn new(period: i64, starts_at: i64, method: Option<i64>, code: i64) -> Self {
        // Two digits, growing: as the recorder keeps them.
        let durations = Histogram::new(2).expect("two digits are in the accepted range");
        Self { period, starts_at, method, code, calls: 0, duration_us: 0, last_us: 0, durations }
    }

    fn add(&mut self, duration_us: i64, last_us: i64) {
        self.calls += 1;
        self.duration_us += duration_us;
        self.last_us = last_us;
        // Not the saturating way of recording, which does not grow.
        self.durations.record(duration_us.unsigned_abs()).expect("a histogram that grows takes any duration");
    }

    /// The service and the method, as the recorder names them.
    pub fn name(&self) -> (&'static str, String) {
        self.method.map_or_else(|| ("", String::new()), |method| ("bench.Filled", format!("Method{method}")))
    }

    /// The histogram, as the recorder encodes it.
    pub fn histogram(&self) -> Outcome<Vec<u8>> {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&self.durations, &mut bytes).map_err(|error| format!("{error:?}"))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_handed_over_when_their_time_has_passed() {
        let mut sums = Sums::default();
        assert!(sums.passed(7200).0.is_empty());
        sums.add(&Trace::of(0), 7200);
        sums.add(&Trace::of(1), 7210);
        let calls = |sums: &[Sum], period, all: bool| {
            let of = |sum: &&Sum| sum.period == period && sum.method.is_none() == all;
            sums.iter().filter(of).map(|sum| sum.calls).sum::<i64>()
        };
        let (passed, users) = sums.passed(7260);
        assert_eq!((calls(&passed, 60, true), calls(&passed, 60, false), users.len()), (2, 2, 0));
        assert!(passed.iter().all(|sum| (sum.period, sum.starts_at) == (60, 7200)));
        sums.add(&Trace::of(2), 7261);
        let (rest, users) = sums.passed(i64::MAX);
        assert_eq!((calls(&rest, 60, false), calls(&rest, 3600, false), calls(&rest, 86_400, true)), (1, 3, 3));
        assert_eq!(users.iter().map(|user| user.calls).sum::<i64>(), 2);
        assert!(users.iter().all(|user| user.starts_at == 7200));
    }
}
