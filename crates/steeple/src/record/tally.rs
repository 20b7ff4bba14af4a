//! Statistics in the making: what this process has counted in the minutes, hours and days that may still change.
//!
//! Takes closed calls, gives the rows of `steeple_request_stats` that changed. A row belongs to one process (`node`)
//! and is replaced as a whole, so that writing it twice does no harm and nodes never meet. Calls count in the minute in
//! which they ended, in its hour and its day, each under their method and under [`ALL`].
//!
//! A call is counted once, in a fresh cell of its minute; when rows are wanted, what is fresh is folded into the cells
//! that are rows. Must never: grow with what callers send.

use std::collections::HashMap;

use super::{
    Call,
    call::shortened,
    histogram::{Codec, Histogram},
    row::{NAME_LIMIT, completed_at},
};

/// Seconds of the three periods.
pub(super) const PERIODS: [i64; 3] = [MINUTE, HOUR, DAY];
pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 3600;
pub(super) const DAY: i64 = 86_400;

/// Service and method of the rows that count every call.
pub(super) const ALL: &str = "";
/// Methods that no catalog names and that get statistics of their own; the rest are counted under [`OTHER`].
const STRANGERS: usize = 100;
const OTHER: &str = "(other)";
/// Cells at most, while the database is away. Beyond, calls still count in their hour and their day.
const CELLS: usize = 20_000;
/// Fresh cells at most before they are folded.
const FRESH: usize = 1000;
/// Cells that are kept to be used again.
const SPARE: usize = 64;

pub(super) struct Tally {
    /// Tells the rows of this process from those of others.
    node: i64,
    /// By path. Index 0 is [`OTHER`], 1 is [`ALL`].
    names: HashMap<Box<str>, u32>,
    labels: Vec<(Box<str>, Box<str>)>,
    strangers: usize,
    /// Not yet in `cells`: by minute, name and code.
    fresh: HashMap<(i64, u32, i16), Cell>,
    spare: Vec<Cell>,
    cells: HashMap<Key, Cell>,
    /// Periods that ended before this second may have been forgotten.
    forgotten: i64,
    changed: Vec<Key>,
    codec: Codec,
}

const NAME_OF_OTHER: u32 = 0;
const NAME_OF_ALL: u32 = 1;

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
    /// When the last of these calls ended, in microseconds since 1970.
    last_us: i64,
    histogram: Histogram,
    changed: bool,
}

/// One row of `steeple_request_stats`.
pub(super) struct StatsRow {
    pub period: i32,
    pub starts_at: i64,
    pub service_name: String,
    pub method_name: String,
    pub grpc_code: i16,
    pub node: i64,
    pub calls: i64,
    pub duration_us: i64,
    pub request_bytes: i64,
    pub response_bytes: i64,
    pub last_us: i64,
    pub histogram: Vec<u8>,
}

impl Tally {
    pub(super) fn new(node: i64) -> Self {
        Self {
            node,
            names: HashMap::new(),
            labels: vec![(OTHER.into(), OTHER.into()), (ALL.into(), ALL.into())],
            strangers: 0,
            fresh: HashMap::new(),
            spare: Vec::new(),
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
        let minute = second - second.rem_euclid(MINUTE);
        let Self { fresh, spare, .. } = self;
        let cell =
            fresh.entry((minute, name, outcome.code as i16)).or_insert_with(|| spare.pop().unwrap_or_else(Cell::new));
        let micros = outcome.duration.as_micros() as u64;
        cell.calls += 1;
        cell.duration_us += micros as i64;
        cell.request_bytes += call.request_size().0 as i64;
        cell.response_bytes += call.response_size().0 as i64;
        cell.last_us = cell.last_us.max(completed_at);
        cell.histogram.record(micros);
        if self.fresh.len() > FRESH {
            self.fold();
        }
    }

    fn name(&mut self, call: &Call) -> u32 {
        let method = &*call.method;
        if let Some(&name) = self.names.get(&*method.path) {
            return name;
        }
        // A method of the catalog has an input; anything else is a path that a caller made up, or may be.
        if method.input.is_empty() {
            if self.strangers == STRANGERS || method.service.is_empty() {
                return NAME_OF_OTHER;
            }
            self.strangers += 1;
        }
        let name = self.labels.len() as u32;
        self.labels.push((shortened(&method.service, NAME_LIMIT).into(), shortened(&method.name, NAME_LIMIT).into()));
        self.names.insert(method.path.as_str().into(), name);
        name
    }

    /// What is fresh becomes part of its minute, hour and day, of its method and of all.
    fn fold(&mut self) {
        let Self { fresh, spare, cells, changed, .. } = self;
        for ((minute, name, code), mut part) in fresh.drain() {
            for period in PERIODS {
                for name in [name, NAME_OF_ALL] {
                    let key = Key { period, starts_at: minute - minute.rem_euclid(period), name, code };
                    if period == MINUTE && cells.len() >= CELLS && !cells.contains_key(&key) {
                        continue;
                    }
                    let cell = cells.entry(key).or_insert_with(Cell::new);
                    cell.add(&part);
                    if !cell.changed {
                        cell.changed = true;
                        changed.push(key);
                    }
                }
            }
            if spare.len() < SPARE {
                part.clear();
                spare.push(part);
            }
        }
    }

    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty() || !self.fresh.is_empty()
    }

    /// The rows that changed since they were last [`settled`](Self::settled).
    pub(super) fn rows(&mut self) -> Vec<StatsRow> {
        self.fold();
        let Self { node, labels, cells, changed, codec, .. } = self;
        let row = |key: &Key| {
            let cell = cells.get(key)?;
            let (service, method) = &labels[key.name as usize];
            Some(StatsRow {
                period: key.period as i32,
                starts_at: key.starts_at,
                service_name: service.to_string(),
                method_name: method.to_string(),
                grpc_code: key.code,
                node: *node,
                calls: cell.calls,
                duration_us: cell.duration_us,
                request_bytes: cell.request_bytes,
                response_bytes: cell.response_bytes,
                last_us: cell.last_us,
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
            last_us: 0,
            histogram: Histogram::new(),
            changed: false,
        }
    }

    fn add(&mut self, part: &Self) {
        self.calls += part.calls;
        self.duration_us += part.duration_us;
        self.request_bytes += part.request_bytes;
        self.response_bytes += part.response_bytes;
        self.last_us = self.last_us.max(part.last_us);
        self.histogram.add(&part.histogram);
    }

    fn clear(&mut self) {
        (self.calls, self.duration_us, self.request_bytes, self.response_bytes) = (0, 0, 0, 0);
        self.last_us = 0;
        self.histogram.clear();
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
    fn a_call_counts_in_its_minute_its_hour_and_its_day() {
        let mut tally = Tally::new(1);
        for code in [Code::Ok, Code::Ok, Code::NotFound] {
            tally.add(&closed("/a.B/C", code));
        }
        tally.add(&Call::open(RequestId::of(None), Arc::new(Method::other("/a.B/C")), None, None));
        assert!(tally.has_changed());
        let rows = tally.rows();
        for (period, service) in PERIODS.into_iter().flat_map(|period| [(period, "a.B"), (period, ALL)]) {
            let calls = |code: Code| -> i64 {
                let of = |row: &&StatsRow| {
                    i64::from(row.period) == period && row.service_name == service && row.grpc_code == code as i16
                };
                rows.iter().filter(of).map(|row| row.calls).sum()
            };
            assert_eq!((calls(Code::Ok), calls(Code::NotFound)), (2, 1), "{period} {service}");
        }
        assert!(
            rows.iter().all(|row| row.starts_at % i64::from(row.period) == 0 && row.request_bytes == row.calls * 10)
        );
        // Until they are settled, the same rows come again, with what was counted since.
        tally.add(&closed("/a.B/C", Code::Ok));
        let again = tally.rows();
        assert_eq!(again.iter().map(|row| row.calls).max(), Some(3));
        tally.settled();
        assert!(tally.rows().is_empty() && !tally.has_changed());
        let later = crate::clock::now().timestamp() + 2 * DAY;
        tally.forget_before(later);
        assert!(tally.cells.is_empty());
        tally.add(&closed("/a.B/C", Code::Ok));
        assert!(tally.rows().iter().all(|row| row.starts_at + i64::from(row.period) > later && row.calls == 1));
    }

    #[test]
    fn made_up_paths_cannot_fill_the_memory() {
        let mut tally = Tally::new(1);
        for index in 0..5000 {
            tally.add(&closed(&format!("/made.Up/M{index}"), Code::Unimplemented));
        }
        tally.add(&closed("//", Code::Unimplemented));
        assert!(tally.labels.len() <= STRANGERS + 2 && tally.fresh.len() <= FRESH);
        let rows = tally.rows();
        let of = |row: &&StatsRow| row.period == 3600 && row.service_name != ALL;
        assert_eq!(rows.iter().filter(of).map(|row| row.calls).sum::<i64>(), 5001);
        assert!(rows.iter().any(|row| row.service_name == OTHER && row.calls >= 4900 / 2));
        let all = |row: &&StatsRow| row.period == 3600 && row.service_name == ALL;
        assert_eq!(rows.iter().filter(all).map(|row| row.calls).sum::<i64>(), 5001);
    }
}
