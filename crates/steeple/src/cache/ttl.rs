//! How long a value is kept.

use std::time::Duration;

/// A hundred years: what no clock of a cache computes wrong.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How long a value is kept. A [`Duration`] is one; from 1 ms (less is 1 ms) to 100 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// For this time.
    For(Duration),
    /// Until it is deleted, or there is no room for it.
    Forever,
}

impl From<Duration> for Ttl {
    fn from(time: Duration) -> Self {
        Self::For(time)
    }
}

impl Ttl {
    /// The time, within its bounds; `None`: for ever.
    pub(super) fn time(self) -> Option<Duration> {
        match self {
            Self::For(time) => Some(time.clamp(Duration::from_millis(1), LONGEST)),
            Self::Forever => None,
        }
    }
}
