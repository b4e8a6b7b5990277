//! [`Rejected`]: "not now", with the reason and the moment to come back.

use crate::nanos::Nanos;
use core::fmt;

/// Why a request was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The breaker is open and its time is not over.
    Open,
    /// The breaker is half-open and every probe place is taken.
    HalfOpenFull,
    /// An operator holds the breaker open.
    ForcedOpen,
    /// The breaker has just closed and admits a growing share.
    Ramping,
    /// The rate limit is used up for now.
    Limited,
    /// As many calls as allowed are in flight.
    Full,
    /// The cost is more than the limiter can ever admit.
    Never,
}

impl Reason {
    /// Every reason, so that a binding can prove that it maps each one.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::HalfOpenFull,
        Self::ForcedOpen,
        Self::Ramping,
        Self::Limited,
        Self::Full,
        Self::Never,
    ];

    /// The stable name, the same in every language: `half_open_full`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::HalfOpenFull => "half_open_full",
            Self::ForcedOpen => "forced_open",
            Self::Ramping => "ramping",
            Self::Limited => "limited",
            Self::Full => "full",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "the circuit breaker is open",
            Self::HalfOpenFull => "the circuit breaker is half-open and all probe places are taken",
            Self::ForcedOpen => "the circuit breaker is forced open",
            Self::Ramping => "the circuit breaker has just closed and admits only a share",
            Self::Limited => "the rate limit is used up",
            Self::Full => "the concurrency limit is reached",
            Self::Never => "the cost is more than the limiter can ever admit",
        })
    }
}

/// A request that was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rejected {
    /// Why.
    pub reason: Reason,
    /// How long after the `now` of the request another one can be admitted, if nobody else takes
    /// the place. `None` where nobody can know it: until an operator acts, until another call
    /// ends, or never.
    pub retry_after: Option<Nanos>,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retry_after {
            Some(after) => write!(f, "{}; retry after {after}", self.reason),
            None => self.reason.fmt(f),
        }
    }
}

impl core::error::Error for Rejected {}
