//! Wall time, through one door.
//!
//! Gives the present moment in UTC with microseconds, which is what every database here keeps. Durations are measured
//! with [`std::time::Instant`], never by subtracting wall times.
//!
//! Must never: be bypassed. `SystemTime::now` and `Utc::now` are banned elsewhere (`clippy.toml`).

use chrono::{DateTime, SubsecRound as _, Utc};

/// A moment in UTC.
pub type Time = DateTime<Utc>;

/// The present, truncated to microseconds.
#[expect(clippy::disallowed_methods, reason = "the one place that may ask the system")]
pub fn now() -> Time {
    Utc::now().trunc_subsecs(6)
}
