//! [`CoDel`]: the public face of the sojourn time law.

mod policy;
mod state;

use crate::error::ConfigError;
use crate::nanos::Nanos;
use crate::shedding::codel::policy::Rules;
use crate::shedding::codel::state::CoDelWords;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

/// Controlled delay for a queue of the caller's: entries that waited too long for too long are shed.
///
/// A queue that drains within each `interval` is a good one, however long it gets meanwhile. When every entry taken out
/// has waited `target` or longer for a whole `interval`, the queue stands: from then on entries are shed, one at first,
/// then again after `interval / sqrt(n)`, until one is met that waited less. The caller owns the queue and asks for
/// each entry that it takes out.
///
/// # Accuracy
///
/// The times of the drop law are kept in `interval / 1024`, which is also the shortest spacing of sheds (after 2^20 of
/// them in a row). With several consumers each decision is one swap: no shed is counted twice. Whether the queue stands
/// is a word of its own: a consumer that takes a fresh entry out at the same moment may end the law one entry sooner or later.
///
/// # Range
///
/// The drop law's times reach 8.6e9 intervals (27 years at 100 ms) after the clock's zero; later, what has waited too long is
/// always shed. After a clock that went back, nothing more is shed until it has caught up or a fresh entry is met.
///
/// # Source
///
/// K. Nichols, V. Jacobson, A. `McGregor`, J. Iyengar, *Controlled Delay Active Queue Management*, RFC 8289 (2018). A law that
/// begins again within 16 intervals resumes two steps below where it ended, as in the paper (*ACM Queue* 10/5, 2012).
///
/// ```
/// use fuseboard_core::{CoDel, Nanos};
///
/// static INBOX: CoDel = CoDel::new(Nanos::from_millis(5), Nanos::from_millis(100));
///
/// // Each entry has waited 20 ms: after one interval of that, the first is shed.
/// let is_served = |at| INBOX.is_served(Nanos::from_millis(at - 20), Nanos::from_millis(at));
/// assert!(is_served(1_000));
/// assert!(is_served(1_099));
/// assert!(!is_served(1_100));
/// assert!(is_served(1_101));
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct CoDel {
    words: CoDelWords,
    target: AtomicU64,
    interval: AtomicU64,
}

impl CoDel {
    /// The RFC's `target`: 5 ms.
    pub const TARGET: Nanos = Nanos::from_millis(5);
    /// The RFC's `interval`: 100 ms.
    pub const INTERVAL: Nanos = Nanos::from_millis(100);

    const_unless_loom! {
        /// A queue that does not stand.
        ///
        /// # Panics
        /// On a bad target or interval; in a `static` that is a compile error.
        pub const fn new(target: Nanos, interval: Nanos) -> Self {
            match Self::try_new(target, interval) {
                Ok(codel) => codel,
                Err(_) => panic!("bad CoDel setting; `try_new` says which field"),
            }
        }
    }

    const_unless_loom! {
        /// A queue that does not stand.
        ///
        /// # Errors
        /// `target`: zero or longer than the interval. `interval`: shorter than 1.024 us.
        pub const fn try_new(target: Nanos, interval: Nanos) -> Result<Self, ConfigError> {
            match Rules::checked(target, interval) {
                Ok(_) => Ok(Self {
                    words: CoDelWords::new(),
                    target: AtomicU64::new(target.get()),
                    interval: AtomicU64::new(interval.get()),
                }),
                Err(error) => Err(error),
            }
        }
    }

    /// Whether an entry that was put in at `enqueued` and is taken out at `now` is to be served; if not, shed it and take
    /// out the next. Ask once for each entry.
    #[must_use = "an entry that is not served is shed by the caller"]
    #[inline]
    pub fn is_served(&self, enqueued: Nanos, now: Nanos) -> bool {
        self.words.serve(enqueued, now, self.rules())
    }

    /// Whether the law is shedding now.
    pub fn is_shedding(&self) -> bool {
        self.words.is_shedding()
    }

    /// Changes target and interval; a law that was shedding begins again with the next entry that waited too long.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new); nothing is changed then.
    pub fn configure(&self, target: Nanos, interval: Nanos) -> Result<(), ConfigError> {
        let rules = Rules::checked(target, interval)?;
        // Relaxed: a decision between the two stores mixes old and new, each of them valid.
        self.target.store(rules.target.get(), Ordering::Relaxed);
        self.interval.store(rules.interval.get(), Ordering::Relaxed);
        self.words.reset();
        Ok(())
    }

    #[inline]
    fn rules(&self) -> Rules {
        Rules {
            // Relaxed: as in `configure`. A word of shared memory may be anything.
            target: Nanos::new(self.target.load(Ordering::Relaxed)),
            interval: Nanos::new(
                self.interval
                    .load(Ordering::Relaxed)
                    .max(policy::TICKS_PER_INTERVAL),
            ),
        }
    }
}
