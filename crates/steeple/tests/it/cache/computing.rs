//! A value is computed once, however many ask, and nobody waits for a computation that is gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use steeple::{Cache, Code, Error, Result};
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::caches::{on_every_cache, until};

const LONG: Duration = Duration::from_hours(1);

/// A computation that waits until it is let go, and how often it began.
#[derive(Clone)]
struct Slow {
    begun: Arc<AtomicUsize>,
    go: Arc<Semaphore>,
}

impl Slow {
    fn new() -> Self {
        Self { begun: Arc::default(), go: Arc::new(Semaphore::new(0)) }
    }

    async fn run<T>(&self, outcome: T) -> T {
        self.begun.fetch_add(1, SeqCst);
        self.go.acquire().await.unwrap().forget();
        outcome
    }

    fn ask(&self, cache: &Cache, outcome: i64) -> JoinHandle<Result<i64>> {
        let (slow, cache) = (self.clone(), cache.clone());
        tokio::spawn(async move { cache.get_or_compute("key", LONG, || slow.run(Ok(outcome))).await })
    }

    async fn has_begun(&self, times: usize) {
        until("a computation", async || self.begun.load(SeqCst) == times).await;
    }
}

/// Asks as often, and returns once all are on their way.
async fn crowd(slow: &Slow, cache: &Cache, count: usize) -> Vec<JoinHandle<Result<i64>>> {
    let asked = Arc::new(AtomicUsize::new(0));
    let all = (0..count).map(|_| {
        let (slow, cache, asked) = (slow.clone(), cache.clone(), asked.clone());
        tokio::spawn(async move {
            asked.fetch_add(1, SeqCst);
            cache.get_or_compute("key", LONG, || slow.run(Ok(7))).await
        })
    });
    let all = all.collect();
    until("everybody", async || asked.load(SeqCst) == count).await;
    all
}

on_every_cache! {
    async fn a_thousand_callers_are_one_computation(nodes: Nodes) {
        let (cache, slow) = (nodes.open().await, Slow::new());
        let all = crowd(&slow, &cache, 1000).await;
        slow.has_begun(1).await;
        // Were there more than one, they would not wait.
        slow.go.add_permits(1000);
        for one in all {
            assert_eq!(one.await.unwrap().unwrap(), 7);
        }
        assert_eq!(slow.begun.load(SeqCst), 1);
        assert_eq!(cache.get("key").await.unwrap(), Some(7));
    }

    async fn those_who_wait_share_the_failure(nodes: Nodes) {
        let (cache, slow) = (nodes.open().await, Slow::new());
        let failing = || {
            let (slow, cache) = (slow.clone(), cache.clone());
            tokio::spawn(async move {
                let error = Error::not_found("coin", "BTC").because("secret-4711");
                cache.get_or_compute::<i64, _>("key", LONG, || slow.run(Err(error))).await
            })
        };
        let first = failing();
        slow.has_begun(1).await;
        let others: Vec<_> = (0..20).map(|_| failing()).collect();
        // Those who are too late for the first computation make one more.
        slow.go.add_permits(100);
        for one in std::iter::once(first).chain(others) {
            let error = one.await.unwrap().unwrap_err();
            assert_eq!((error.code(), error.message()), (Code::NotFound, "coin BTC not found"));
            assert!(error.for_log().ends_with("secret-4711"), "{}", error.for_log());
        }
        assert_eq!(cache.get::<i64>("key").await.unwrap(), None, "a failure is not kept");
        assert_eq!(cache.get_or_compute("key", LONG, async || Ok(1)).await.unwrap(), 1);
    }

    async fn a_cancelled_computation_leaves_its_turn(nodes: Nodes) {
        let (cache, slow) = (nodes.open().await, Slow::new());
        let first = slow.ask(&cache, 1);
        slow.has_begun(1).await;
        let others = crowd(&slow, &cache, 30).await;
        first.abort();
        slow.has_begun(2).await;
        slow.go.add_permits(30);
        for one in others {
            assert_eq!(one.await.unwrap().unwrap(), 7);
        }
        assert_eq!(slow.begun.load(SeqCst), 2);
    }

    async fn a_panicking_computation_leaves_its_turn(nodes: Nodes) {
        let (cache, slow) = (nodes.open().await, Slow::new());
        let first = {
            let (slow, cache) = (slow.clone(), cache.clone());
            tokio::spawn(async move {
                let panicking = async || {
                    slow.run(()).await;
                    panic!("on purpose")
                };
                cache.get_or_compute::<i64, _>("key", LONG, panicking).await
            })
        };
        slow.has_begun(1).await;
        slow.go.add_permits(1);
        let other = slow.ask(&cache, 2);
        assert!(first.await.unwrap_err().is_panic());
        slow.has_begun(2).await;
        slow.go.add_permits(1);
        assert_eq!(other.await.unwrap().unwrap(), 2);
        assert_eq!(cache.get("key").await.unwrap(), Some(2));
    }

    async fn what_is_deleted_meanwhile_is_not_kept(nodes: Nodes) {
        let cache = nodes.open().await;
        for by_prefix in [false, true] {
            let slow = Slow::new();
            let old = slow.ask(&cache, 1);
            slow.has_begun(1).await;
            if by_prefix {
                assert_eq!(cache.delete_prefix("ke").await.unwrap(), 0);
            } else {
                assert!(!cache.delete("key").await.unwrap());
            }
            // Who asks now must not get what was computed from older data.
            let new = slow.ask(&cache, 2);
            slow.has_begun(2).await;
            slow.go.add_permits(2);
            assert_eq!(old.await.unwrap().unwrap(), 1);
            assert_eq!(new.await.unwrap().unwrap(), 2);
            assert_eq!(cache.get("key").await.unwrap(), Some(2));
            cache.delete("key").await.unwrap();
        }
    }

    async fn what_is_written_meanwhile_stays(nodes: Nodes) {
        let cache = nodes.open().await;
        for how in ["set", "add", "increment"] {
            let slow = Slow::new();
            let old = slow.ask(&cache, 1);
            slow.has_begun(1).await;
            match how {
                "set" => cache.set("key", &5, LONG).await.unwrap(),
                "add" => assert!(cache.add("key", &5, LONG).await.unwrap()),
                _ => assert_eq!(cache.increment("key", 5, LONG).await.unwrap(), 5),
            }
            slow.go.add_permits(1);
            assert_eq!(old.await.unwrap().unwrap(), 1);
            assert_eq!(cache.get("key").await.unwrap(), Some(5), "{how}");
            cache.delete("key").await.unwrap();
        }
    }

    async fn callers_of_other_types_compute_for_themselves(nodes: Nodes) {
        let (cache, slow) = (nodes.open().await, Slow::new());
        let number = slow.ask(&cache, 1);
        slow.has_begun(1).await;
        let text = {
            let cache = cache.clone();
            tokio::spawn(async move { cache.get_or_compute("key", LONG, async || Ok("text".to_owned())).await })
        };
        slow.go.add_permits(1);
        assert_eq!(number.await.unwrap().unwrap(), 1);
        assert_eq!(text.await.unwrap().unwrap(), "text");
    }

    async fn what_is_too_large_is_computed_each_time(nodes: Nodes) {
        let cache = nodes.open().await;
        for _ in 0..2 {
            let slow = Slow::new();
            slow.go.add_permits(1);
            let large = cache.get_or_compute("key", LONG, || slow.run(Ok("x".repeat(2_000_000)))).await.unwrap();
            assert_eq!((large.len(), slow.begun.load(SeqCst)), (2_000_000, 1));
            assert_eq!(cache.get::<String>("key").await.unwrap(), None);
        }
        assert_eq!(cache.get_or_compute("key", LONG, async || Ok(1)).await.unwrap(), 1, "the turn was given back");
    }

    async fn computations_of_other_keys_do_not_wait(nodes: Nodes) {
        let (cache, slow) = (nodes.open().await, Slow::new());
        let held = slow.ask(&cache, 1);
        slow.has_begun(1).await;
        // A computation may ask for another one.
        let outer = cache.get_or_compute("outer", LONG, || cache.get_or_compute("inner", LONG, async || Ok(3)));
        assert_eq!(outer.await.unwrap(), 3);
        slow.go.add_permits(1);
        held.await.unwrap().unwrap();
    }
}
