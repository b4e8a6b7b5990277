//! [`Draws`]: seeded random numbers for jitter and chaos. Not for secrets.

use std::sync::{Mutex, PoisonError};

/// A sequence that is the same for the same seed.
#[derive(Debug)]
pub(crate) struct Draws(Mutex<u64>);

impl Draws {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self(Mutex::new(seed.unwrap_or_else(crate::breaker::fresh_seed)))
    }

    /// Uniform over all of 64 bits (`SplitMix64`; G. Steele, D. Lea, C. Flood, 2014).
    pub(crate) fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Uniform from `low` to `high`, both included.
    pub(crate) fn between(&self, low: u64, high: u64) -> u64 {
        let span = u128::from(high.saturating_sub(low)) + 1;
        // The high half of a product: no modulo, and a bias below 2^-64.
        low + ((u128::from(self.next()) * span) >> 64) as u64
    }

    /// Whether something that happens with this share of all draws happens now.
    #[cfg(feature = "chaos")]
    pub(crate) fn happens(&self, share: f64) -> bool {
        // 53 bits are what an `f64` keeps.
        ((self.next() >> 11) as f64) < share * (1_u64 << 53) as f64
    }
}
