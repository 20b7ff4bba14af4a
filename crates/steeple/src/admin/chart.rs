//! Timelines as shapes. The template draws them; here is where each thing stands, in a space 100 high.

use std::fmt::Write as _;

use serde::Serialize;

use super::shown;
use crate::record::stats::{Bucket, Interval, Timeline};

/// Width of a bucket.
const STEP: f64 = 10.0;
/// From so many buckets on there is no room between bars.
const DENSE: usize = 100;

/// A chart.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    width: f64,
    step: f64,
    /// What the heights mean.
    top: String,
    middle: String,
    /// A sentence for those who do not see it.
    label: String,
    bars: Vec<Bar>,
    lines: Vec<Line>,
    hits: Vec<Hit>,
    /// What stands below, from left to right.
    x: Vec<String>,
    read: String,
}

#[derive(Debug, Serialize)]
struct Bar {
    x: f64,
    w: f64,
    ok: f64,
    ok_y: f64,
    failed: f64,
    failed_y: f64,
}

#[derive(Debug, Serialize)]
struct Line {
    class: &'static str,
    d: String,
}

/// A bucket to point at.
#[derive(Debug, Serialize)]
struct Hit {
    x: f64,
    when: String,
    what: String,
}

/// What a line is about.
type Of = fn(&Bucket) -> f64;

/// How many calls ended, and how many of them failed.
pub(super) fn volume(timeline: &Timeline) -> Chart {
    let buckets = &timeline.buckets;
    let most = buckets.iter().map(|bucket| bucket.total).max().unwrap_or(0);
    let top = nice(most as f64).max(2.0);
    let (gap, w) = if buckets.len() < DENSE { (1.2, STEP - 2.4) } else { (0.0, STEP) };
    let bars = buckets.iter().enumerate().filter(|(_, bucket)| bucket.total > 0).map(|(at, bucket)| {
        let height = |calls: u64| round(calls as f64 / top * 100.0);
        let (ok, failed) = (height(bucket.successful), height(bucket.total - bucket.successful));
        // One failed call among thousands is still seen.
        let failed = if bucket.total > bucket.successful { failed.max(1.5) } else { failed };
        Bar {
            x: round(at as f64 * STEP + gap),
            w: round(w),
            ok,
            ok_y: round(100.0 - ok),
            failed,
            failed_y: round((100.0 - ok - failed).max(0.0)),
        }
    });
    let total: u64 = buckets.iter().map(|bucket| bucket.total).sum();
    let failed: u64 = buckets.iter().map(|bucket| bucket.total - bucket.successful).sum();
    let label = format!("{} calls, of which {} failed", shown::number(total as f64), shown::number(failed as f64));
    let each = |bucket: &Bucket| match bucket.total - bucket.successful {
        0 => format!("{} calls", shown::number(bucket.total as f64)),
        failed => format!("{} calls, {} failed", shown::number(bucket.total as f64), shown::number(failed as f64)),
    };
    let scale = (shown::number(top), shown::number(top / 2.0));
    Chart { bars: bars.collect(), ..Chart::of(timeline, scale, label, each) }
}

/// How long calls took.
pub(super) fn latency(timeline: &Timeline) -> Chart {
    let buckets = &timeline.buckets;
    let most = buckets.iter().map(|bucket| bucket.p95_duration_ms).fold(0.0, f64::max);
    let top = nice(most).max(1.0);
    let p50: Of = |bucket| bucket.p50_duration_ms;
    let p95: Of = |bucket| bucket.p95_duration_ms;
    let label = format!("durations, the highest 95th percentile is {}", shown::ms(most));
    let each = |bucket: &Bucket| match bucket.total {
        0 => "no calls".to_owned(),
        _ => format!("95th {}, median {}", shown::ms(bucket.p95_duration_ms), shown::ms(bucket.p50_duration_ms)),
    };
    let lines = vec![
        Line { class: "line second", d: path(buckets, top, p50) },
        Line { class: "dots second", d: dots(buckets, top, p50) },
        Line { class: "line", d: path(buckets, top, p95) },
        Line { class: "dots", d: dots(buckets, top, p95) },
    ];
    let scale = (shown::ms(top), shown::ms(top / 2.0));
    Chart { lines, ..Chart::of(timeline, scale, label, each) }
}

impl Chart {
    fn of(
        timeline: &Timeline,
        (top, middle): (String, String),
        label: String,
        each: impl Fn(&Bucket) -> String,
    ) -> Self {
        let Timeline { buckets, interval, .. } = timeline;
        let hit = |(at, bucket): (usize, &Bucket)| Hit {
            x: round(at as f64 * STEP),
            when: moment(bucket, *interval),
            what: each(bucket),
        };
        let ends = [buckets.first(), buckets.get(buckets.len() / 2), buckets.last()];
        Self {
            width: (buckets.len() as f64 * STEP).max(STEP),
            step: STEP,
            top,
            middle,
            label,
            bars: Vec::new(),
            lines: Vec::new(),
            hits: buckets.iter().enumerate().map(hit).collect(),
            x: ends.into_iter().flatten().map(|bucket| moment(bucket, *interval)).collect(),
            read: format!("Each {}, UTC", interval.as_str()),
        }
    }
}

fn moment(bucket: &Bucket, interval: Interval) -> String {
    let format = match interval {
        Interval::Minute => "%H:%M",
        Interval::Hour => "%d %b %H:%M",
        Interval::Day => "%d %b",
    };
    bucket.timestamp.format(format).to_string()
}

/// Lines through the buckets that have calls; where one has none, the line breaks.
fn path(buckets: &[Bucket], top: f64, of: Of) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for (at, bucket) in buckets.iter().enumerate() {
        if bucket.total == 0 {
            drawing = false;
            continue;
        }
        let (x, y) = place(at, bucket, top, of);
        let to = if drawing { 'L' } else { 'M' };
        // A string takes any text.
        let _ = write!(path, "{to}{x} {y}");
        drawing = true;
    }
    path
}

/// Dots where a bucket has calls between two that have none: lines of no length with round ends.
fn dots(buckets: &[Bucket], top: f64, of: Of) -> String {
    let called = |at: Option<usize>| at.and_then(|at| buckets.get(at)).is_some_and(|bucket| bucket.total > 0);
    let alone = |at: usize| called(Some(at)) && !called(at.checked_sub(1)) && !called(Some(at + 1));
    let alone = buckets.iter().enumerate().filter(|(at, _)| alone(*at));
    alone.fold(String::new(), |path, (at, bucket)| {
        let (x, y) = place(at, bucket, top, of);
        format!("{path}M{x} {y}h.01")
    })
}

fn place(at: usize, bucket: &Bucket, top: f64, of: Of) -> (f64, f64) {
    (round((at as f64 + 0.5) * STEP), round(100.0 - of(bucket) / top * 100.0))
}

/// The next number of one digit with one or two zeros and fives: what people read on a scale.
fn nice(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(10.0 * power)
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock,
        record::stats::{Counts, Numbers},
    };

    fn timeline(calls: &[(u64, u64)]) -> Timeline {
        let bucket = |&(total, successful): &(u64, u64)| Bucket {
            timestamp: clock::now(),
            numbers: Numbers {
                counts: Counts { total, successful, ..Counts::default() },
                p95_duration_ms: 10.0,
                ..Numbers::default()
            },
        };
        Timeline {
            hours: 1,
            interval: Interval::Minute,
            all: Numbers::default(),
            buckets: calls.iter().map(bucket).collect(),
        }
    }

    #[test]
    fn scales_are_read_easily() {
        let read = [0.0, 1.0, 3.0, 11.0, 55.0, 9999.0].map(|value| nice(value).to_string());
        assert_eq!(read, ["0", "1", "4", "20", "80", "10000"]);
    }

    #[test]
    fn bars_stand_on_each_other_within_the_space() {
        let chart = volume(&timeline(&[(10, 10), (0, 0), (8, 4), (10_000, 9_999)]));
        assert_eq!(chart.bars.len(), 3);
        assert!(chart.bars.iter().all(|bar| bar.ok_y >= 0.0 && bar.failed_y >= 0.0 && bar.ok + bar.failed <= 101.5));
        assert!(chart.bars[2].failed >= 1.5, "one failure is seen");
        assert_eq!(chart.hits.iter().map(|hit| &*hit.what).collect::<Vec<_>>()[1..3], ["0 calls", "8 calls, 4 failed"]);
        assert_eq!(chart.hits.len(), 4);
    }

    #[test]
    fn a_line_breaks_where_nothing_was_called() {
        let chart = latency(&timeline(&[(1, 1), (1, 1), (0, 0), (1, 1)]));
        let line = &chart.lines[2].d;
        assert_eq!((line.matches('M').count(), line.matches('L').count()), (2, 1), "{line}");
        assert_eq!(chart.lines[3].d.matches('M').count(), 1, "what stands alone is a dot");
        assert_eq!(volume(&timeline(&[])).hits.len(), 0);
    }
}
