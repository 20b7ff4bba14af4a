//! Durations, counted so that percentiles of any number of them can be told and added up.
//!
//! Microseconds in, percentiles out, wrong by at most 1 %. The bytes are HdrHistogram's own V2 encoding, which other
//! programs read as well (<https://github.com/HdrHistogram>). Must never: keep single values.

use hdrhistogram::serialization::{Deserializer, Serializer as _, V2Serializer};

/// Two significant digits: an error of at most 1 %.
const DIGITS: u8 = 2;
/// Longer durations count as this: about 12 days.
const LONGEST: u64 = 1 << 40;

pub(super) struct Histogram(hdrhistogram::Histogram<u64>);

impl Histogram {
    pub(super) fn new() -> Self {
        Self(hdrhistogram::Histogram::new(DIGITS).expect("two digits are in the accepted range"))
    }

    pub(super) fn record(&mut self, micros: u64) {
        let micros = micros.clamp(1, LONGEST);
        self.0.record(micros).expect("a histogram that resizes itself takes any duration within the bounds");
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("a histogram that resizes itself takes any other");
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The shortest and the longest duration in milliseconds. `None` if empty.
    pub(super) fn extremes_ms(&self) -> Option<(f64, f64)> {
        let ms = |micros: u64| micros as f64 / 1000.0;
        (!self.0.is_empty()).then(|| (ms(self.0.min()), ms(self.0.max())))
    }

    /// The duration in milliseconds that the share `quantile` of all durations does not exceed. `None` if empty.
    pub(super) fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        if self.0.is_empty() {
            return None;
        }
        let value = self.0.value_at_quantile(quantile);
        Some(self.0.median_equivalent(value).min(self.0.max()) as f64 / 1000.0)
    }
}

/// Writes and reads histograms, with buffers that are used again.
pub(super) struct Codec {
    serializer: V2Serializer,
    deserializer: Deserializer,
}

impl Codec {
    pub(super) fn new() -> Self {
        Self { serializer: V2Serializer::new(), deserializer: Deserializer::new() }
    }

    pub(super) fn encode(&mut self, histogram: &Histogram) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        self.serializer.serialize(&histogram.0, &mut bytes).expect("a vector takes any histogram");
        bytes
    }

    /// `None` if the bytes are no histogram.
    pub(super) fn decode(&mut self, mut bytes: &[u8]) -> Option<Histogram> {
        let mut histogram = self.deserializer.deserialize(&mut bytes).ok()?;
        histogram.auto(true);
        Some(Histogram(histogram))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_one_percent_after_merging_and_encoding() {
        let mut codec = Codec::new();
        let mut all = Histogram::new();
        let mut exact = Vec::new();
        for part in 0..10_u64 {
            let mut one = Histogram::new();
            for step in 0..1000_u64 {
                // Spread from 1 us to some minutes.
                let value = 1 + (step * step * step * (part + 1)) / 37;
                one.record(value);
                exact.push(value);
            }
            let bytes = codec.encode(&one);
            assert!(bytes.len() < 4096, "{} bytes", bytes.len());
            all.add(&codec.decode(&bytes).unwrap());
        }
        exact.sort_unstable();
        for quantile in [0.01, 0.5, 0.95, 0.99, 1.0] {
            let index = ((quantile * exact.len() as f64).ceil() as usize).max(1) - 1;
            let (want, have) = (exact[index] as f64 / 1000.0, all.quantile_ms(quantile).unwrap());
            assert!((want - have).abs() <= want * 0.01, "{quantile}: {have} for {want}");
        }
    }

    #[test]
    fn extremes_and_rubbish_do_no_harm() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile_ms(0.5), None);
        histogram.record(0);
        histogram.record(u64::MAX);
        assert_eq!(histogram.quantile_ms(0.1), Some(0.001));
        assert!(Codec::new().decode(b"no histogram").is_none());
        assert!(Codec::new().decode(&[]).is_none());
    }
}
