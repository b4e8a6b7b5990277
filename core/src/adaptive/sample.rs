//! [`Samples`]: one window's latencies in one word, pure.
//!
//! ```text
//!  63   62      61        48 47                     0
//! +----+-------+------------+------------------------+
//! |used|dropped|   samples  |    sum of latencies    |
//! |  1 |   1   |     14     |           48           |
//! +----+-------+------------+------------------------+
//! ```
//! A latency is in units of 64 ns, at most 2^32 - 1: the sum of all samples fits. When the samples are full, later ones
//! change only the two bits. Every bit pattern is legal.

use crate::fault::fault;
use crate::nanos::Nanos;

/// Nanoseconds in a unit, as a shift.
const UNIT_SHIFT: u32 = 6;
const LATENCY_MAX: u64 = u32::MAX as u64;
const COUNT_SHIFT: u32 = 48;
const COUNT_MASK: u64 = (1 << 14) - 1;
const SUM_MASK: u64 = (1 << COUNT_SHIFT) - 1;
const DROPPED: u64 = 1 << 62;
const USED: u64 = 1 << 63;
const _: () = assert!(COUNT_MASK * LATENCY_MAX <= SUM_MASK);

/// A latency in units: at least one, so that nothing divides by zero.
pub(crate) const fn units(latency: Nanos) -> u64 {
    let units = latency.get() >> UNIT_SHIFT;
    if units == 0 {
        1
    } else if units > LATENCY_MAX {
        LATENCY_MAX
    } else {
        units
    }
}

/// The time that `units` stand for.
pub(crate) const fn time(units: u64) -> Nanos {
    Nanos::new(
        if units > LATENCY_MAX {
            LATENCY_MAX
        } else {
            units
        } << UNIT_SHIFT,
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Samples(u64);

impl Samples {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// With one more call: its latency (unless it was dropped unmeasured), and whether it met a limit in use.
    pub(crate) fn with(self, latency: Option<u64>, dropped: bool, used: bool) -> Self {
        let mut word = self.0;
        if dropped {
            word |= DROPPED;
        }
        if used {
            word |= USED;
        }
        match latency {
            Some(latency) if self.count() < COUNT_MASK || fault!("samples_spill") => {
                // Foreign bits may hold any sum: it stays in its field.
                let sum = (word & SUM_MASK) + latency;
                let sum = if sum > SUM_MASK && !fault!("samples_spill") {
                    SUM_MASK
                } else {
                    sum
                };
                Self((word & !SUM_MASK | sum) + (1 << COUNT_SHIFT))
            }
            _ => Self(word),
        }
    }

    pub(crate) const fn count(self) -> u64 {
        self.0 >> COUNT_SHIFT & COUNT_MASK
    }

    /// The mean latency in units, at least one; `None` without a sample.
    pub(crate) const fn mean(self) -> Option<u64> {
        match (self.0 & SUM_MASK).checked_div(self.count()) {
            Some(0) => Some(1),
            // Only foreign bits are beyond.
            Some(mean) if mean > LATENCY_MAX => Some(LATENCY_MAX),
            mean => mean,
        }
    }

    pub(crate) const fn dropped(self) -> bool {
        self.0 & DROPPED != 0
    }

    /// At some moment at least half of the limit was in flight.
    pub(crate) const fn used(self) -> bool {
        self.0 & USED != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R6, W4: next to the limit of each field, the neighbours keep their values.
    #[test]
    fn r6_samples_saturate() {
        let mut samples = Samples::NONE;
        for _ in 0..COUNT_MASK {
            samples = samples.with(Some(LATENCY_MAX), false, false);
        }
        assert_eq!(samples.count(), COUNT_MASK);
        assert_eq!(samples.mean(), Some(LATENCY_MAX));
        assert!(!samples.dropped() && !samples.used());
        let more = samples.with(Some(1), true, true);
        assert_eq!((more.count(), more.mean()), (COUNT_MASK, Some(LATENCY_MAX)));
        assert!(more.dropped() && more.used());
        assert_eq!(Samples::NONE.with(None, true, false).mean(), None);
    }

    /// S2: a foreign sum cannot spill into the count.
    #[test]
    fn s2_foreign_sum_stays_in_its_field() {
        let samples = Samples::from_bits(SUM_MASK).with(Some(LATENCY_MAX), false, false);
        assert_eq!(samples.count(), 1);
        assert_eq!(samples.mean(), Some(LATENCY_MAX));
    }

    #[test]
    fn t4_units_are_bounded() {
        assert_eq!(units(Nanos::ZERO), 1);
        assert_eq!(units(Nanos::MAX), LATENCY_MAX);
        assert_eq!(time(units(Nanos::from_millis(1))), Nanos::from_millis(1));
    }
}
