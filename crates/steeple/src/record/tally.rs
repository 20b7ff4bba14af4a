//! Statistics in the making: what this process has counted in the minutes and hours that may still change.
//!
//! Takes closed calls, gives the rows of `steeple_request_stats` that changed. A row belongs to one process (`node`)
//! and is replaced as a whole, so that writing it twice does no harm and nodes never meet. Calls count in the minute in
//! which they ended. Must never: grow with what callers send.

use std::collections::HashMap;

use super::{
    Call,
    call::shortened,
    histogram::{Codec, Histogram},
    row::{NAME_LIMIT, completed_at},
};

/// Seconds of the two periods.
pub(super) const PERIODS: [i64; 2] = [MINUTE, HOUR];
pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 3600;

/// Methods that no catalog names and that get statistics of their own; the rest are counted under [`OTHER`].
const STRANGERS: usize = 100;
const OTHER: &str = "(other)";
/// Cells at most, while the database is away. Beyond, calls still count in their hour.
const CELLS: usize = 20_000;

pub(super) struct Tally {
    /// Tells the rows of this process from those of others.
    node: i64,
    /// By path. Index 0 is [`OTHER`].
    names: HashMap<Box<str>, u32>,
    labels: Vec<(Box<str>, Box<str>)>,
    strangers: usize,
    cells: HashMap<Key, Cell>,
    /// Periods that ended before this second may have been forgotten.
    forgotten: i64,
    changed: Vec<Key>,
    codec: Codec,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    period: i64,
    starts_at: i64,
    name: u32,
    code: i16,
}

struct Cell {
    calls: i64,
    duration_us: i64,
    request_bytes: i64,
    response_bytes: i64,
    histogram: Histogram,
    changed: bool,
}

/// One row of `steeple_request_stats`.
pub(super) struct StatsRow {
    pub period: i16,
    pub starts_at: i64,
    pub service_name: String,
    pub method_name: String,
    pub grpc_code: i16,
    pub node: i64,
    pub calls: i64,
    pub duration_us: i64,
    pub request_bytes: i64,
    pub response_bytes: i64,
    pub histogram: Vec<u8>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            node: uuid::Uuid::new_v4().as_u64_pair().0 as i64 & i64::MAX,
            names: HashMap::new(),
            labels: vec![(OTHER.into(), OTHER.into())],
            strangers: 0,
            cells: HashMap::new(),
            forgotten: i64::MIN,
            changed: Vec::new(),
            codec: Codec::new(),
        }
    }

    /// Counts a closed call. One that still runs is not counted.
    pub(super) fn add(&mut self, call: &Call) {
        let (Some(outcome), Some(completed_at)) = (call.outcome(), completed_at(call)) else {
            return;
        };
        let name = self.name(call);
        // A forgotten row that began anew would replace the first, so a call that comes too late (the clock was set
        // back) counts in the oldest minute that is left.
        let second = completed_at.div_euclid(1_000_000).max(self.forgotten);
        let micros = outcome.duration.as_micros() as u64;
        for period in PERIODS {
            let key = Key { period, starts_at: second - second.rem_euclid(period), name, code: outcome.code as i16 };
            if period == MINUTE && self.cells.len() >= CELLS && !self.cells.contains_key(&key) {
                continue;
            }
            let cell = self.cells.entry(key).or_insert_with(Cell::new);
            cell.calls += 1;
            cell.duration_us += micros as i64;
            cell.request_bytes += call.request_size().0 as i64;
            cell.response_bytes += call.response_size().0 as i64;
            cell.histogram.record(micros);
            if !cell.changed {
                cell.changed = true;
                self.changed.push(key);
            }
        }
    }

    fn name(&mut self, call: &Call) -> u32 {
        let method = &*call.method;
        if let Some(&name) = self.names.get(&*method.path) {
            return name;
        }
        // A method of the catalog has an input; anything else is a path that a caller made up, or may be.
        if method.input.is_empty() {
            if self.strangers == STRANGERS {
                return 0;
            }
            self.strangers += 1;
        }
        let name = self.labels.len() as u32;
        self.labels.push((shortened(&method.service, NAME_LIMIT).into(), shortened(&method.name, NAME_LIMIT).into()));
        self.names.insert(method.path.as_str().into(), name);
        name
    }

    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The rows that changed since they were last [`settled`](Self::settled).
    pub(super) fn rows(&mut self) -> Vec<StatsRow> {
        let Self { node, labels, cells, changed, codec, .. } = self;
        let row = |key: &Key| {
            let cell = cells.get(key)?;
            let (service, method) = &labels[key.name as usize];
            Some(StatsRow {
                period: key.period as i16,
                starts_at: key.starts_at,
                service_name: service.to_string(),
                method_name: method.to_string(),
                grpc_code: key.code,
                node: *node,
                calls: cell.calls,
                duration_us: cell.duration_us,
                request_bytes: cell.request_bytes,
                response_bytes: cell.response_bytes,
                histogram: codec.encode(&cell.histogram),
            })
        };
        changed.iter().filter_map(row).collect()
    }

    /// What [`rows`](Self::rows) gave is in the database.
    pub(super) fn settled(&mut self) {
        for key in self.changed.drain(..) {
            if let Some(cell) = self.cells.get_mut(&key) {
                cell.changed = false;
            }
        }
    }

    /// Forgets what ended before `second` and is in the database.
    pub(super) fn forget_before(&mut self, second: i64) {
        self.forgotten = self.forgotten.max(second);
        self.cells.retain(|key, cell| cell.changed || key.starts_at + key.period > second);
    }
}

impl Cell {
    fn new() -> Self {
        Self {
            calls: 0,
            duration_us: 0,
            request_bytes: 0,
            response_bytes: 0,
            histogram: Histogram::new(),
            changed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tonic::Code;

    use super::*;
    use crate::{method::Method, record::RequestId};

    fn closed(path: &str, code: Code) -> Call {
        let call = Call::open(RequestId::of(None), Arc::new(Method::other(path)), None, None);
        call.count_request(10, 1);
        call.close(code, None);
        call
    }

    #[test]
    fn a_call_counts_in_its_minute_and_its_hour() {
        let mut tally = Tally::new();
        for code in [Code::Ok, Code::Ok, Code::NotFound] {
            tally.add(&closed("/a.B/C", code));
        }
        tally.add(&Call::open(RequestId::of(None), Arc::new(Method::other("/a.B/C")), None, None));
        let rows = tally.rows();
        for period in PERIODS {
            let calls = |code: Code| -> i64 {
                let of = |row: &&StatsRow| i64::from(row.period) == period && row.grpc_code == code as i16;
                rows.iter().filter(of).map(|row| row.calls).sum()
            };
            assert_eq!((calls(Code::Ok), calls(Code::NotFound)), (2, 1));
        }
        assert!(
            rows.iter().all(|row| row.starts_at % i64::from(row.period) == 0 && row.request_bytes == row.calls * 10)
        );
        tally.settled();
        assert!(tally.rows().is_empty() && !tally.has_changed());
        let later = crate::clock::now().timestamp() + 2 * HOUR;
        tally.forget_before(later);
        assert!(tally.cells.is_empty());
        tally.add(&closed("/a.B/C", Code::Ok));
        assert!(tally.rows().iter().all(|row| row.starts_at + i64::from(row.period) > later));
    }

    #[test]
    fn made_up_paths_cannot_fill_the_memory() {
        let mut tally = Tally::new();
        for index in 0..5000 {
            tally.add(&closed(&format!("/made.Up/M{index}"), Code::Unimplemented));
        }
        assert!(tally.labels.len() <= STRANGERS + 1);
        let of = |row: &&StatsRow| row.period == 3600;
        assert_eq!(tally.rows().iter().filter(of).map(|row| row.calls).sum::<i64>(), 5000);
        assert!(tally.rows().iter().any(|row| row.service_name == OTHER && row.calls >= 4900 / 2));
    }
}
