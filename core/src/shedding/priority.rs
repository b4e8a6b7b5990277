//! [`PriorityShedding`]: who goes first when places get short. Pure; the word is the concurrency limit's.

use crate::error::ConfigError;

/// Parts of one, as the share is kept inside.
const PARTS: u64 = 1 << 20;

/// As load rises, requests of lower priority are shed first.
///
/// Of a limit's places, a request of priority 255 may take all, one of priority 0 only the share `sheds_from`, the others
/// in between in proportion. So wherever a request is admitted, each of a higher priority would be too; which one is shed
/// depends on nothing but the places taken. A limit of at least one place keeps one open to everybody.
///
/// It is a plain value without state: hand it to
/// [`ConcurrencyLimit::try_acquire_prioritized`](crate::ConcurrencyLimit::try_acquire_prioritized) or to
/// [`AdaptiveLimit::try_acquire_prioritized`](crate::AdaptiveLimit::try_acquire_prioritized), or ask
/// [`places`](Self::places) with a load of your own (a queue's length and capacity).
///
/// # Accuracy
///
/// The share is kept in 2^-20; places are rounded up.
///
/// # Source
///
/// Google, *Site Reliability Engineering* (2016), chapter 21, "Criticality"; the shares are those of a trunk reservation
/// (telephony: the last circuits are kept for the calls that matter more).
///
/// ```
/// use fuseboard_core::{ConcurrencyLimit, PriorityShedding};
///
/// static PLACES: ConcurrencyLimit = ConcurrencyLimit::new(2);
/// const SHEDDING: PriorityShedding = PriorityShedding::new(0.5);
///
/// let batch = PLACES.try_acquire_prioritized(SHEDDING, 0).expect("half of the places are for all");
/// assert!(PLACES.try_acquire_prioritized(SHEDDING, 0).is_err());
/// let payment = PLACES.try_acquire_prioritized(SHEDDING, 255).expect("the last place is kept for it");
/// # drop((batch, payment));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorityShedding {
    /// The share of priority 0, in 1 / [`PARTS`].
    from: u32,
}

impl PriorityShedding {
    /// Sheds priority 0 when the share `sheds_from` (0 to 1) of the places is taken.
    ///
    /// # Panics
    /// On a bad share; in a `const` or `static` that is a compile error.
    pub const fn new(sheds_from: f64) -> Self {
        match Self::try_new(sheds_from) {
            Ok(shedding) => shedding,
            Err(_) => panic!("bad share for priority shedding; `try_new` says why"),
        }
    }

    /// Sheds priority 0 when the share `sheds_from` (0 to 1) of the places is taken.
    ///
    /// # Errors
    /// `sheds_from`: below 0, above 1, or not a number.
    pub const fn try_new(sheds_from: f64) -> Result<Self, ConfigError> {
        if sheds_from >= 0.0 && sheds_from <= 1.0 {
            Ok(Self {
                from: (sheds_from * PARTS as f64 + 0.5) as u32,
            })
        } else {
            Err(ConfigError::decimal("sheds_from", sheds_from, "0 to 1"))
        }
    }

    /// How many of `limit` places a request of `priority` may see taken, itself included: it is admitted while fewer are.
    #[inline]
    pub const fn places(self, limit: u32, priority: u8) -> u32 {
        // 2^32 * 2^20 * 2^8 stays in 64 bits.
        let (from, top) = (self.from as u64, u8::MAX as u64);
        let share = from * top + (PARTS - from) * priority as u64;
        let places = (limit as u64 * share).div_ceil(PARTS * top);
        if places == 0 && limit > 0 {
            1
        } else {
            places as u32
        }
    }
}
