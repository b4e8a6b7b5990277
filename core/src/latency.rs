//! [`LatencyHistogram`]: the public face; how long calls took, one addition each.

pub(crate) mod bucket;
pub(crate) mod snapshot;

use crate::breaker::permit::RawPermit;
use crate::fault::fault;
use crate::latency::bucket::{BUCKETS, Place, place};
use crate::latency::snapshot::LatencySnapshot;
use crate::nanos::Nanos;
use crate::outcome::Outcome;
use crate::sync::{AtomicU64, Ordering, const_unless_loom, zeroed_words};

/// How long calls took, counted in 256 buckets each of which ends 9 % later than the one before: 2 KiB of plain words.
///
/// # Range and accuracy
///
/// From 1.024 us (2^10 ns) to 73 minutes (2^42 ns). What is shorter is counted as short; what is longer counts as the longest. A
/// [quantile](LatencySnapshot::quantile) is at most 9.1 % above the exact one, and never below it. Counts are exact; the sum is that of the
/// buckets' middles, at most 4.6 % off, because a sum of its own would double the price.
///
/// # OpenTelemetry
///
/// The buckets *are* those of its exponential histogram at scale 3: bucket *i* holds what is longer than 2^(*i*/8) ns and not longer
/// than 2^((*i*+1)/8) ns. So [`bucket_counts`](LatencySnapshot::bucket_counts), from index [`OFFSET`](LatencySnapshot::OFFSET) on, with
/// [`short`](LatencySnapshot::short) as the zero count and 2^10 ns as the zero threshold, are a data point without any loss.
///
/// # Memory ordering
///
/// None. Each word is a counter by itself: additions commute, a snapshot reads every word once, and what it misses is in the next one.
/// So there is nothing that an order between two words could make wrong.
///
/// ```
/// use fuseboard_core::{LatencyHistogram, Nanos};
///
/// static LATENCY: LatencyHistogram = LatencyHistogram::new();
///
/// for millis in 1..=100 {
///     LATENCY.record(Nanos::from_millis(millis));
/// }
/// let snapshot = LATENCY.snapshot();
/// let p99 = snapshot.p99().expect("something was recorded");
/// assert!(p99 >= Nanos::from_millis(99) && p99 <= Nanos::from_millis(108));
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct LatencyHistogram {
    short: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl LatencyHistogram {
    const_unless_loom! {
        /// An empty one.
        pub const fn new() -> Self {
            Self {
                short: AtomicU64::new(0),
                buckets: zeroed_words!(),
            }
        }
    }

    /// Counts one call that took so long.
    #[inline]
    pub fn record(&self, latency: Nanos) {
        let word = match place(latency) {
            Place::Short => Some(&self.short),
            Place::Bucket(index) => self.buckets.get(index),
        };
        if let Some(word) = word {
            if fault!("latency_lost_update") {
                // Relaxed: as below. Asking once more lets another thread come between.
                let seen = word.load(Ordering::Relaxed);
                let one = u64::from(fault!("latency_lost_update"));
                return word.store(seen + one, Ordering::Relaxed);
            }
            // Relaxed: pairs with nothing, see the type.
            word.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts the call of `permit`, which ends at `now`; one that is ignored is not counted.
    #[inline]
    pub fn record_call(&self, permit: RawPermit, outcome: Outcome, now: Nanos) {
        if outcome != Outcome::Ignored || fault!("latency_of_ignored_calls") {
            self.record(now.saturating_sub(permit.started()));
        }
    }

    /// What was counted so far. Exact when nobody records at this moment; else it may miss the calls that are just being counted.
    pub fn snapshot(&self) -> LatencySnapshot {
        // Relaxed: pairs with nothing, see the type.
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
        LatencySnapshot {
            short: load(&self.short),
            counts: self.buckets.each_ref().map(load),
        }
    }

    /// Empties it, while nobody records.
    pub(crate) fn renew(&self) {
        for word in [&self.short].into_iter().chain(&self.buckets) {
            // Relaxed: whoever shares it publishes it.
            word.store(0, Ordering::Relaxed);
        }
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}
