//! [`LatencySnapshot`]: what a histogram held at one moment.

use crate::fault::fault;
use crate::latency::bucket::{BUCKETS, SCALE, SHORTEST_BIT, upper};
use crate::nanos::Nanos;

/// What a [`LatencyHistogram`](crate::LatencyHistogram) held at one moment, as plain numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencySnapshot {
    pub(crate) short: u64,
    pub(crate) counts: [u64; BUCKETS],
}

impl LatencySnapshot {
    /// OpenTelemetry's scale: eight buckets for each power of two.
    pub const SCALE: i32 = SCALE.cast_signed();
    /// The index, at that scale and in nanoseconds, of the first of the [`bucket_counts`](Self::bucket_counts).
    pub const OFFSET: i32 = (SHORTEST_BIT << SCALE).cast_signed();
    /// Not longer than this: counted as [`short`](Self::short).
    pub const ZERO_THRESHOLD: Nanos = Nanos::new(1 << SHORTEST_BIT);

    /// Calls that were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().copied().fold(
            fault!("latency_short_uncounted", 0, self.short),
            u64::saturating_add,
        )
    }

    /// What they took together, from the middles of the buckets: at most 4.6 % off, but for calls shorter than 1 us or longer than 73 min.
    pub fn sum(&self) -> Nanos {
        let half_short = Self::ZERO_THRESHOLD.get() / 2;
        let mut lower = Self::ZERO_THRESHOLD.get();
        let mut sum = self.short.saturating_mul(half_short);
        for (index, count) in self.counts.iter().enumerate() {
            let end = upper(index).get();
            let middle = fault!("latency_sum_of_bounds", end, lower + (end - lower) / 2);
            sum = sum.saturating_add(count.saturating_mul(middle));
            lower = end;
        }
        Nanos::new(sum)
    }

    /// So long took this share of the calls at most, 0 to 1: a quantile. `None` when nothing was counted.
    ///
    /// It is the upper bound of the bucket that the exact one is in, so at most 9.1 % above it. The share is taken to a millionth.
    pub fn quantile(&self, share: f64) -> Option<Nanos> {
        // A NaN is taken as 0.
        let ppm = (share.clamp(0.0, 1.0) * 1e6 + 0.5) as u128;
        let count = self.count();
        // The rank that the share needs at least, from 1 on.
        let product = u128::from(count) * ppm;
        let rank = u64::try_from(product.div_ceil(1_000_000))
            .unwrap_or(u64::MAX)
            .max(1);
        let rank = fault!(
            "latency_rank_rounded_down",
            (product / 1_000_000) as u64,
            rank
        );
        if count == 0 {
            return None;
        }
        let mut seen = self.short;
        if seen >= rank {
            return Some(Self::ZERO_THRESHOLD);
        }
        let found = self.counts.iter().position(|count| {
            seen = seen.saturating_add(*count);
            seen >= rank
        });
        found.map(upper)
    }

    /// Half of the calls took at most so long.
    pub fn p50(&self) -> Option<Nanos> {
        self.quantile(0.5)
    }

    /// Nine tenths of the calls took at most so long.
    pub fn p90(&self) -> Option<Nanos> {
        self.quantile(0.9)
    }

    /// All calls but a hundredth took at most so long.
    pub fn p99(&self) -> Option<Nanos> {
        self.quantile(0.99)
    }

    /// What was counted since `earlier`, a snapshot of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.counts;
        for (count, before) in counts.iter_mut().zip(&earlier.counts) {
            *count = count.saturating_sub(*before);
        }
        let short = fault!(
            "latency_short_since_ever",
            self.short,
            self.short.saturating_sub(earlier.short)
        );
        Self { short, counts }
    }

    /// What [`short`](Self::short) and [`bucket_counts`](Self::bucket_counts) tell: for hosts that hand a snapshot on as plain numbers.
    pub const fn from_counts(short: u64, counts: [u64; BUCKETS]) -> Self {
        Self { short, counts }
    }

    /// Calls not longer than [`ZERO_THRESHOLD`](Self::ZERO_THRESHOLD).
    pub fn short(&self) -> u64 {
        self.short
    }

    /// Calls in each bucket. The bounds of one: [`bounds`](Self::bounds).
    pub fn bucket_counts(&self) -> &[u64; BUCKETS] {
        &self.counts
    }

    /// A bucket is for calls longer than the first, and not longer than the second. The last one has the longer ones too.
    pub fn bounds(index: usize) -> (Nanos, Nanos) {
        let index = index.min(BUCKETS - 1);
        let lower = index.checked_sub(1).map_or(Self::ZERO_THRESHOLD, upper);
        (lower, upper(index))
    }
}
