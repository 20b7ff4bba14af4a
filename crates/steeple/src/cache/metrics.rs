//! What a cache counts.

use ::metrics::Counter;

use crate::record::metrics::Metrics;

pub(super) struct CacheMetrics {
    pub hits: Counter,
    pub misses: Counter,
    pub computed: Counter,
    pub unanswered: Counter,
}

impl CacheMetrics {
    pub fn new(metrics: &Metrics) -> Self {
        let lookups = |result| {
            metrics.counter("steeple_cache_lookups_total", "Lookups in the cache, by result.", &[("result", result)])
        };
        Self {
            hits: lookups("hit"),
            misses: lookups("miss"),
            computed: metrics.counter("steeple_cache_computed_total", "Values computed for the cache.", &[]),
            unanswered: metrics.counter(
                "steeple_cache_unanswered_total",
                "Questions that the cache's server did not answer.",
                &[],
            ),
        }
    }
}
