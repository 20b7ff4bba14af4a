//! Statistics in the making, by caller: what users and API keys called in the hours that may still change.
//!
//! Takes closed calls that carried a credential, gives the rows of `steeple_caller_stats` that changed; a row belongs to
//! one process, as in [`tally`](super::tally). There are no histograms here: a site has more callers than methods.
//!
//! Must never: grow without a bound. Beyond [`CALLERS`] a caller counts under user 0 and key 0.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{Call, row::completed_at, tally::HOUR};

/// Cells at most: callers of one or two hours, by code.
const CALLERS: usize = 100_000;
/// Between two writes. A site may have as many callers as calls, and their rows must not outnumber the calls' own.
const EVERY: Duration = Duration::from_secs(1);

pub(super) struct Callers {
    node: i64,
    cells: HashMap<Key, Cell>,
    changed: Vec<Key>,
    /// No row before this moment, unless the end has come.
    due: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    starts_at: i64,
    user_id: i64,
    api_key_id: i64,
    code: i16,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    calls: i64,
    duration_us: i64,
    request_bytes: i64,
    response_bytes: i64,
    /// When the last of these calls ended, in microseconds since 1970.
    last_us: i64,
    changed: bool,
}

/// One row of `steeple_caller_stats`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CallerRow {
    pub starts_at: i64,
    /// 0: a key without a user, or one of the callers beyond the bound.
    pub user_id: i64,
    /// 0: no key.
    pub api_key_id: i64,
    pub grpc_code: i16,
    pub node: i64,
    pub calls: i64,
    pub duration_us: i64,
    pub request_bytes: i64,
    pub response_bytes: i64,
    pub last_us: i64,
}

impl Callers {
    pub(super) fn new(node: i64) -> Self {
        Self { node, cells: HashMap::new(), changed: Vec::new(), due: Instant::now() }
    }

    /// Counts a closed call, if it carried a credential. It counts in `second` or later.
    pub(super) fn add(&mut self, call: &Call, forgotten: i64) {
        let (Some(outcome), Some(completed_at), Some(caller)) = (call.outcome(), completed_at(call), call.caller())
        else {
            return;
        };
        let second = completed_at.div_euclid(1_000_000).max(forgotten);
        let mut key = Key {
            starts_at: second - second.rem_euclid(HOUR),
            user_id: caller.user_id.unwrap_or_default(),
            api_key_id: caller.api_key_id.unwrap_or_default(),
            code: outcome.code as i16,
        };
        if self.cells.len() >= CALLERS && !self.cells.contains_key(&key) {
            (key.user_id, key.api_key_id) = (0, 0);
        }
        let cell = self.cells.entry(key).or_default();
        cell.calls += 1;
        cell.duration_us += outcome.duration.as_micros() as i64;
        cell.request_bytes += call.request_size().0 as i64;
        cell.response_bytes += call.response_size().0 as i64;
        cell.last_us = cell.last_us.max(completed_at);
        if !cell.changed {
            cell.changed = true;
            self.changed.push(key);
        }
    }

    /// Whether rows are to be written now.
    pub(super) fn are_due(&self, ending: bool) -> bool {
        !self.changed.is_empty() && (ending || Instant::now() >= self.due)
    }

    /// The rows that changed since they were last [`settled`](Self::settled); none while they are not due.
    pub(super) fn rows(&self, ending: bool) -> Vec<CallerRow> {
        if !self.are_due(ending) {
            return Vec::new();
        }
        let row = |key: &Key| {
            let cell = self.cells.get(key)?;
            Some(CallerRow {
                starts_at: key.starts_at,
                user_id: key.user_id,
                api_key_id: key.api_key_id,
                grpc_code: key.code,
                node: self.node,
                calls: cell.calls,
                duration_us: cell.duration_us,
                request_bytes: cell.request_bytes,
                response_bytes: cell.response_bytes,
                last_us: cell.last_us,
            })
        };
        self.changed.iter().filter_map(row).collect()
    }

    /// What [`rows`](Self::rows) gave is in the database.
    pub(super) fn settled(&mut self) {
        for key in self.changed.drain(..) {
            if let Some(cell) = self.cells.get_mut(&key) {
                cell.changed = false;
            }
        }
        self.due = Instant::now() + EVERY;
    }

    /// Forgets what ended before `second` and is in the database.
    pub(super) fn forget_before(&mut self, second: i64) {
        self.cells.retain(|key, cell| cell.changed || key.starts_at + HOUR > second);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tonic::Code;

    use super::*;
    use crate::{
        method::Method,
        record::{Caller, RequestId},
    };

    fn closed(user_id: Option<i64>, api_key_id: Option<i64>) -> Call {
        let call = Call::open(RequestId::of(None), Arc::new(Method::other("/a.B/C")), None, None);
        if user_id.or(api_key_id).is_some() {
            call.authenticated(Caller { user_id, api_key_id });
        }
        call.count_request(10, 1);
        call.close(Code::Ok, None);
        call
    }

    #[test]
    fn calls_count_for_their_user_and_key() {
        let mut callers = Callers::new(1);
        for call in [closed(None, None), closed(Some(5), None), closed(Some(5), Some(8)), closed(Some(5), Some(8))] {
            callers.add(&call, i64::MIN);
        }
        let mut rows = callers.rows(false);
        rows.sort_by_key(|row| row.api_key_id);
        let told: Vec<_> = rows.iter().map(|row| (row.user_id, row.api_key_id, row.calls, row.request_bytes)).collect();
        assert_eq!(told, [(5, 0, 1, 10), (5, 8, 2, 20)]);
        callers.settled();
        assert!(callers.rows(true).is_empty());
        callers.add(&closed(Some(5), None), i64::MIN);
        assert!(callers.rows(false).is_empty(), "not due again so soon");
        assert_eq!(callers.rows(true)[0].calls, 2);
    }

    #[test]
    fn many_callers_cannot_fill_the_memory() {
        let mut callers = Callers::new(1);
        let many = CALLERS as i64 + 50;
        for user in 1..=many {
            callers.add(&closed(Some(user), None), i64::MIN);
        }
        assert!(callers.cells.len() <= CALLERS + 2);
        assert_eq!(callers.rows(true).iter().map(|row| row.calls).sum::<i64>(), many);
    }
}
