//! The latency histogram: exact counts, and quantiles beside those of the sorted calls.

use fuseboard_core::{LatencyHistogram, LatencySnapshot, Nanos};
use proptest::prelude::*;
use std::sync::Barrier;
use std::thread;

/// Any length, short and long ones as often as middling ones.
fn latency() -> impl Strategy<Value = u64> {
    (0..43_u32, any::<u64>()).prop_map(|(bits, random)| random & ((1 << bits) - 1))
}

proptest! {
    /// O1: counts are exact, quantiles at most a bucket above the exact ones, and never below.
    #[test]
    fn o1_quantiles_are_those_of_the_sorted_calls(
        mut calls in prop::collection::vec(latency(), 1..400),
        shares in prop::collection::vec(0..=1_000_000_u32, 8),
    ) {
        let histogram = LatencyHistogram::new();
        for nanos in &calls {
            histogram.record(Nanos::new(*nanos));
        }
        let snapshot = histogram.snapshot();
        prop_assert_eq!(snapshot.count(), calls.len() as u64);
        calls.sort_unstable();
        for ppm in shares {
            let rank = (calls.len() as u64 * u64::from(ppm)).div_ceil(1_000_000).max(1);
            let exact = calls[rank as usize - 1];
            let found = snapshot.quantile(f64::from(ppm) / 1e6).expect("not empty").get();
            prop_assert!(found >= exact, "{found} of {exact}");
            let limit = (exact as f64 * 2_f64.powf(0.125)).max(1_024.0);
            prop_assert!(found as f64 <= limit, "{found} of {exact}");
        }
        let long: Vec<_> = calls.into_iter().filter(|nanos| *nanos > 1_024).collect();
        let exact = long.iter().sum::<u64>() as f64;
        let found = snapshot.sum().get() - snapshot.short() * 512;
        prop_assert!((found as f64 - exact).abs() <= exact * 0.046, "{found} of {exact}");
    }
}

/// O1, W3: threads that record at once lose nothing.
#[test]
fn o1_w3_no_call_is_lost() {
    let histogram = LatencyHistogram::new();
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..20_000 {
                    histogram.record(Nanos::from_millis(1));
                }
            });
        }
    });
    let snapshot = histogram.snapshot();
    assert_eq!(snapshot.count(), 80_000);
    assert_eq!(snapshot.p50(), snapshot.p99());
}

/// O1: what came since an earlier snapshot, short calls too.
#[test]
fn o1_a_difference_has_only_what_came_since() {
    let histogram = LatencyHistogram::new();
    assert_eq!(histogram.snapshot().quantile(0.5), None);
    histogram.record(Nanos::new(7));
    histogram.record(Nanos::from_secs(1));
    let before = histogram.snapshot();
    histogram.record(Nanos::from_secs(1));
    let since = histogram.snapshot().since(&before);
    assert_eq!((since.count(), since.short()), (1, 0));
    assert!(since.p50() > Some(Nanos::from_secs(1)));
}

/// O1: the buckets are OpenTelemetry's at scale 3, in nanoseconds.
#[test]
fn o1_buckets_are_those_of_an_exponential_histogram() {
    let histogram = LatencyHistogram::new();
    histogram.record(Nanos::new(1 << 20));
    histogram.record(Nanos::new((1 << 20) + 1));
    let snapshot = histogram.snapshot();
    let base = 2_f64.powf(2_f64.powi(-LatencySnapshot::SCALE));
    let found: Vec<_> = (0..)
        .zip(snapshot.bucket_counts())
        .filter(|(_, count)| **count > 0)
        .map(|(index, _)| index)
        .collect();
    for (index, nanos) in found.iter().zip([1 << 20, (1 << 20) + 1]) {
        let upper = base.powi(LatencySnapshot::OFFSET + index + 1);
        let lower = base.powi(LatencySnapshot::OFFSET + index);
        assert!(lower < f64::from(nanos) && f64::from(nanos) <= upper + 1e-6);
        let (from, to) = LatencySnapshot::bounds(*index as usize);
        assert!(from < Nanos::new(nanos as u64) && Nanos::new(nanos as u64) <= to);
    }
    assert_eq!(found.len(), 2);
    assert_eq!(LatencySnapshot::bounds(usize::MAX).1, Nanos::new(1 << 42));
}
