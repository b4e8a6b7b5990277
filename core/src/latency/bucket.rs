//! Where a latency is counted, and what a bucket spans. Pure, and exact: integers only.
//!
//! A length is moved up until its top bit is set; where it stands among eight roots of two is its place within its power of two.

use crate::fault::fault;
use crate::nanos::Nanos;

/// Buckets of one power of two; the scale is its logarithm.
const PER_OCTAVE: usize = 1 << SCALE;
/// OpenTelemetry's name for the accuracy: the base is 2^(2^-3).
pub(crate) const SCALE: u32 = 3;
/// The shortest length that has a bucket is longer than 2^10 ns.
pub(crate) const SHORTEST_BIT: u32 = 10;
/// 32 powers of two. One for a model checker: there a word is a state.
pub(crate) const BUCKETS: usize = if cfg!(any(fuseboard_loom, fuseboard_shuttle)) {
    1
} else {
    32 * PER_OCTAVE
};

/// 2^63 times 2^(k/8), rounded down.
const ROOTS: [u64; PER_OCTAVE] = [
    0x8000_0000_0000_0000,
    0x8B95_C1E3_EA8B_D6E6,
    0x9837_F051_8DB8_A96F,
    0xA5FE_D6A9_B151_38EA,
    0xB504_F333_F9DE_6484,
    0xC567_2A11_5506_DADD,
    0xD744_FCCA_D69D_6AF4,
    0xEAC0_C6E7_DD24_392E,
];

/// Where a latency is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not longer than 2^10 ns.
    Short,
    /// In the bucket of this index, below [`BUCKETS`].
    Bucket(usize),
}

#[inline]
pub(crate) fn place(latency: Nanos) -> Place {
    let nanos = latency.get();
    if nanos <= 1 << SHORTEST_BIT {
        return Place::Short;
    }
    let zeros = nanos.leading_zeros();
    let moved_up = nanos << zeros;
    let is_above = |root: &u64| {
        fault!(
            "latency_bound_exclusive",
            moved_up >= *root,
            moved_up > *root
        )
    };
    // The roots bend below the straight line from one power of two to the next, by less than one place: those that the leading bits tell
    // of are below, the next one has to be asked, and no further one is. A bucket ends with its upper bound: a power of two itself
    // is above no root, and belongs to the bucket before.
    let eighths = (moved_up >> (63 - SCALE)) as usize % PER_OCTAVE;
    let above = eighths
        + usize::from(is_above(&ROOTS[0]))
        + usize::from(ROOTS.get(eighths + 1).is_some_and(is_above));
    let octave = (63 - SHORTEST_BIT).saturating_sub(zeros) as usize;
    let index = (octave * PER_OCTAVE + above).saturating_sub(1);
    Place::Bucket(fault!(
        "latency_longest_lost",
        index,
        index.min(BUCKETS - 1)
    ))
}

/// The longest latency, in whole nanoseconds, that a bucket of this index is for.
pub(crate) fn upper(index: usize) -> Nanos {
    let next = index + 1;
    let octave = (next / PER_OCTAVE) as u32;
    let root = ROOTS.get(next % PER_OCTAVE).copied().unwrap_or(u64::MAX);
    let down = 63_u32.saturating_sub(SHORTEST_BIT + octave);
    Nanos::new(root >> down)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// O1: every bound is in the bucket that it ends, and one nanosecond more in the next.
    #[test]
    fn o1_a_bucket_ends_with_its_bound() {
        assert_eq!(place(Nanos::new(1 << 10)), Place::Short);
        assert_eq!(place(Nanos::new((1 << 10) + 1)), Place::Bucket(0));
        for index in 0..BUCKETS {
            let bound = upper(index);
            assert_eq!(place(bound), Place::Bucket(index), "{bound}");
            let next = (index + 1).min(BUCKETS - 1);
            assert_eq!(place(Nanos::new(bound.get() + 1)), Place::Bucket(next));
            let exact = 2_f64.powf((80 + index + 1) as f64 / 8.0);
            assert!((bound.get() as f64 - exact).abs() < 1.0, "{bound}, {exact}");
        }
        assert_eq!(upper(BUCKETS - 1), Nanos::new(1 << 42));
    }

    #[test]
    fn t4_any_latency_has_a_place() {
        assert_eq!(place(Nanos::ZERO), Place::Short);
        assert_eq!(place(Nanos::MAX), Place::Bucket(BUCKETS - 1));
        for bit in 0..64 {
            for nanos in [(1_u64 << bit).wrapping_sub(1), 1 << bit, (1 << bit) | 1] {
                assert!(
                    !matches!(place(Nanos::new(nanos)), Place::Bucket(index) if index >= BUCKETS)
                );
            }
        }
    }
}
