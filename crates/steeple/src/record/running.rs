//! The calls that run at this moment.
//!
//! Takes a call when it begins and gives a [`Slot`] to take it out with. Sharded, so that cores seldom meet; a lock is
//! held for a few instructions. Must never: hold a lock across an await, or call foreign code under one.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::Call;

const SHARDS: usize = 64;

/// The place of one running call. Give it back to [`Recorder::close`](super::Recorder::close), whatever happens.
#[derive(Debug)]
#[must_use = "a slot that is not given back keeps its call on the list of running calls"]
pub struct Slot {
    shard: u32,
    index: u32,
}

impl Slot {
    /// For a recorder that keeps no list.
    pub(super) const NONE: Self = Self { shard: u32::MAX, index: 0 };
}

pub(super) struct Running {
    shards: Box<[Shard]>,
    count: AtomicUsize,
}

/// On a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Shard(Mutex<Places>);

#[derive(Default)]
struct Places {
    calls: Vec<Option<Arc<Call>>>,
    free: Vec<u32>,
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect(), count: AtomicUsize::new(0) }
    }

    pub(super) fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    pub(super) fn insert(&self, call: &Arc<Call>) -> Slot {
        // The address is as good as a random number, and costs nothing.
        let shard = ((Arc::as_ptr(call) as usize >> 6).wrapping_mul(0x9E37_79B9) >> 16) % SHARDS;
        self.count.fetch_add(1, Relaxed);
        let mut places = self.shards[shard].lock();
        let index = if let Some(index) = places.free.pop() {
            places.calls[index as usize] = Some(Arc::clone(call));
            index
        } else {
            places.calls.push(Some(Arc::clone(call)));
            (places.calls.len() - 1) as u32
        };
        Slot { shard: shard as u32, index }
    }

    pub(super) fn remove(&self, slot: &Slot) {
        let Some(shard) = self.shards.get(slot.shard as usize) else {
            return;
        };
        let mut places = shard.lock();
        let taken = places.calls.get_mut(slot.index as usize).and_then(Option::take);
        if taken.is_some() {
            places.free.push(slot.index);
            drop(places);
            self.count.fetch_sub(1, Relaxed);
        }
    }

    /// The running calls that `wanted` says yes to.
    pub(super) fn collect(&self, wanted: impl Fn(&Call) -> bool) -> Vec<Arc<Call>> {
        let mut found = Vec::new();
        for shard in &self.shards {
            found.extend(shard.lock().calls.iter().flatten().filter(|call| wanted(call)).cloned());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{method::Method, record::RequestId};

    #[test]
    fn slots_are_used_again() {
        let method = Arc::new(Method::other("/a.B/C"));
        let running = Running::new();
        for _ in 0..3 {
            let calls: Vec<_> =
                (0..500).map(|_| Arc::new(Call::open(RequestId::of(None), Arc::clone(&method), None, None))).collect();
            let slots: Vec<_> = calls.iter().map(|call| running.insert(call)).collect();
            assert_eq!(running.len(), 500);
            assert_eq!(running.collect(|_| true).len(), 500);
            for slot in &slots {
                running.remove(slot);
            }
            assert_eq!(running.len(), 0);
        }
        assert!(running.shards.iter().map(|shard| shard.lock().calls.len()).sum::<usize>() < 1500);
        running.remove(&Slot::NONE);
        assert_eq!(running.len(), 0);
    }
}
