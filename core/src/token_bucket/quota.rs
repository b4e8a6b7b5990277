//! [`Rate`] and the checked quota: what a user may ask of a token bucket.

use crate::error::ConfigError;
use crate::nanos::Nanos;

/// So many units in so much time: the sustained part of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    units: u64,
    per: Nanos,
}

impl Rate {
    /// `units` in `per`; at least one unit, at most one each nanosecond. Checked by the limiter that takes it.
    pub const fn new(units: u64, per: Nanos) -> Self {
        Self { units, per }
    }

    /// `units` a second.
    pub const fn per_second(units: u64) -> Self {
        Self::new(units, Nanos::from_secs(1))
    }

    /// `units` a minute.
    pub const fn per_minute(units: u64) -> Self {
        Self::new(units, Nanos::from_secs(60))
    }

    /// `units` an hour.
    pub const fn per_hour(units: u64) -> Self {
        Self::new(units, Nanos::from_secs(3_600))
    }

    /// Units in each [`per`](Self::per).
    pub const fn units(self) -> u64 {
        self.units
    }

    /// The time that [`units`](Self::units) are for.
    pub const fn per(self) -> Nanos {
        self.per
    }
}

/// Most divisions of a nanosecond: times in them still reach 73 years after the clock's zero.
const SCALE_MAX: u64 = 8;
/// The longest time that a full bucket may stand for, in nanoseconds: 2^59, 18 years. Twice that, in
/// divisions, can be added to any time that the limiter takes.
const TOLERANCE_MAX: u128 = 1 << 59;

/// A checked quota. Times are in `scale` divisions of a nanosecond, so that the interval of a rate which does not divide a
/// second is exact; of one whose reduced numerator is above 8, it is rounded up by less than one division,
/// against the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Divisions from one unit to the next: the emission interval.
    pub(crate) interval: u64,
    pub(crate) burst: u64,
    /// Divisions that a full bucket stands for: the interval times the burst.
    pub(crate) tolerance: u64,
}

impl Quota {
    pub(crate) const fn new(rate: Rate, burst: u64, scale: u64) -> Result<Self, ConfigError> {
        let interval = match Self::interval(rate, scale) {
            Ok(interval) => interval,
            Err(error) => return Err(error),
        };
        if burst == 0 {
            return Err(ConfigError::integer("burst", burst, "at least 1 unit"));
        }
        match Self::tolerance(interval, burst, scale) {
            Some(tolerance) => Ok(Self {
                interval: interval as u64,
                burst,
                tolerance,
            }),
            None => Err(ConfigError::integer(
                "burst",
                burst,
                "as many units as the rate gives in 18 years; choose a smaller burst or a higher rate",
            )),
        }
    }

    /// The emission interval, rounded up to a division.
    pub(crate) const fn interval(rate: Rate, scale: u64) -> Result<u128, ConfigError> {
        if rate.units == 0 || rate.per.get() == 0 {
            return Err(ConfigError::integer(
                "rate",
                rate.units,
                "at least 1 unit in a time of at least 1ns",
            ));
        }
        if rate.units > rate.per.get() {
            return Err(ConfigError::integer(
                "rate",
                rate.units,
                "at most one unit each nanosecond",
            ));
        }
        let per = rate.per.get() as u128 * scale as u128;
        Ok(per.div_ceil(rate.units as u128))
    }

    /// The divisions that `units` stand for, where they are at most 18 years.
    pub(crate) const fn tolerance(interval: u128, units: u64, scale: u64) -> Option<u64> {
        let most = TOLERANCE_MAX * scale as u128;
        // Compared first: the product of a whole interval and a whole u64 need not fit.
        if interval > most || interval * units as u128 > most {
            return None;
        }
        Some((interval * units as u128) as u64)
    }

    /// The divisions that `cost` units stand for; saturates, which is more than any tolerance.
    #[inline]
    pub(crate) const fn span(self, cost: u64) -> u64 {
        self.interval.saturating_mul(cost)
    }

    /// The divisions of a nanosecond in which the rate's interval is whole, where there are such.
    pub(crate) const fn scale(rate: Rate) -> u64 {
        let (mut a, mut b) = (rate.units, rate.per.get());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        match rate.units.checked_div(a) {
            Some(reduced @ 1..=SCALE_MAX) => SCALE_MAX / reduced * reduced,
            _ => SCALE_MAX,
        }
    }
}
