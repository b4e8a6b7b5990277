//! Where time comes from: [`MonotonicClock`], [`CoarseClock`] and, for tests, [`ManualClock`].
//!
//! The core takes time as an argument; these read it. On Unix both read the system's monotonic
//! clock, which starts at boot and is the same for every process of the host. Elsewhere they count
//! from the first reading in the process.

#[cfg(feature = "tokio")]
mod tokio;

#[cfg(feature = "tokio")]
pub use self::tokio::TokioClock;
pub use fuseboard_core::{Clock, ManualClock};

use fuseboard_core::Nanos;

/// The system's monotonic clock at its full resolution; a reading costs some 20 ns.
///
/// Right for limiters, where one token more or less is decided within microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MonotonicClock;

/// The monotonic clock as of the last timer tick (at most 4 ms ago on common kernels); a reading
/// costs some 5 ns.
///
/// Right for breakers, whose times are tens of milliseconds and more. It never runs ahead of
/// [`MonotonicClock`], with which it shares its zero. Outside Linux it *is* that clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoarseClock;

impl Clock for MonotonicClock {
    #[inline]
    fn now(&self) -> Nanos {
        system::monotonic()
    }
}

impl Clock for CoarseClock {
    #[inline]
    fn now(&self) -> Nanos {
        system::coarse()
    }

    fn precise(&self) -> Nanos {
        system::monotonic()
    }
}

#[cfg(unix)]
mod system {
    use fuseboard_core::Nanos;
    use rustix::time::{ClockId, Timespec, clock_gettime};

    #[inline]
    pub(super) fn monotonic() -> Nanos {
        nanos(clock_gettime(ClockId::Monotonic))
    }

    #[inline]
    pub(super) fn coarse() -> Nanos {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        return nanos(clock_gettime(ClockId::MonotonicCoarse));
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        return monotonic();
    }

    #[inline]
    fn nanos(time: Timespec) -> Nanos {
        // The kernel counts up from boot, so neither field is negative, and 584 years fit: checks would cost a closed call a twelfth.
        let seconds = (time.tv_sec as u64).wrapping_mul(1_000_000_000);
        Nanos::new(seconds.wrapping_add(time.tv_nsec as u64))
    }
}

#[cfg(not(unix))]
mod system {
    use fuseboard_core::Nanos;
    use std::sync::LazyLock;
    use std::time::Instant;

    static ANCHOR: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub(super) fn monotonic() -> Nanos {
        Nanos::from(ANCHOR.elapsed())
    }

    pub(super) fn coarse() -> Nanos {
        monotonic()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t1_neither_clock_goes_back_and_the_coarse_one_never_leads() {
        let mut last = (Nanos::ZERO, Nanos::ZERO);
        for _ in 0..10_000 {
            let coarse = CoarseClock.now();
            let precise = MonotonicClock.now();
            assert!(coarse <= precise, "{coarse} is ahead of {precise}");
            assert!(coarse >= last.0 && precise >= last.1);
            last = (coarse, precise);
        }
    }
}
