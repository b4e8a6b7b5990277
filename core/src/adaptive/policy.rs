//! How the limit moves, pure: what is known and one window in, what is known then out.

use crate::adaptive::config::Algorithm;
use crate::adaptive::settings::{ONE, Settings};
use crate::fault::fault;

/// Bits of fraction of a limit.
pub(crate) const FRACTION_BITS: u32 = 16;
const WHOLE: u64 = 1 << FRACTION_BITS;
/// Bits of fraction of the long-term mean.
const MEAN_BITS: u32 = 16;
/// The long-term mean's memory, in windows.
const LONG_WINDOWS: u64 = 600;
/// Places that Gradient2 allows for a queue while it sees no delay.
const QUEUE: u64 = 4;

/// What is known. Latencies are in units (`sample.rs`); zero: not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Estimate {
    /// With [`FRACTION_BITS`] of fraction.
    pub(crate) limit: u64,
    /// Latency without a queue: Vegas' minimum, Gradient2's mean.
    pub(crate) baseline: u64,
    /// Gradient2's long-term mean, with [`MEAN_BITS`] of fraction.
    pub(crate) average: u64,
}

/// What one window showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    /// Mean and minimum latency, where a call was measured.
    pub(crate) latency: Option<(u64, u64)>,
    pub(crate) dropped: bool,
    /// At least half of the limit was in flight.
    pub(crate) used: bool,
    /// The limit was lowered to measure the baseline.
    pub(crate) probing: bool,
}

/// Whether the window after `windows` others measures the baseline: the second one does, then each `baseline_windows`-th.
pub(crate) fn is_probing(windows: u64, settings: &Settings) -> bool {
    settings.algorithm != Algorithm::Aimd && windows % u64::from(settings.baseline_windows) == 1
}

/// The limit to publish: whole calls within the bounds, lowered while probing.
pub(crate) fn published(limit: u64, probing: bool, settings: &Settings) -> u32 {
    let limit = if probing {
        // Where the algorithm holds the limit, at most tolerance^2 times what the service takes is in flight: half of
        // what that leaves has no queue.
        let tolerance = tolerance(settings);
        limit * ONE / tolerance * ONE / tolerance / 2
    } else {
        limit
    };
    let limit = (limit >> FRACTION_BITS) as u32;
    fault!(
        "adaptive_published_unbounded",
        limit,
        limit.clamp(settings.min_limit, settings.max_limit)
    )
}

fn tolerance(settings: &Settings) -> u64 {
    match settings.algorithm {
        Algorithm::Gradient2 => settings.tolerance,
        Algorithm::Aimd | Algorithm::Vegas => ONE,
    }
}

/// A limit with fraction, within the bounds.
pub(crate) fn bounded(limit: u64, settings: &Settings) -> u64 {
    if fault!("adaptive_unbounded") {
        return limit;
    }
    limit.clamp(
        u64::from(settings.min_limit) << FRACTION_BITS,
        u64::from(settings.max_limit) << FRACTION_BITS,
    )
}

/// What is known after a window.
pub(crate) fn next(known: Estimate, observed: Observed, settings: &Settings) -> Estimate {
    // A word of shared memory may hold anything: bounded, nothing below overflows.
    let known = Estimate {
        limit: bounded(known.limit, settings),
        ..known
    };
    let used = observed.used || fault!("adaptive_unused_growth");
    if observed.dropped && !fault!("adaptive_drops_ignored") {
        return Estimate {
            limit: bounded(known.limit * settings.backoff / ONE, settings),
            ..known
        };
    }
    let moved = match (settings.algorithm, observed.latency) {
        (_, None) => known,
        (Algorithm::Aimd, Some(_)) => Estimate {
            limit: known.limit + if used { WHOLE } else { 0 },
            ..known
        },
        (Algorithm::Vegas, Some((_, shortest))) => vegas(known, shortest, used, observed.probing),
        (Algorithm::Gradient2, Some((mean, _))) => {
            gradient(known, mean, used, observed.probing, settings)
        }
    };
    Estimate {
        limit: bounded(moved.limit, settings),
        ..moved
    }
}

fn vegas(known: Estimate, shortest: u64, used: bool, probing: bool) -> Estimate {
    let is_first = known.baseline == 0;
    let baseline = if probing || is_first || shortest < known.baseline {
        shortest
    } else {
        known.baseline
    };
    let known = Estimate { baseline, ..known };
    if probing || is_first || !used {
        return known;
    }
    let calls = known.limit >> FRACTION_BITS;
    let step = u64::from(calls.max(10).ilog10());
    // limit * (1 - baseline / latency): how many of the calls in flight are waiting.
    let queue = (calls * (shortest - baseline)).div_ceil(shortest);
    let limit = if queue <= step {
        known.limit + 6 * step * WHOLE
    } else if queue < 3 * step {
        known.limit + step * WHOLE
    } else if queue > 6 * step {
        known.limit.saturating_sub(step * WHOLE)
    } else {
        known.limit
    };
    Estimate { limit, ..known }
}

fn gradient(
    known: Estimate,
    mean: u64,
    used: bool,
    probing: bool,
    settings: &Settings,
) -> Estimate {
    if probing {
        // What no queue explains is usual from now on: a service that became slower keeps its limit.
        return Estimate {
            baseline: mean,
            average: known.average.max(mean << MEAN_BITS),
            ..known
        };
    }
    let baseline = if known.baseline == 0 {
        mean
    } else {
        known.baseline
    };
    // Latencies have 32 bits, a share of them at most 12 more and the fraction 16: 60.
    let mean_fine = mean << MEAN_BITS;
    let average = match known.average {
        0 => mean_fine,
        long if long > mean_fine => long - (long - mean_fine) / LONG_WINDOWS,
        long => long + (mean_fine - long) / LONG_WINDOWS,
    };
    // Latency has fallen for good: forget the slow time sooner.
    let average = if average / 2 > mean_fine {
        average - average / 20
    } else {
        average
    };
    // A standing queue becomes the usual latency in the end; the baseline bounds how far.
    let average = fault!(
        "adaptive_uncapped_average",
        average,
        average.min((baseline << MEAN_BITS) / ONE * settings.tolerance)
    );
    let known = Estimate {
        baseline,
        average,
        ..known
    };
    if !used {
        return known;
    }
    let gradient =
        ((average / ONE * settings.tolerance) / mean_fine.div_ceil(ONE)).clamp(ONE / 2, ONE);
    let queue = if gradient == ONE || fault!("adaptive_gradient_queue") {
        QUEUE * WHOLE
    } else {
        0
    };
    let target = known.limit * gradient / ONE + queue;
    let limit = (known.limit * (ONE - settings.smoothing) + target * settings.smoothing) / ONE;
    Estimate { limit, ..known }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::nanos::Nanos;

    /// S2, R3: whatever the words held, nothing overflows and the limit is within its bounds.
    #[test]
    fn s2_any_estimate_gives_a_limit_within_bounds() {
        let latencies = [1, 2, u64::from(u32::MAX) - 1, u64::from(u32::MAX)];
        let limits = [0, 1, WHOLE, u64::MAX >> 1, u64::MAX];
        let averages = [0, 1, u64::MAX >> 16];
        for algorithm in Algorithm::ALL {
            for (min_limit, max_limit) in [(1, 1), (1, u32::MAX), (u32::MAX, u32::MAX)] {
                let settings = Settings {
                    algorithm,
                    min_limit,
                    max_limit,
                    window: Nanos::ZERO,
                    min_samples: 0,
                    latency_limit: 0,
                    backoff: ONE - 1,
                    tolerance: 4 * ONE,
                    smoothing: ONE,
                    baseline_windows: 10,
                };
                for (mean, baseline) in latencies
                    .map(|mean| latencies.map(|base| (mean, base)))
                    .concat()
                {
                    for (limit, average) in limits
                        .map(|limit| averages.map(|long| (limit, long)))
                        .concat()
                    {
                        for bits in 0..8 {
                            let known = Estimate {
                                limit,
                                baseline,
                                average,
                            };
                            let observed = Observed {
                                latency: Some((mean, mean)),
                                dropped: bits & 1 != 0,
                                used: bits & 2 != 0,
                                probing: bits & 4 != 0,
                            };
                            let next = next(known, observed, &settings);
                            assert_eq!(next.limit, bounded(next.limit, &settings));
                            let published = published(next.limit, bits & 4 != 0, &settings);
                            assert!((min_limit..=max_limit).contains(&published));
                        }
                    }
                }
            }
        }
    }
}
