//! Leaves a Centrifugo alone that fails again and again.
//!
//! Closed, requests go out. After so many failures in a row it opens: none do, for a while; then one tries, and its outcome
//! closes or opens it again. One task sends, so "one tries" needs no lock.
//!
//! Must never: stay open for ever.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Breaker {
    most: u32,
    rest: Duration,
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    pub fn new(most: u32, rest: Duration) -> Self {
        Self { most, rest, failures: 0, open_until: None }
    }

    /// How long to leave it alone; `None`: try.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        self.open_until.map(|until| until.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// Tells whether it opened now, or stays open.
    pub fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.most {
            self.open_until = Some(now + self.rest);
        }
        self.open_until.is_some()
    }

    pub fn succeeded(&mut self) {
        (self.failures, self.open_until) = (0, None);
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_and_lets_one_try() {
        let (start, rest) = (Instant::now(), Duration::from_secs(10));
        let mut breaker = Breaker::new(3, rest);
        assert!(!breaker.failed(start));
        assert!(!breaker.failed(start));
        breaker.succeeded();
        assert!(!breaker.failed(start) && !breaker.failed(start) && breaker.failed(start));
        assert_eq!(breaker.wait(start), Some(rest));
        // Half open: one more failure is enough.
        let later = start + rest;
        assert_eq!(breaker.wait(later), None);
        assert!(breaker.failed(later));
        assert_eq!(breaker.wait(later), Some(rest));
        breaker.succeeded();
        assert_eq!((breaker.wait(later), breaker.failures()), (None, 0));
    }
}
