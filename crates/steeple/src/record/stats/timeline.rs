//! The numbers of each minute, hour or day.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    HOUR_DAYS, Numbers, PART, Part, Question, ask,
    numbers::{Sum, moment},
    span::down,
};
use crate::{
    Db, Error, Result, clock,
    record::{
        histogram::Codec,
        tally::{DAY, HOUR, MINUTE},
    },
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
        let list = starts.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        let (named, values) = self.named(db, true);
        let sql = format!("{PART}period = {period} AND starts_at IN ({list}){named}");
        let mut codec = Codec::new();
        let mut sums = BTreeMap::<i64, Sum>::new();
        for part in ask::<Part>(db, sql, values).await? {
            sums.entry(part.starts_at).or_default().add(&part, &mut codec);
        }
        let buckets = starts.into_iter().map(|start| Bucket {
            timestamp: moment(start * 1_000_000),
            numbers: sums.get(&start).map(Sum::numbers).unwrap_or_default(),
        });
        Ok(Timeline { hours, interval, buckets: buckets.collect() })
    }
}
