//! [`LoadShedding`]: when it gets tight, the less important calls are rejected first.

use crate::adaptive::{AdaptiveLimit, AdaptivePermit};
use crate::call::{CallError, PolicyKind};
use crate::tally::{Tally, did};
use fuseboard_core::{ConcurrencyLimit, ConfigError, Outcome, PriorityShedding, Rejected};
use std::sync::Arc;

/// Rejects calls by priority before the places are all taken: the last ones are kept for the most important.
///
/// ```
/// use fuseboard::LoadShedding;
///
/// // Priority 0 may fill half of the ten places, 255 all of them, and those between a share between.
/// let shedding = LoadShedding::fixed(10, 0.5).unwrap();
/// let batch: Vec<_> = (0..10).flat_map(|_| shedding.try_acquire(0)).collect();
/// assert_eq!(batch.len(), 5);
/// assert!(shedding.try_acquire(255).is_ok());
/// ```
///
/// A clone is another handle of the same places.
#[derive(Clone, Debug)]
pub struct LoadShedding {
    places: Places,
    shedding: PriorityShedding,
    tally: Tally,
}

#[derive(Clone, Debug)]
enum Places {
    Fixed(Arc<ConcurrencyLimit>),
    Adaptive(AdaptiveLimit),
}

impl LoadShedding {
    /// Of `limit` places; the least important calls (priority 0) are shed when the share `sheds_from` of them is taken.
    ///
    /// # Errors
    /// `limit` where it is 0, or `sheds_from` where it is not 0 to 1.
    pub fn fixed(limit: u32, sheds_from: f64) -> Result<Self, ConfigError> {
        Ok(Self {
            places: Places::Fixed(Arc::new(ConcurrencyLimit::try_new(limit)?)),
            shedding: PriorityShedding::try_new(sheds_from)?,
            tally: Tally::new::<did::Shedding>(),
        })
    }

    /// Of the places that an adaptive limit finds.
    ///
    /// # Errors
    /// `sheds_from` where it is not 0 to 1.
    pub fn adaptive(limit: AdaptiveLimit, sheds_from: f64) -> Result<Self, ConfigError> {
        Ok(Self {
            places: Places::Adaptive(limit),
            shedding: PriorityShedding::try_new(sheds_from)?,
            tally: Tally::new::<did::Shedding>(),
        })
    }

    /// Another limit for all handles, where it is fixed, and another share for this one.
    #[cfg(feature = "config")]
    pub(crate) fn change(&mut self, limit: u32, sheds_from: f64) -> Result<(), ConfigError> {
        let shedding = PriorityShedding::try_new(sheds_from)?;
        if let Places::Fixed(places) = &self.places {
            places.set_limit(limit)?;
        }
        self.shedding = shedding;
        Ok(())
    }

    /// Takes a place for a call of this priority; 255 is shed last.
    ///
    /// # Errors
    /// The places left to this priority are taken.
    pub fn try_acquire(&self, priority: u8) -> Result<SheddingPermit, Rejected> {
        let place = self.place(priority);
        self.tally.count(match &place {
            Ok(_) => did::Shedding::Admitted,
            Err(_) => did::Shedding::Rejected,
        });
        Ok(SheddingPermit { place: place? })
    }

    fn place(&self, priority: u8) -> Result<Place, Rejected> {
        Ok(match &self.places {
            Places::Fixed(limit) => {
                limit.acquire_raw_prioritized(self.shedding, priority)?;
                Place::Fixed(Arc::clone(limit))
            }
            Places::Adaptive(limit) => {
                Place::Adaptive(limit.try_acquire_prioritized(self.shedding, priority)?)
            }
        })
    }

    /// What became of those who asked for a place.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Makes a call of this priority. An adaptive limit learns from `Ok`.
    ///
    /// # Errors
    /// The call was shed, or the operation's own.
    pub async fn call<T, E>(
        &self,
        priority: u8,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        let permit = match self.try_acquire(priority) {
            Ok(permit) => permit,
            Err(rejected) => return Err(CallError::rejected(PolicyKind::Shedding, rejected)),
        };
        let result = operation.await;
        permit.settle(if result.is_ok() {
            Outcome::Success
        } else {
            Outcome::Ignored
        });
        result.map_err(CallError::OperationFailed)
    }

    /// Calls in flight.
    pub fn in_flight(&self) -> u32 {
        match &self.places {
            Places::Fixed(limit) => limit.in_flight(),
            Places::Adaptive(limit) => limit.in_flight(),
        }
    }
}

/// A place of a [`LoadShedding`]; dropped, it is given back and nothing is learnt.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once holds no place"]
pub struct SheddingPermit {
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Given back by [`SheddingPermit`]'s drop.
    Fixed(Arc<ConcurrencyLimit>),
    Adaptive(AdaptivePermit),
    Settled,
}

impl SheddingPermit {
    /// Gives the place back with what an adaptive limit learns from: see [`AdaptivePermit::settle`].
    pub fn settle(mut self, outcome: Outcome) {
        if matches!(self.place, Place::Adaptive(_))
            && let Place::Adaptive(permit) = std::mem::replace(&mut self.place, Place::Settled)
        {
            permit.settle(outcome);
        }
    }
}

impl Drop for SheddingPermit {
    fn drop(&mut self) {
        if let Place::Fixed(limit) = &self.place {
            limit.release_raw();
        }
    }
}
