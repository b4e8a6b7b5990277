//! [`ClientThrottle`]: the public face of adaptive client-side throttling.

pub(crate) mod config;
mod policy;
pub(crate) mod slots;

use crate::error::ConfigError;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::rejected::{Reason, Rejected};
use crate::sync::{AtomicU64, Ordering, const_unless_loom};
use crate::throttle::config::ClientThrottleConfig;
use crate::throttle::policy::Rules;
use crate::throttle::slots::Slots;

/// A client that rejects by itself what its backend would refuse, in the share that the backend refuses.
///
/// Over the window, with `requests` asked for and `accepts` that the backend took, a request is rejected with probability
/// `max(0, (requests - K * accepts) / (requests + 1))`. Of a backend that takes everything nothing is rejected; of one that
/// takes nothing nearly everything, but always a few requests still find out. Rejected ones count as requests, as in
/// the source; an admitted one counts when its end is recorded, so that calls in flight are not taken for refused ones.
///
/// The draws come from a seeded counter: the same requests in the same order meet the same fate.
///
/// `SLOTS` pieces make the window.
///
/// # Accuracy
///
/// The window moves by slots: counts are of the last `window`, less up to one slot. `K` is kept in 1/1024. A slot counts to
/// 4,294,967,295 and stays there. What is recorded with an older time is counted in the slot that has taken its place.
///
/// # Range
///
/// Slots are numbered by 32 bits: an idle time of more than 2^31 slots (248 days at the shortest slot, 10 ms; 816 years at the default)
/// may take old counts for new ones.
///
/// # Source
///
/// Google, *Site Reliability Engineering* (2016), chapter 21, "Client-Side Throttling".
///
/// ```
/// use fuseboard_core::{ClientThrottle, ClientThrottleConfig, Nanos};
///
/// static GEOCODER: ClientThrottle =
///     ClientThrottle::new(ClientThrottleConfig::new().multiplier(2.0).minimum_requests(10));
///
/// let now = Nanos::from_secs(1);
/// for _ in 0..100 {
///     if GEOCODER.try_acquire(now).is_ok() {
///         GEOCODER.refused(now); // what the backend said
///     }
/// }
/// assert!(GEOCODER.rejection_share(now) > 0.9);
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct ClientThrottle<const SLOTS: usize = 10> {
    requests: Slots<SLOTS>,
    accepts: Slots<SLOTS>,
    draws: AtomicU64,
    slot: AtomicU64,
    /// `K` below, the minimum above, 32 bits each.
    rules: AtomicU64,
    seed: AtomicU64,
}

impl<const SLOTS: usize> ClientThrottle<SLOTS> {
    const SHAPE: () = assert!(
        SLOTS >= 1 && SLOTS <= slots::SLOTS_MAX,
        "a throttle has 1 to 64 slots"
    );

    const_unless_loom! {
        /// A throttle that has seen nothing.
        ///
        /// # Panics
        /// On a bad configuration; in a `static` that is a compile error.
        pub const fn new(config: ClientThrottleConfig) -> Self {
            match Self::try_new(config) {
                Ok(throttle) => throttle,
                Err(_) => panic!("bad client throttle configuration; `try_new` says which field"),
            }
        }
    }

    const_unless_loom! {
        /// A throttle that has seen nothing.
        ///
        /// # Errors
        /// The first field that is out of its range.
        pub const fn try_new(config: ClientThrottleConfig) -> Result<Self, ConfigError> {
            let () = Self::SHAPE;
            match config.settings(SLOTS) {
                Ok(settings) => Ok(Self {
                    requests: Slots::new(),
                    accepts: Slots::new(),
                    draws: AtomicU64::new(0),
                    slot: AtomicU64::new(settings.slot.get()),
                    rules: AtomicU64::new(settings.rules.bits()),
                    seed: AtomicU64::new(settings.seed),
                }),
                Err(error) => Err(error),
            }
        }
    }

    /// Asks for one request at `now`; record its end with [`accepted`](Self::accepted) or [`refused`](Self::refused). One that is
    /// never recorded counts as nothing.
    ///
    /// # Errors
    /// [`Reason::Limited`]; it counts as a request. Nobody can know when the backend recovers.
    pub fn try_acquire(&self, now: Nanos) -> Result<(), Rejected> {
        let tick = self.tick(now);
        if fault!("throttle_counts_admissions") {
            self.requests.add(tick, 1);
        }
        let (requests, accepts) = self.sums(tick);
        let odds = self.rules().odds(requests, accepts);
        if odds.is_zero() {
            return Ok(());
        }
        // Relaxed: the counter only makes each draw another one.
        let turn = self.draws.fetch_add(1, Ordering::Relaxed);
        // Relaxed: written once, before the throttle is shared.
        let seed = self.seed.load(Ordering::Relaxed);
        if odds.rejects(policy::draw(seed, turn)) {
            if !fault!("throttle_forgets_rejected") {
                self.requests.add(tick, 1);
            }
            return Err(Rejected {
                reason: Reason::Limited,
                retry_after: None,
            });
        }
        Ok(())
    }

    /// The backend took the request: it answered, well or badly, but not for overload.
    pub fn accepted(&self, now: Nanos) {
        let tick = self.tick(now);
        // The accept first: who reads between the two sees less reason to reject, never more.
        self.accepts.add(tick, 1);
        self.requests.add(tick, 1);
    }

    /// The backend refused the request as too much, or did not answer in time.
    pub fn refused(&self, now: Nanos) {
        self.requests.add(self.tick(now), 1);
    }

    /// (requests, accepts) in the window at `now`.
    pub fn counts(&self, now: Nanos) -> (u64, u64) {
        self.sums(self.tick(now))
    }

    /// The share of requests, 0 to below 1, that would be rejected at `now`. For display: decisions use integers.
    pub fn rejection_share(&self, now: Nanos) -> f64 {
        let (requests, accepts) = self.counts(now);
        self.rules().odds(requests, accepts).share()
    }

    /// Takes a new `K` and minimum over; the counts stay. The window and the seed stay as they were made.
    ///
    /// # Errors
    /// The first field that is out of its range; `window` when its length would change. Nothing is changed then.
    pub fn configure(&self, config: ClientThrottleConfig) -> Result<(), ConfigError> {
        let settings = config.settings(SLOTS)?;
        // Relaxed: written once, before the throttle is shared.
        if settings.slot.get() != self.slot.load(Ordering::Relaxed) {
            return Err(ConfigError::conflict(
                "window",
                "its length differs from the running throttle's",
                "what it was made with; make a new throttle for another window",
            ));
        }
        // Relaxed: one word, whole by itself.
        self.rules.store(settings.rules.bits(), Ordering::Relaxed);
        Ok(())
    }

    fn sums(&self, tick: u64) -> (u64, u64) {
        (self.requests.sum(tick), self.accepts.sum(tick))
    }

    fn tick(&self, now: Nanos) -> u64 {
        // Relaxed: written once, before the throttle is shared. A word of shared memory may be anything.
        now.get() / self.slot.load(Ordering::Relaxed).max(1)
    }

    fn rules(&self) -> Rules {
        // Relaxed: as in `configure`.
        Rules::from_bits(self.rules.load(Ordering::Relaxed))
    }
}
