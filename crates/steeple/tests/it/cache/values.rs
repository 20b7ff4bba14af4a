//! What is put in comes out, for as long as it should, and no longer.

use std::{collections::BTreeMap, time::Duration};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config as Cases, TestRunner},
};
use serde::{Deserialize, Serialize};
use steeple::{
    Code,
    cache::{Cache, Config, Ttl},
    record::metrics::Metrics,
};

use crate::caches::{counter, on_every_cache, until};

const LONG: Duration = Duration::from_hours(1);
const SHORT: Duration = Duration::from_millis(30);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Coin {
    symbol: String,
    price: Option<f64>,
    tags: BTreeMap<u32, Vec<String>>,
}

async fn gone(cache: &Cache, key: &str) {
    until("the end of a value", async || cache.get::<serde_json::Value>(key).await.unwrap().is_none()).await;
}

on_every_cache! {
    async fn values_come_back_as_they_were(nodes: Nodes) {
        let cache = nodes.open().await;
        let coin = Coin { symbol: "BTC".into(), price: Some(0.1), tags: [(7, vec!["é\n\0".into()])].into() };
        cache.set("coin", &coin, LONG).await.unwrap();
        assert_eq!(cache.get::<Coin>("coin").await.unwrap(), Some(coin));
        cache.set("text", "", Ttl::Forever).await.unwrap();
        assert_eq!(cache.get::<String>("text").await.unwrap().as_deref(), Some(""));
        cache.set("big", &u64::MAX, LONG).await.unwrap();
        assert_eq!(cache.get("big").await.unwrap(), Some(u64::MAX));
        // Knowing that there is none is a value as well.
        cache.set("none", &None::<Coin>, LONG).await.unwrap();
        assert_eq!(cache.get::<Option<Coin>>("none").await.unwrap(), Some(None));
        assert_eq!(cache.get::<Coin>("never").await.unwrap(), None);
        // A second handle is the same cache; setting again replaces.
        let again = cache.clone();
        again.set("big", &1, LONG).await.unwrap();
        assert_eq!(cache.get("big").await.unwrap(), Some(1));
        assert!(cache.delete("big").await.unwrap());
        assert!(!cache.delete("big").await.unwrap());
        assert_eq!(again.get::<u64>("big").await.unwrap(), None);
        assert!(cache.ping().await.is_ok());
    }

    async fn values_live_for_their_time(nodes: Nodes) {
        let cache = nodes.open().await;
        cache.set("short", &1, SHORT).await.unwrap();
        cache.set("long", &1, LONG).await.unwrap();
        cache.set("longest", &1, Duration::MAX).await.unwrap();
        cache.set("forever", &1, SHORT).await.unwrap();
        cache.set("forever", &1, Ttl::Forever).await.unwrap();
        cache.set("shortened", &1, Ttl::Forever).await.unwrap();
        cache.set("shortened", &1, SHORT).await.unwrap();
        cache.set("at once", &1, Duration::ZERO).await.unwrap();
        for key in ["short", "shortened", "at once"] {
            gone(&cache, key).await;
        }
        for key in ["long", "longest", "forever"] {
            assert_eq!(cache.get(key).await.unwrap(), Some(1), "{key}");
        }
        assert!(cache.add("short", &2, LONG).await.unwrap(), "what is over is not there");
        assert!(!cache.delete("at once").await.unwrap());
    }

    async fn one_of_many_adds(nodes: Nodes) {
        let cache = nodes.open().await;
        let all: Vec<_> = (0..50)
            .map(|n| {
                let cache = cache.clone();
                tokio::spawn(async move { cache.add("lock", &n, LONG).await.unwrap().then_some(n) })
            })
            .collect();
        let mut winners = vec![];
        for one in all {
            winners.extend(one.await.unwrap());
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(cache.get("lock").await.unwrap(), Some(winners[0]));
        cache.delete("lock").await.unwrap();
        assert!(cache.add("lock", &7, SHORT).await.unwrap());
        gone(&cache, "lock").await;
    }

    async fn additions_lose_nothing(nodes: Nodes) {
        let cache = nodes.open().await;
        let all: Vec<_> = (0..40)
            .map(|_| {
                let cache = cache.clone();
                tokio::spawn(async move {
                    for _ in 0..25 {
                        cache.increment("hits", 3, LONG).await.unwrap();
                    }
                })
            })
            .collect();
        for one in all {
            one.await.unwrap();
        }
        assert_eq!(cache.get("hits").await.unwrap(), Some(3000));
        assert_eq!(cache.increment("hits", -3001, LONG).await.unwrap(), -1);
        // Exact beyond what a float holds.
        cache.set("large", &(i64::MAX - 1), LONG).await.unwrap();
        assert_eq!(cache.increment("large", 1, LONG).await.unwrap(), i64::MAX);
        assert_eq!(cache.increment("large", 1, LONG).await.unwrap_err().code(), Code::FailedPrecondition);
        assert_eq!(cache.get("large").await.unwrap(), Some(i64::MAX));
        for value in [serde_json::json!("1"), serde_json::json!(1.5), serde_json::json!(u64::MAX), serde_json::json!(null)] {
            cache.set("other", &value, LONG).await.unwrap();
            let error = cache.increment("other", 1, LONG).await.unwrap_err();
            assert_eq!(error.code(), Code::FailedPrecondition, "{value}");
            assert_eq!(cache.get("other").await.unwrap(), Some(value));
        }
    }

    async fn an_addition_does_not_prolong(nodes: Nodes) {
        let cache = nodes.open().await;
        cache.increment("window", 1, SHORT).await.unwrap();
        // Were it prolonged each time, it would never be over.
        until("a new window", async || cache.increment("window", 1, SHORT).await.unwrap() == 1).await;
        cache.set("stays", &1, Ttl::Forever).await.unwrap();
        cache.increment("stays", 1, SHORT).await.unwrap();
        cache.set("mark", &1, SHORT).await.unwrap();
        gone(&cache, "mark").await;
        assert_eq!(cache.get("stays").await.unwrap(), Some(2));
    }

    async fn keys_and_values_have_a_largest_size(nodes: Nodes) {
        let cache = nodes.open().await;
        let longest = "é".repeat(125);
        cache.set(&longest, &1, LONG).await.unwrap();
        assert_eq!(cache.get(&longest).await.unwrap(), Some(1));
        for key in ["", &"k".repeat(251)] {
            let errors = [
                cache.get::<i64>(key).await.unwrap_err(),
                cache.set(key, &1, LONG).await.unwrap_err(),
                cache.add(key, &1, LONG).await.unwrap_err(),
                cache.increment(key, 1, LONG).await.unwrap_err(),
                cache.delete(key).await.unwrap_err(),
                cache.get_or_compute(key, LONG, async || Ok(1)).await.unwrap_err(),
            ];
            for error in errors {
                assert_eq!((error.code(), error.message()), (Code::Internal, "internal error"));
                assert!(error.for_log().contains("1 to 250 bytes"), "{}", error.for_log());
            }
        }
        let fits = "x".repeat(1024 * 1024 - 2);
        cache.set("value", &fits, LONG).await.unwrap();
        let error = cache.set("value", &"x".repeat(1024 * 1024 - 1), LONG).await.unwrap_err();
        assert!(error.for_log().contains("max_value_bytes"), "{}", error.for_log());
        assert!(cache.add("value 2", &"x".repeat(1024 * 1024), LONG).await.is_err());
        assert_eq!(cache.get("value").await.unwrap(), Some(fits), "what was there stays");
        assert_eq!(cache.get::<String>("value 2").await.unwrap(), None);
        let no_json = BTreeMap::from([((1, 2), 3)]);
        assert_eq!(cache.set("value 3", &no_json, LONG).await.unwrap_err().code(), Code::Internal);
    }

    async fn a_value_of_another_shape_is_none(nodes: Nodes) {
        let cache = nodes.open().await;
        cache.set("coin", &("BTC", 1), LONG).await.unwrap();
        assert_eq!(cache.get::<Coin>("coin").await.unwrap(), None);
        let coin = Coin { symbol: "BTC".into(), price: None, tags: BTreeMap::new() };
        let computed = cache.get_or_compute("coin", LONG, async || Ok(coin.clone())).await.unwrap();
        assert_eq!((computed, cache.get("coin").await.unwrap()), (coin.clone(), Some(coin)));
    }

    async fn a_prefix_is_taken_as_it_is(nodes: Nodes) {
        let cache = nodes.open().await;
        let keys = ["coins:1", "coins:2", "coins", "coin*:1", "coin?:1", "coin[s]:1", "coin\\:1", "COINS:1", "é:1"];
        for key in keys {
            cache.set(key, key, LONG).await.unwrap();
        }
        for (prefix, count) in [("coin*", 1), ("coin?", 1), ("coin[s]", 1), ("coin\\", 1), ("coins:", 2), ("x", 0)] {
            assert_eq!(cache.delete_prefix(prefix).await.unwrap(), count, "{prefix}");
        }
        for key in ["coins", "COINS:1", "é:1"] {
            assert_eq!(cache.get::<String>(key).await.unwrap().as_deref(), Some(key));
        }
        assert_eq!(cache.delete_prefix("").await.unwrap(), 3);
        // More than one step of a sweep.
        for n in 0..1500 {
            cache.set(&format!("many:{n}"), &n, LONG).await.unwrap();
        }
        assert_eq!(cache.delete_prefix("many:").await.unwrap(), 1500);
    }

    async fn it_does_as_a_map_does(nodes: Nodes) {
        let cache = nodes.open().await;
        let runtime = tokio::runtime::Handle::current();
        let cases = Cases { cases: 32, failure_persistence: None, ..Cases::default() };
        tokio::task::block_in_place(|| {
            TestRunner::new(cases).run(&vec(step(), 1..60), |steps| {
                runtime.block_on(as_a_map(&cache, &steps));
                Ok(())
            })
        })
        .unwrap();
    }
}

#[derive(Debug, Clone)]
enum Step {
    Get(String),
    Set(String, i64),
    Add(String, i64),
    Increment(String, i64),
    Compute(String, i64),
    Delete(String),
    DeletePrefix(String),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || "[ab:*]{1,3}";
    prop_oneof![
        key().prop_map(Step::Get),
        (key(), any::<i64>()).prop_map(|(key, value)| Step::Set(key, value)),
        (key(), any::<i64>()).prop_map(|(key, value)| Step::Add(key, value)),
        (key(), any::<i64>()).prop_map(|(key, value)| Step::Increment(key, value)),
        (key(), any::<i64>()).prop_map(|(key, value)| Step::Compute(key, value)),
        key().prop_map(Step::Delete),
        "[ab:*]{0,2}".prop_map(Step::DeletePrefix),
    ]
}

async fn as_a_map(cache: &Cache, steps: &[Step]) {
    cache.delete_prefix("").await.unwrap();
    let mut map = BTreeMap::<String, i64>::new();
    for step in steps {
        match step.clone() {
            Step::Get(key) => assert_eq!(cache.get(&key).await.unwrap(), map.get(&key).copied()),
            Step::Set(key, value) => {
                cache.set(&key, &value, LONG).await.unwrap();
                map.insert(key, value);
            }
            Step::Add(key, value) => {
                assert_eq!(cache.add(&key, &value, LONG).await.unwrap(), !map.contains_key(&key));
                map.entry(key).or_insert(value);
            }
            Step::Increment(key, by) => {
                let sum = map.get(&key).map_or(Some(by), |number| number.checked_add(by));
                assert_eq!(cache.increment(&key, by, LONG).await.ok(), sum);
                if let Some(sum) = sum {
                    map.insert(key, sum);
                }
            }
            Step::Compute(key, value) => {
                let computed = cache.get_or_compute(&key, LONG, async || Ok(value)).await.unwrap();
                assert_eq!(computed, *map.entry(key).or_insert(value));
            }
            Step::Delete(key) => assert_eq!(cache.delete(&key).await.unwrap(), map.remove(&key).is_some()),
            Step::DeletePrefix(prefix) => {
                let before = map.len();
                map.retain(|key, _| !key.starts_with(&prefix));
                assert_eq!(cache.delete_prefix(&prefix).await.unwrap(), (before - map.len()) as u64);
            }
        }
    }
    for (key, value) in map {
        assert_eq!(cache.get(&key).await.unwrap(), Some(value));
    }
}

#[tokio::test]
async fn memory_is_bounded() {
    const MOST: u64 = 4 * 1024 * 1024;
    let config = Config { max_bytes: MOST, ..Config::default() };
    let cache = Cache::open(&config, "test", &Metrics::new()).await.unwrap();
    for (size, count) in [(100_000, 500_u64), (10, 40_000)] {
        for n in 0..count {
            cache.set(&format!("{size}:{n}"), &"x".repeat(size), Ttl::Forever).await.unwrap();
        }
        let mut kept = 0;
        for n in 0..count {
            kept += u64::from(cache.get::<String>(&format!("{size}:{n}")).await.unwrap().is_some());
        }
        let bytes = kept * size as u64;
        assert!(bytes <= MOST, "{bytes} bytes are kept");
        assert!(size == 10 || bytes > MOST / 2, "{bytes} bytes are kept: there is room for more");
        assert!(kept < 40_000, "small values have their price too");
        let newest = format!("{size}:{}", count - 1);
        assert!(cache.get::<String>(&newest).await.unwrap().is_some(), "what is new has room");
    }
}

#[tokio::test]
async fn lookups_are_counted() {
    let metrics = Metrics::new();
    let cache = Cache::open(&Config::default(), "test", &metrics).await.unwrap();
    cache.get::<i64>("a").await.unwrap();
    cache.get_or_compute("a", LONG, async || Ok(1)).await.unwrap();
    cache.get_or_compute("a", LONG, async || Ok(1)).await.unwrap();
    cache.get::<i64>("a").await.unwrap();
    let count = |name| counter(&metrics, name);
    assert_eq!(count("steeple_cache_lookups_total{result=\"hit\"}"), 2);
    assert_eq!(count("steeple_cache_lookups_total{result=\"miss\"}"), 2);
    assert_eq!(count("steeple_cache_computed_total"), 1);
}
