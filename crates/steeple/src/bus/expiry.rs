//! The moment after which a command must not run any more, as wall time: it is compared on another machine.
//!
//! The clocks of the nodes must agree to within what a command's deadline can spare; NTP keeps them within milliseconds.
//!
//! Must never: overflow, whatever another node sends.

use std::time::Duration;

use crate::clock;

/// Longest life of a command.
const LONGEST: Duration = Duration::from_hours(24);

/// A moment, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry(u64);

impl Expiry {
    /// So long from now; a day at most.
    pub fn after(life: Duration) -> Self {
        Self(Self::now().0.saturating_add(life.min(LONGEST).as_millis() as u64))
    }

    /// The command must not run any more.
    pub fn is_past(self) -> bool {
        self <= Self::now()
    }

    /// How long the command may still run; zero when it is late, a day at most.
    pub fn left(self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(Self::now().0)).min(LONGEST)
    }

    pub(super) fn now() -> Self {
        Self(u64::try_from(clock::now().timestamp_millis()).unwrap_or_default())
    }

    pub(super) fn millis(self) -> u64 {
        self.0
    }

    pub(super) fn of_millis(millis: u64) -> Self {
        Self(millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_ends_and_is_never_too_long() {
        assert!(Expiry::after(Duration::ZERO).is_past());
        assert!(!Expiry::after(Duration::from_secs(5)).is_past());
        assert!(Expiry::after(Duration::MAX).left() <= LONGEST);
        assert!(Expiry::of_millis(u64::MAX).left() <= LONGEST);
        assert_eq!(Expiry::of_millis(1).left(), Duration::ZERO);
    }
}
