//! A Redis that several nodes and several sites share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use redis::Commands as _;
use steeple::{
    Cache,
    cache::{Config, Ttl},
    record::metrics::Metrics,
};
use tokio::sync::Notify;

use crate::caches::{Nodes, raw, until};

const LONG: Duration = Duration::from_hours(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_share_values_and_computations() {
    let Some(nodes) = Nodes::redis().await else { return };
    let caches = [nodes.open().await, nodes.open().await, nodes.open().await];
    caches[0].set("shared", &1, LONG).await.unwrap();
    assert_eq!(caches[1].get("shared").await.unwrap(), Some(1));
    assert_eq!(caches[1].increment("shared", 1, LONG).await.unwrap(), 2);
    assert!(!caches[2].add("shared", &9, LONG).await.unwrap());
    assert!(caches[2].delete("shared").await.unwrap());
    assert_eq!(caches[0].get::<i64>("shared").await.unwrap(), None);

    let (begun, asked, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let all: Vec<_> = (0..900)
        .map(|n| {
            let (cache, begun, asked, go) = (caches[n % 3].clone(), begun.clone(), asked.clone(), go.clone());
            tokio::spawn(async move {
                asked.fetch_add(1, SeqCst);
                let compute = async || {
                    begun.fetch_add(1, SeqCst);
                    go.notified().await;
                    Ok(n)
                };
                cache.get_or_compute("computed", LONG, compute).await.unwrap()
            })
        })
        .collect();
    until("everybody", async || asked.load(SeqCst) == 900 && begun.load(SeqCst) > 0).await;
    let (mut redis, mut last) = (raw(), i64::MAX);
    until("a renewal of the lease", async || {
        let left: i64 = redis.pttl(nodes.name('!', "computed")).unwrap();
        std::mem::replace(&mut last, left) < left
    })
    .await;
    assert_eq!(begun.load(SeqCst), 1);
    go.notify_one();
    let mut values = vec![];
    for one in all {
        values.push(one.await.unwrap());
    }
    values.dedup();
    assert_eq!(values.len(), 1, "all have the one value");
    assert_eq!(begun.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_is_followed() {
    let Some(nodes) = Nodes::redis().await else { return };
    // What a node leaves that was killed while it computed.
    let mut redis = raw();
    redis.pset_ex::<_, _, ()>(nodes.name('!', "key"), "somebody", 300).unwrap();
    let cache = nodes.open().await;
    assert_eq!(cache.get_or_compute("key", LONG, async || Ok(2)).await.unwrap(), 2);
    assert_eq!(cache.get("key").await.unwrap(), Some(2));
    assert!(!redis.exists::<_, bool>(nodes.name('!', "key")).unwrap(), "the lease is given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_ends_with_the_computation() {
    let Some(nodes) = Nodes::redis().await else { return };
    let (cache, other) = (nodes.open().await, nodes.open().await);
    let begun = Arc::new(Notify::new());
    let held = tokio::spawn({
        let (cache, begun) = (cache.clone(), begun.clone());
        async move {
            let endless = async || {
                begun.notify_one();
                std::future::pending().await
            };
            cache.get_or_compute::<i64, _>("key", LONG, endless).await
        }
    });
    begun.notified().await;
    let mut redis = raw();
    let lease: i64 = redis.pttl(nodes.name('!', "key")).unwrap();
    assert!((1..=5000).contains(&lease), "{lease} ms");
    // It must be given back, and not just run out.
    redis.pexpire::<_, ()>(nodes.name('!', "key"), 3_600_000).unwrap();
    held.abort();
    until("the end of the lease", async || !redis.exists::<_, bool>(nodes.name('!', "key")).unwrap()).await;
    assert_eq!(other.get_or_compute("key", LONG, async || Ok(2)).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_was_lost_keeps_nothing() {
    let Some(nodes) = Nodes::redis().await else { return };
    let (cache, other) = (nodes.open().await, nodes.open().await);
    let mut redis = raw();
    let value = cache.get_or_compute("key", LONG, async || {
        // As if this node had slept for longer than its lease, and another had computed.
        redis.del::<_, ()>(nodes.name('!', "key")).unwrap();
        other.get_or_compute("key", LONG, async || Ok(2)).await.unwrap();
        Ok(1)
    });
    assert_eq!(value.await.unwrap(), 1);
    assert_eq!(cache.get("key").await.unwrap(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_elsewhere_parts_a_computation_from_its_key() {
    let Some(nodes) = Nodes::redis().await else { return };
    let (cache, other) = (nodes.open().await, nodes.open().await);
    for by_prefix in [false, true] {
        let value = cache.get_or_compute("key", LONG, async || {
            if by_prefix {
                other.delete_prefix("k").await?;
            } else {
                other.delete("key").await?;
            }
            Ok(1)
        });
        assert_eq!(value.await.unwrap(), 1);
        assert_eq!(cache.get::<i64>("key").await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sites_do_not_see_each_other() {
    let Some(nodes) = Nodes::redis().await else { return };
    let base = nodes.config.prefix.clone().unwrap();
    let site = async |prefix: &str| {
        let config = Config { prefix: Some(format!("{base}{prefix}")), ..nodes.config.clone() };
        Cache::open(&config, "unused", &Metrics::new()).await.unwrap()
    };
    // Each the beginning of the next, or of its keys.
    let sites = [site("").await, site(":b").await, site(".b").await, site("!").await, site("*").await];
    for (n, cache) in sites.iter().enumerate() {
        cache.set("b:key", &n, LONG).await.unwrap();
        cache.set("key", &n, Ttl::Forever).await.unwrap();
    }
    for (n, cache) in sites.iter().enumerate() {
        assert_eq!(cache.get("b:key").await.unwrap(), Some(n));
        assert_eq!(cache.get("key").await.unwrap(), Some(n));
    }
    for (n, cache) in sites.iter().enumerate() {
        assert_eq!(cache.delete_prefix("").await.unwrap(), 2, "site {n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_in_redis_have_the_time_that_was_asked_for() {
    let Some(nodes) = Nodes::redis().await else { return };
    let cache = nodes.open().await;
    let mut redis = raw();
    cache.set("set", &1, LONG).await.unwrap();
    cache.add("added", &1, LONG).await.unwrap();
    cache.increment("counted", 1, LONG).await.unwrap();
    cache.get_or_compute("computed", LONG, async || Ok(1)).await.unwrap();
    for key in ["set", "added", "counted", "computed"] {
        let left: i64 = redis.pttl(nodes.name(':', key)).unwrap();
        assert!((3_500_000..=3_600_000).contains(&left), "{key}: {left} ms");
    }
    cache.set("set", &1, Ttl::Forever).await.unwrap();
    cache.get_or_compute("forever", Ttl::Forever, async || Ok(1)).await.unwrap();
    for key in ["set", "forever"] {
        assert_eq!(redis.pttl::<_, i64>(nodes.name(':', key)).unwrap(), -1, "{key}");
    }
    assert_eq!(redis.get::<_, String>(nodes.name(':', "set")).unwrap(), "1", "JSON");
}
