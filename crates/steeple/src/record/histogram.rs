//! Durations, counted so that percentiles of any number of them can be told and added up.
//!
//! Microseconds in, percentiles out, wrong by at most 1 %. A [`Histogram`] is written, [`Durations`] are read: many
//! histograms added up straight from their bytes, because to make a histogram of each first was most of what a day by
//! minute cost. The bytes are HdrHistogram's own V2 encoding, which other programs read as well
//! (<https://github.com/HdrHistogram>). Must never: keep single values.

use hdrhistogram::serialization::{Serializer as _, V2Serializer};

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
}

/// Writes histograms, with buffers that are used again.
pub(super) struct Codec {
    serializer: V2Serializer,
}

impl Codec {
    pub(super) fn new() -> Self {
        Self { serializer: V2Serializer::new() }
    }

    pub(super) fn encode(&mut self, histogram: &Histogram) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        self.serializer.serialize(&histogram.0, &mut bytes).expect("a vector takes any histogram");
        bytes
    }
}

/// What the encoding begins with, and how long that is. Behind it stand the counts.
const COOKIE: u32 = 0x1c84_9313;
const HEAD: usize = 40;
/// Counts of one power of two: with two digits values are told apart by their first eight bits.
const HALF: usize = 128;
/// Counts that [`LONGEST`] needs.
const MOST_COUNTS: usize = 35 * HALF;

/// The durations of any number of histograms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Durations {
    /// As HdrHistogram has them, up to the longest.
    counts: Vec<u64>,
}

impl Durations {
    /// Adds what [`Codec::encode`] wrote. Says no to anything else, and adds nothing of it.
    #[must_use]
    pub(super) fn add_encoded(&mut self, bytes: &[u8]) -> bool {
        let Some(counts) = encoded_counts(bytes) else { return false };
        let whole = each_count(counts, |at, count| {
            if self.counts.len() <= at {
                self.counts.resize(at + 1, 0);
            }
            self.counts[at] = self.counts[at].wrapping_add(count);
        });
        if !whole {
            each_count(counts, |at, count| self.counts[at] = self.counts[at].wrapping_sub(count));
        }
        whole
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum = sum.wrapping_add(*count);
        }
    }

    /// The shortest and the longest duration in milliseconds. `None` if there is none.
    pub(super) fn extremes_ms(&self) -> Option<(f64, f64)> {
        let first = self.counts.iter().position(|count| *count > 0)?;
        let last = self.counts.iter().rposition(|count| *count > 0)?;
        let (longest, width) = values(last);
        Some((ms(values(first).0), ms(longest + width - 1)))
    }

    /// The durations in milliseconds that these shares of all durations do not exceed. `None` if there is none.
    pub(super) fn quantiles_ms<const N: usize>(&self, shares: [f64; N]) -> Option<[f64; N]> {
        let total: u64 = self.counts.iter().fold(0, |total, count| total.wrapping_add(*count));
        if total == 0 {
            return None;
        }
        Some(shares.map(|share| {
            let wanted = ((share * total as f64).ceil() as u64).clamp(1, total);
            let mut passed = 0_u64;
            let at = self.counts.iter().position(|count| {
                passed = passed.wrapping_add(*count);
                passed >= wanted
            });
            let (value, width) = values(at.unwrap_or_default());
            ms(value + width / 2)
        }))
    }
}

fn ms(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

/// The least value that is counted at this place, and how many are.
fn values(at: usize) -> (u64, u64) {
    let (half, place) = (at / HALF, (at % HALF) as u64);
    if half == 0 { (place, 1) } else { ((place + HALF as u64) << (half - 1), 1 << (half - 1)) }
}

/// The counts of an encoded histogram with two digits; `None` if it is none.
fn encoded_counts(bytes: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let whole = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let known = word(0)? == COOKIE && word(8)? == 0 && word(12)? == u32::from(DIGITS) && whole(16)? == 1;
    known.then_some(())?;
    bytes.get(HEAD..HEAD + word(4)? as usize)
}

/// Gives each place with its count; tells whether the bytes are whole.
fn each_count(mut bytes: &[u8], mut found: impl FnMut(usize, u64)) -> bool {
    let mut at = 0;
    while !bytes.is_empty() {
        let Some(number) = number(&mut bytes) else { return false };
        // Zigzag: odd numbers are negative, and stand for so many places without a count.
        let half = number >> 1;
        if number & 1 == 1 {
            at = usize::try_from(half).map_or(MOST_COUNTS, |zeros| at.saturating_add(zeros).saturating_add(1));
        } else {
            if at >= MOST_COUNTS {
                return false;
            }
            if half > 0 {
                found(at, half);
            }
            at += 1;
        }
    }
    true
}

/// The next number: seven bits a byte, the lowest first, and eight in the ninth.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..9 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if place == 8 {
            return Some(number | u64::from(byte) << 56);
        }
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn percentiles_are_within_one_percent_after_merging_and_encoding() {
        let mut codec = Codec::new();
        let mut all = Durations::default();
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
            assert!(all.add_encoded(&bytes));
        }
        exact.sort_unstable();
        for quantile in [0.01, 0.5, 0.95, 0.99, 1.0] {
            let index = ((quantile * exact.len() as f64).ceil() as usize).max(1) - 1;
            let (want, [have]) = (exact[index] as f64 / 1000.0, all.quantiles_ms([quantile]).unwrap());
            assert!((want - have).abs() <= want * 0.01, "{quantile}: {have} for {want}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_hdrhistogram_reads(
            parts in vec(vec((0_u32..41, any::<u64>(), 1_usize..4), 1..40), 1..4)
        ) {
            let mut durations = Durations::default();
            let mut theirs = hdrhistogram::Histogram::<u64>::new(DIGITS).unwrap();
            for part in parts {
                let mut histogram = Histogram::new();
                for (bits, value, times) in part {
                    (0..times).for_each(|_| histogram.record(value & ((1_u64 << bits) - 1)));
                }
                let bytes = Codec::new().encode(&histogram);
                prop_assert!(durations.add_encoded(&bytes));
                theirs.add(Deserializer::new().deserialize::<u64, _>(&mut &*bytes).unwrap()).unwrap();
                let mut merged = Durations::default();
                merged.merge(&durations);
                prop_assert_eq!(&merged, &durations);
                // Half of it, or more than there is, is refused as a whole.
                prop_assert!(!merged.add_encoded(&bytes[..bytes.len() - 1]));
                let mut longer = bytes.clone();
                longer.extend([0xff; 3]);
                let length = (longer.len() - HEAD) as u32;
                longer[4..8].copy_from_slice(&length.to_be_bytes());
                prop_assert!(!merged.add_encoded(&longer));
                let total = |durations: &Durations| durations.counts.iter().sum::<u64>();
                prop_assert_eq!(total(&merged), total(&durations));
            }
            prop_assert_eq!(durations.extremes_ms().unwrap(), (ms(theirs.min()), ms(theirs.max())));
            let shares = [0.0, 0.1, 0.5, 0.95, 0.99, 1.0];
            let their = shares.map(|share| ms(theirs.median_equivalent(theirs.value_at_quantile(share))));
            prop_assert_eq!(durations.quantiles_ms(shares).unwrap().map(f64::to_bits), their.map(f64::to_bits));
        }
    }

    #[test]
    fn extremes_and_rubbish_do_no_harm() {
        assert_eq!((Durations::default().quantiles_ms([0.5]), Durations::default().extremes_ms()), (None, None));
        let mut histogram = Histogram::new();
        histogram.record(0);
        histogram.record(u64::MAX);
        let mut durations = Durations::default();
        assert!(durations.add_encoded(&Codec::new().encode(&histogram)));
        assert_eq!(durations.quantiles_ms([0.1]), Some([0.001]));
        assert!(!durations.add_encoded(b"no histogram") && !durations.add_encoded(&[]));
        // A count one place beyond the last.
        let mut far = Codec::new().encode(&histogram);
        far.truncate(HEAD);
        far.extend([0xff, 0x45, 0x02]);
        far[4..8].copy_from_slice(&3_u32.to_be_bytes());
        assert!(!durations.add_encoded(&far));
    }
}
