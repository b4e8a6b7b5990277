//! The throttle's formula and draws, pure and in integers.

use crate::fault::fault;

/// One, as `K` is kept inside.
pub(crate) const ONE: u64 = 1 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// `K` in 1 / [`ONE`].
    pub(crate) multiplier: u32,
    pub(crate) minimum: u32,
}

impl Rules {
    pub(crate) const fn bits(self) -> u64 {
        (self.minimum as u64) << 32 | self.multiplier as u64
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self {
            multiplier: bits as u32,
            minimum: (bits >> 32) as u32,
        }
    }

    /// `max(0, (requests - K * accepts) / (requests + 1))`.
    pub(crate) fn odds(self, requests: u64, accepts: u64) -> Odds {
        let accepts = fault!("throttle_ignores_accepts", 0, accepts);
        let taken = u128::from(accepts) * u128::from(self.multiplier);
        let part = if requests < u64::from(self.minimum) && !fault!("throttle_without_minimum") {
            0
        } else {
            (u128::from(requests) * u128::from(ONE)).saturating_sub(taken)
        };
        Odds {
            part,
            whole: (u128::from(requests) + 1) * u128::from(ONE),
        }
    }
}

/// A probability, as an exact fraction. Requests have at most 38 bits: nothing overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Odds {
    part: u128,
    whole: u128,
}

impl Odds {
    pub(crate) fn is_zero(self) -> bool {
        self.part == 0
    }

    /// Whether a draw, uniform in 32 bits, falls below the probability.
    pub(crate) fn rejects(self, draw: u32) -> bool {
        u128::from(draw) * self.whole < self.part << 32
    }

    pub(crate) fn share(self) -> f64 {
        self.part as f64 / self.whole as f64
    }
}

/// The `turn`-th draw of a seed.
///
/// Source: S. Vigna's `SplitMix64` (2015), its top half.
pub(crate) fn draw(seed: u64, turn: u64) -> u32 {
    let mut z = seed.wrapping_add(turn.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 32) as u32
}
