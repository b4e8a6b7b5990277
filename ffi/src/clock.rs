//! The clock of the functions that take no time.

use fuseboard_core::Nanos;
use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC`: never steps, and is the same for all processes of a host.
#[inline]
pub(crate) fn monotonic() -> Nanos {
    let now = clock_gettime(ClockId::Monotonic);
    // It counts from boot, so neither part is negative and 64 bits last for 584 years.
    Nanos::new(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}
