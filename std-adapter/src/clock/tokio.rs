//! [`TokioClock`].

use fuseboard_core::{Clock, Nanos};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Time as tokio's timers see it: it stands still where a test has paused them.
///
/// Policies that wait read this clock. Give it to a breaker or limiter (`with_clock`) that is to be tested together with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokioClock;

/// A paused clock starts when its runtime does, which may be before the first reading of the process: so zero lies well
/// before that. Where an `Instant` cannot, every clock of a test reads at least zero.
static ZERO: LazyLock<Instant> = LazyLock::new(|| {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(1 << 25)).unwrap_or(now)
});

impl Clock for TokioClock {
    fn now(&self) -> Nanos {
        let now = ::tokio::time::Instant::now().into_std();
        Nanos::from(now.saturating_duration_since(*ZERO))
    }
}
