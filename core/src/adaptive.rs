//! [`AdaptiveLimit`]: the public face; a concurrency limit that finds itself.

pub(crate) mod config;
mod permit;
mod policy;
mod sample;
mod settings;
mod state;

use crate::adaptive::config::AdaptiveLimitConfig;
use crate::adaptive::settings::SettingsWords;
use crate::adaptive::state::AdaptiveWords;
use crate::concurrency::admitted;
use crate::error::ConfigError;
use crate::nanos::Nanos;
use crate::outcome::Outcome;
use crate::rejected::Rejected;
use crate::shedding::PriorityShedding;
use crate::sync::const_unless_loom;

pub use crate::adaptive::permit::AdaptivePermit;

/// A concurrency limit that follows the latency of the calls it admits: it grows while it is used and calls stay fast, and shrinks
/// when they queue or fail for overload.
///
/// A permit knows when its call began; settled, it gives its place back and its latency to the current window. The caller
/// that ends a window moves the limit, which stands in the same word as the count of calls in flight: admitting is the
/// one swap of a [`ConcurrencyLimit`](crate::ConcurrencyLimit).
///
/// What an outcome means here: `success` is a latency sample. `failure` says that the call was dropped for overload (it
/// timed out, or was refused as too much): the limit backs off. Settle an error that has nothing to do with load with `ignore`;
/// a dropped permit is ignored, too.
///
/// # What it keeps
///
/// - The limit stays between `min_limit` and `max_limit`, whatever is measured and whatever the clock does.
/// - It never grows in a window in which fewer than half of its places were in use.
/// - A call that began before the last decrease says nothing about the limit after it: one congestion, one decrease.
/// - Vegas and Gradient2 judge by a baseline that is measured again every `baseline_windows`: for one window only half of
///   the limit (Gradient2: `1 / (2 tolerance^2)` of it) is admitted, and only calls that began then are counted. So neither a minimum
///   from an earlier time nor a queue that has become usual is taken for the service's own latency.
///
/// # Accuracy
///
/// Latencies are kept in 64 ns, from one such unit to 274 s; a window takes 16,383 samples in, then only their minimum. The limit has 16 bits of
/// fraction inside. A call that ends while a window is closed may give its minimum to one window and its sum to the next.
///
/// # Memory ordering
///
/// As [`ConcurrencyLimit`](crate::ConcurrencyLimit): who takes a place sees what the call that gave it back did.
///
/// # Source
///
/// AIMD: D.-M. Chiu, R. Jain (1989). Vegas: L. Brakmo, S. O'Malley, L. Peterson, *TCP Vegas* (1994). Gradient2 and the
/// constants of Vegas: Netflix, *concurrency-limits* (2018), with the queue allowance only while no delay is seen (its
/// pull request 134).
///
/// ```
/// use fuseboard_core::{AdaptiveLimit, AdaptiveLimitConfig, Algorithm, Nanos, Reason};
///
/// static SEARCH: AdaptiveLimit =
///     AdaptiveLimit::new(AdaptiveLimitConfig::new(Algorithm::Vegas).initial_limit(1));
///
/// let began = Nanos::from_millis(500);
/// let permit = SEARCH.try_acquire(began).expect("a place is free");
/// assert_eq!(SEARCH.try_acquire(began).unwrap_err().reason, Reason::Full);
/// permit.success(Nanos::from_millis(512));
/// assert_eq!(SEARCH.in_flight(), 0);
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct AdaptiveLimit {
    words: AdaptiveWords,
    settings: SettingsWords,
}

impl AdaptiveLimit {
    const_unless_loom! {
        /// A limit at `initial_limit` with nothing in flight.
        ///
        /// # Panics
        /// On a bad configuration; in a `static` that is a compile error.
        pub const fn new(config: AdaptiveLimitConfig) -> Self {
            match Self::try_new(config) {
                Ok(limit) => limit,
                Err(_) => panic!("bad adaptive limit configuration; `try_new` says which field"),
            }
        }
    }

    const_unless_loom! {
        /// A limit at `initial_limit` with nothing in flight.
        ///
        /// # Errors
        /// The first field that is out of its range.
        pub const fn try_new(config: AdaptiveLimitConfig) -> Result<Self, ConfigError> {
            match config.settings() {
                Ok(settings) => Ok(Self {
                    words: AdaptiveWords::new(config.initial()),
                    settings: SettingsWords::new(&settings),
                }),
                Err(error) => Err(error),
            }
        }
    }

    /// Takes a place for a call that begins at `now`.
    ///
    /// # Errors
    /// [`Reason::Full`](crate::Reason::Full).
    #[inline]
    pub fn try_acquire(&self, now: Nanos) -> Result<AdaptivePermit<'_>, Rejected> {
        self.acquire_raw().map(|()| AdaptivePermit::new(self, now))
    }

    /// As [`try_acquire`](Self::try_acquire), for a request of this priority (255 is shed last): a place of the share
    /// of the limit that `shedding` leaves to it.
    ///
    /// # Errors
    /// [`Reason::Full`](crate::Reason::Full).
    #[inline]
    pub fn try_acquire_prioritized(
        &self,
        shedding: PriorityShedding,
        priority: u8,
        now: Nanos,
    ) -> Result<AdaptivePermit<'_>, Rejected> {
        self.acquire_raw_prioritized(shedding, priority)
            .map(|()| AdaptivePermit::new(self, now))
    }

    /// As [`try_acquire_prioritized`](Self::try_acquire_prioritized), given back with [`release_raw`](Self::release_raw).
    ///
    /// # Errors
    /// [`Reason::Full`](crate::Reason::Full).
    #[inline]
    pub fn acquire_raw_prioritized(
        &self,
        shedding: PriorityShedding,
        priority: u8,
    ) -> Result<(), Rejected> {
        admitted(
            self.words
                .word
                .admit(|limit| shedding.places(limit, priority)),
        )
    }

    /// Takes a place that the caller gives back with [`release_raw`](Self::release_raw).
    ///
    /// # Errors
    /// [`Reason::Full`](crate::Reason::Full).
    #[inline]
    pub fn acquire_raw(&self) -> Result<(), Rejected> {
        admitted(self.words.word.admit(|limit| limit))
    }

    /// Gives the place of a call back that began at `started` and ended at `now`. `false` when no place was taken, and
    /// nothing is changed.
    #[inline]
    pub fn release_raw(&self, started: Nanos, outcome: Outcome, now: Nanos) -> bool {
        self.words.settle(started, outcome, now, &self.settings)
    }

    /// Gives a place back whose call was never made.
    pub(crate) fn cancel_raw(&self) -> bool {
        self.words.word.release().is_some()
    }

    /// Calls in flight.
    pub fn in_flight(&self) -> u32 {
        self.words.word.load().1
    }

    /// The limit now; lower than what was found, while the baseline is measured.
    pub fn limit(&self) -> u32 {
        self.words.word.load().0
    }

    /// The latency without a queue, as last measured; `None` before that, and for AIMD.
    pub fn baseline(&self) -> Option<Nanos> {
        self.words.baseline()
    }

    /// Takes new settings over and keeps what was found; a limit out of the new bounds goes to the nearer one. `initial_limit`
    /// is not used.
    ///
    /// # Errors
    /// The first field that is out of its range; nothing is changed then.
    pub fn configure(&self, config: AdaptiveLimitConfig) -> Result<(), ConfigError> {
        self.settings.store(&config.settings()?);
        self.words.rebound(&self.settings);
        Ok(())
    }
}
