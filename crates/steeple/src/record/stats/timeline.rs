//! The numbers of each minute, hour or day.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    HOUR_DAYS, Numbers, Part, Question,
    numbers::{Sum, moment},
    span::{down, portion},
};
use crate::{
    Db, Error, Result, clock,
    record::tally::{DAY, HOUR, MINUTE},
};

/// The most buckets a timeline may have: a day of minutes, two months of hours.
pub const MOST_BUCKETS: i64 = 1440;

/// How long a bucket of a timeline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day, in UTC.
    Day,
}

impl Interval {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// `minute`, `hour` or `day`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Its length in seconds.
    pub fn seconds(self) -> i64 {
        match self {
            Self::Minute => MINUTE,
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }

    /// The one that shows this time best: hours up to two days, then days.
    pub fn for_hours(hours: u32) -> Self {
        if hours <= 48 { Self::Hour } else { Self::Day }
    }

    /// The longest time that it can show, in hours.
    pub fn most_hours(self) -> u32 {
        match self {
            Self::Minute => (MOST_BUCKETS * MINUTE / HOUR) as u32,
            Self::Hour => (HOUR_DAYS * DAY / HOUR) as u32,
            Self::Day => super::LONGEST_HOURS,
        }
    }
}

/// The calls of each bucket, oldest first; a bucket without calls is there too. The first one is whole, so it may begin
/// before the time that was asked for; the last one is under way.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Timeline {
    /// The hours that were asked for.
    pub hours: u32,
    /// The length of a bucket.
    pub interval: Interval,
    /// The numbers of all buckets together.
    pub all: Numbers,
    /// The buckets.
    pub buckets: Vec<Bucket>,
}

/// The calls that ended within one minute, hour or day.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Bucket {
    /// When it begins.
    pub timestamp: clock::Time,
    /// Its numbers.
    #[serde(flatten)]
    pub numbers: Numbers,
}

impl std::ops::Deref for Bucket {
    type Target = Numbers;

    fn deref(&self) -> &Numbers {
        &self.numbers
    }
}

impl Question {
    /// The numbers of each bucket.
    ///
    /// # Errors
    /// INVALID_ARGUMENT when the time has more buckets than [`MOST_BUCKETS`] or goes back further than they are kept;
    /// else the database's.
    pub async fn timeline(&self, db: &Db, interval: Interval) -> Result<Timeline> {
        let (period, hours) = (interval.seconds(), self.hours);
        if hours > interval.most_hours() {
            let (most, name) = (interval.most_hours(), interval.as_str());
            return Err(Error::invalid("hours", format!("must be between 1 and {most} by {name}")));
        }
        let first = down(self.now - i64::from(hours) * HOUR, period);
        let starts: Vec<i64> = (first..=self.now).step_by(period as usize).collect();
        // Each start is looked up on its own: of the many rows of a minute only those of this name are touched.
        let portions = starts.chunks(portion(period) as usize).map(|starts| {
            let list = starts.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
            format!("period = {period} AND starts_at IN ({list})")
        });
        // A bucket's sum is as long as its longest duration; of those that are complete the numbers are enough.
        let (mut sums, mut told) = (BTreeMap::<i64, Sum>::new(), BTreeMap::new());
        let mut all = Sum::default();
        for portion in portions {
            self.each_part(db, [portion], true, |part: Part| sums.entry(part.starts_at).or_default().add(&part))
                .await?;
            for (start, sum) in std::mem::take(&mut sums) {
                all.merge(&sum);
                told.insert(start, sum.numbers());
            }
        }
        let buckets = starts.iter().map(|start| Bucket {
            timestamp: moment(start * 1_000_000),
            numbers: told.get(start).copied().unwrap_or_default(),
        });
        Ok(Timeline { hours, interval, all: all.numbers(), buckets: buckets.collect() })
    }
}
