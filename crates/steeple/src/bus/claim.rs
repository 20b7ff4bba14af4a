//! Which of two sessions of one name is the newer.
//!
//! An epoch (milliseconds since 1970, or one more than the epoch of the session that had the name before, so that a clock
//! that runs ahead cannot keep a name), then a random number for sessions that came at the same moment.
//!
//! Must never: be equal for two sessions.

use uuid::Uuid;

use super::Expiry;

/// A session's right to its name. The greater one has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    pub epoch: u64,
    pub session: u64,
}

impl Claim {
    /// A claim of now, greater than the one that was `seen`.
    pub fn newer_than(seen: Option<Self>) -> Self {
        let now = Expiry::now().millis();
        let epoch = seen.map_or(now, |seen| now.max(seen.epoch.saturating_add(1)));
        Self { epoch, session: Uuid::new_v4().as_u64_pair().0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_claim_wins_whatever_the_clocks_say() {
        let first = Claim::newer_than(None);
        let ahead = Claim { epoch: first.epoch + 3_600_000, session: u64::MAX };
        assert!(Claim::newer_than(Some(first)) > first);
        assert!(Claim::newer_than(Some(ahead)) > ahead);
    }
}
