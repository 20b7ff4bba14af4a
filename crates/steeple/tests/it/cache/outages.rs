//! A Redis that is away, goes away, goes silent or comes back; and one that speaks TLS.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use steeple::{Cache, Code, cache::Config, record::metrics::Metrics};

use crate::{
    caches::{Gate, Mode, Nodes, counter, until},
    lines::Lines,
    trial::House,
};

const LONG: Duration = Duration::from_hours(1);
const UNANSWERED: &str = "steeple_cache_unanswered_total";

async fn computes(cache: &Cache) {
    let computed = AtomicUsize::new(0);
    for n in 1..=3 {
        let compute = async || Ok(computed.fetch_add(1, SeqCst) + 1);
        assert_eq!(cache.get_or_compute("computed", LONG, compute).await.unwrap(), n, "nothing is kept");
    }
}

async fn is_away(cache: &Cache) {
    let errors = [
        cache.get::<i64>("key").await.unwrap_err(),
        cache.set("key", &1, LONG).await.unwrap_err(),
        cache.add("key", &1, LONG).await.unwrap_err(),
        cache.increment("key", 1, LONG).await.unwrap_err(),
        cache.delete("key").await.unwrap_err(),
        cache.delete_prefix("key").await.unwrap_err(),
        cache.ping().await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.code(), error.message()), (Code::Unavailable, "the cache is not available, try again"));
        assert!(error.cause().is_some());
    }
}

async fn is_back(cache: &Cache) {
    until("the cache to be back", async || cache.set("key", &1, LONG).await.is_ok()).await;
    assert_eq!(cache.get("key").await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_cache_goes_and_comes_back() {
    let (Some(gate), Some(nodes)) = (Gate::new(Mode::Open).await, Nodes::redis().await) else { return };
    let (lines, metrics) = (Lines::default(), Metrics::new());
    let caught = lines.catch();
    let cache = Cache::open(&gate.config(&nodes), "test", &metrics).await.unwrap();
    for round in 1..=3 {
        cache.set("kept", &round, LONG).await.unwrap();
        gate.set(Mode::Closed);
        until("the outage to show", async || cache.get::<usize>("kept").await.is_err()).await;
        let before = counter(&metrics, UNANSWERED);
        is_away(&cache).await;
        computes(&cache).await;
        assert!(counter(&metrics, UNANSWERED) >= before + 10);
        assert_eq!(lines.count("the cache does not answer"), round, "said once per outage");
        gate.set(Mode::Open);
        until("the cache to be back", async || cache.get("kept").await.ok() == Some(Some(round))).await;
        assert_eq!(lines.count("the cache answers again"), round);
    }
    drop(caught);
}

#[tokio::test]
async fn a_site_starts_without_its_cache() {
    let (Some(gate), Some(nodes)) = (Gate::new(Mode::Closed).await, Nodes::redis().await) else { return };
    let cache = Cache::open(&gate.config(&nodes), "test", &Metrics::new()).await.unwrap();
    is_away(&cache).await;
    computes(&cache).await;
    gate.set(Mode::Open);
    is_back(&cache).await;
}

/// Its connections stay open, and nothing comes over them: as when a host is gone.
#[tokio::test]
async fn a_cache_that_goes_silent_is_left() {
    let (Some(gate), Some(nodes)) = (Gate::new(Mode::Open).await, Nodes::redis().await) else { return };
    let config = Config { timeout: Duration::from_millis(200), ..gate.config(&nodes) };
    let cache = Cache::open(&config, "test", &Metrics::new()).await.unwrap();
    is_back(&cache).await;
    gate.set(Mode::Silent);
    let error = cache.get::<i64>("key").await.unwrap_err();
    assert!(error.for_log().ends_with("no answer within 200ms"), "{}", error.for_log());
    is_away(&cache).await;
    computes(&cache).await;
    gate.set(Mode::Open);
    is_back(&cache).await;
}

/// A server that has just been started refuses everything for a while.
#[tokio::test]
async fn a_cache_that_is_loading_is_waited_for() {
    let (Some(gate), Some(nodes)) = (Gate::new(Mode::Loading).await, Nodes::redis().await) else { return };
    let cache = Cache::open(&gate.config(&nodes), "test", &Metrics::new()).await.unwrap();
    is_away(&cache).await;
    computes(&cache).await;
    gate.set(Mode::Open);
    is_back(&cache).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_compute_once_while_the_cache_is_away() {
    let (Some(gate), Some(nodes)) = (Gate::new(Mode::Closed).await, Nodes::redis().await) else { return };
    let cache = Cache::open(&gate.config(&nodes), "test", &Metrics::new()).await.unwrap();
    let (begun, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let go = Arc::new(tokio::sync::Notify::new());
    let all: Vec<_> = (0..200)
        .map(|_| {
            let (cache, begun, asked, go) = (cache.clone(), begun.clone(), asked.clone(), go.clone());
            tokio::spawn(async move {
                asked.fetch_add(1, SeqCst);
                let compute = async || {
                    begun.fetch_add(1, SeqCst);
                    go.notified().await;
                    Ok(7)
                };
                cache.get_or_compute("key", LONG, compute).await.unwrap()
            })
        })
        .collect();
    until("everybody", async || asked.load(SeqCst) == 200 && begun.load(SeqCst) == 1).await;
    go.notify_one();
    for one in all {
        assert_eq!(one.await.unwrap(), 7);
    }
    assert_eq!(begun.load(SeqCst), 1);
}

/// It is gone in the middle of a computation.
#[tokio::test]
async fn what_was_computed_is_given_all_the_same() {
    let (Some(gate), Some(nodes)) = (Gate::new(Mode::Open).await, Nodes::redis().await) else { return };
    let cache = Cache::open(&gate.config(&nodes), "test", &Metrics::new()).await.unwrap();
    let value = cache.get_or_compute("key", LONG, async || {
        gate.set(Mode::Closed);
        Ok(1)
    });
    assert_eq!(value.await.unwrap(), 1);
    gate.set(Mode::Open);
    is_back(&cache).await;
}

#[tokio::test]
async fn a_cache_may_speak_tls() {
    let (Some(gate), Some(nodes)) = (Gate::with_tls(Mode::Open).await, Nodes::redis().await) else { return };
    let config = gate.config(&nodes);
    assert!(config.url.starts_with("rediss://"));
    let cache = Cache::open(&config, "test", &Metrics::new()).await.unwrap();
    cache.set("key", &1, LONG).await.unwrap();
    assert_eq!(nodes.open().await.get("key").await.unwrap(), Some(1));
    // Somebody else's certificate, and those of the system.
    let other = Gate::with_tls(Mode::Open).await.unwrap();
    for ca in [other.ca.clone(), None] {
        let config = Config { ca, ..config.clone() };
        let cache = Cache::open(&config, "test", &Metrics::new()).await.unwrap();
        is_away(&cache).await;
        computes(&cache).await;
    }
    // And no plain text where TLS is asked for.
    let plain = Gate::new(Mode::Open).await.unwrap();
    let url = format!("rediss://{}", plain.address);
    let cache = Cache::open(&Config { url, ..config }, "test", &Metrics::new()).await.unwrap();
    is_away(&cache).await;
}

#[tokio::test]
async fn passwords_do_not_show() {
    let lines = Lines::default();
    let caught = lines.catch();
    let config = Config { url: "redis://ada:secret-4711@127.0.0.1:1/0".to_owned(), ..Config::default() };
    let cache = Cache::open(&config, "test", &Metrics::new()).await.unwrap();
    let error = cache.get::<i64>("key").await.unwrap_err();
    assert_eq!(cache.to_string(), "redis://ada:***@127.0.0.1:1/0");
    let all = format!("{cache:?} {cache} {config:?} {error:?} {}", error.for_log());
    assert!(!all.contains("4711"), "{all}");
    drop(caught);
    assert_eq!((lines.count("does not answer"), lines.count("4711")), (1, 0));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let refused = async |config: Config| Cache::open(&config, "test", &Metrics::new()).await.unwrap_err();
    let with = |url: &str| Config { url: url.to_owned(), ..Config::default() };
    for url in ["", "memory", "memcached://localhost", "redis://", "redis://host:port", "rediss://host/#insecure"] {
        let problem = refused(with(url)).await;
        assert!(problem.starts_with("cache.url "), "{url}: {problem}");
    }
    let ca = refused(Config { ca: Some("no pem".to_owned()), ..with("rediss://localhost") }).await;
    assert!(ca.starts_with("cache.ca has no certificate"), "{ca}");
    let plain = refused(Config { ca: Some("no pem".to_owned()), ..with("redis://localhost") }).await;
    assert!(plain.starts_with("cache.ca is of no use without TLS"), "{plain}");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    let ca = refused(Config { ca: Some(broken), ..with("rediss://localhost") }).await;
    assert!(ca.starts_with("cache.ca cannot be used"), "{ca}");
}

#[tokio::test]
async fn readiness_does_not_depend_on_it() {
    let house = House::configured(|config| {
        "redis://127.0.0.1:1".clone_into(&mut config.cache.url);
    })
    .await;
    let text = crate::health::status(house.running.http.unwrap(), "/readyz").await;
    assert_eq!(text.0, 200, "{}", text.1);
}
