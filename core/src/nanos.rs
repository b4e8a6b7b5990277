//! [`Nanos`]: a moment or a span in nanoseconds, with arithmetic that cannot wrap.

use core::fmt;
use core::time::Duration;

/// Nanoseconds: a moment on the caller's monotonic clock, or a span between two of them.
///
/// 64 bits hold 584 years. There is no `+` or `-`: every operation says what happens at the end of
/// the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Nanos(u64);

impl Nanos {
    /// The clock's zero, or no time at all.
    pub const ZERO: Self = Self(0);
    /// The last representable moment.
    pub const MAX: Self = Self(u64::MAX);

    /// `nanos` nanoseconds.
    pub const fn new(nanos: u64) -> Self {
        Self(nanos)
    }

    /// `micros` microseconds; saturates at [`Nanos::MAX`].
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// `millis` milliseconds; saturates at [`Nanos::MAX`].
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// `secs` seconds; saturates at [`Nanos::MAX`].
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// A `Duration`, saturating at [`Nanos::MAX`].
    pub const fn from_duration(duration: Duration) -> Self {
        let nanos = duration.as_nanos();
        if nanos > u64::MAX as u128 {
            Self::MAX
        } else {
            Self(nanos as u64)
        }
    }

    /// The number of nanoseconds.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, or [`Nanos::MAX`] where it does not fit.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or zero where `other` is later.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The sum, where it fits.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, unless `other` is later.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }
}

impl From<Duration> for Nanos {
    fn from(duration: Duration) -> Self {
        Self::from_duration(duration)
    }
}

impl From<Nanos> for Duration {
    fn from(nanos: Nanos) -> Self {
        Self::from_nanos(nanos.0)
    }
}

/// The largest unit that keeps the number at least one, with no trailing zeros: `29.999s`, `1us`.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name, digits) = match self.0 {
            0 => return f.write_str("0s"),
            1..=999 => (1, "ns", 0),
            1_000..=999_999 => (1_000, "us", 3),
            1_000_000..=999_999_999 => (1_000_000, "ms", 6),
            _ => (1_000_000_000, "s", 9),
        };
        let (whole, mut rest, mut width) = (self.0 / unit, self.0 % unit, digits);
        if rest == 0 {
            return write!(f, "{whole}{name}");
        }
        while rest % 10 == 0 {
            rest /= 10;
            width -= 1;
        }
        write!(f, "{whole}.{rest:0width$}{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::string::ToString;

    #[test]
    fn display_is_exact_and_short() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_000, "1us"),
            (1_500_000, "1.5ms"),
            (29_999_000_000, "29.999s"),
            (1_000_000_001, "1.000000001s"),
            (u64::MAX, "18446744073.709551615s"),
        ] {
            assert_eq!(Nanos::new(nanos).to_string(), text);
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Nanos::MAX.saturating_add(Nanos::new(1)), Nanos::MAX);
        assert_eq!(Nanos::ZERO.saturating_sub(Nanos::new(1)), Nanos::ZERO);
        assert_eq!(Nanos::from_secs(u64::MAX), Nanos::MAX);
        assert_eq!(Nanos::from(Duration::MAX), Nanos::MAX);
        assert_eq!(Nanos::MAX.checked_add(Nanos::new(1)), None);
        assert_eq!(Nanos::ZERO.checked_sub(Nanos::new(1)), None);
    }
}
