//! Limiters that are asked for more than they give: what they admitted is within the bound all the time.

use std::sync::atomic::{AtomicU64, Ordering};

use fuseboard_core::{
    FixedWindowRateLimiter, KeyedRateLimiter, LeakyBucket, Nanos, Rate, SlidingCounterRateLimiter,
    SlidingWindowRateLimiter, TokenBucketRateLimiter, WhenFull,
};

use crate::storm::Walker;

const MILLISECOND: u64 = 1_000_000;
/// Nanoseconds of one unit.
const INTERVAL: u64 = 4 * MILLISECOND;
const BURST: u64 = 10;
const WINDOW: u64 = 40 * MILLISECOND;
const KEYS: u64 = 24;

/// What was admitted, and the latest time that was supplied.
///
/// The time is raised before a request and the admission counted after it; who checks reads the count first. So the count
/// is never more, and the time never less, than what holds.
#[derive(Default)]
struct Ledger {
    admitted: AtomicU64,
    latest: AtomicU64,
    /// Changes of the quota; each may give another burst.
    changes: AtomicU64,
}

impl Ledger {
    fn ask(&self, now: Nanos, cost: u64, admits: impl FnOnce() -> bool) {
        self.latest.fetch_max(now.get(), Ordering::SeqCst);
        if admits() {
            self.admitted.fetch_add(cost, Ordering::SeqCst);
        }
    }

    /// `bound`: units at the most, for the latest time and the changes so far.
    fn check(&self, walker: &Walker<'_>, name: &str, bound: impl FnOnce(u64, u64) -> u64) {
        let admitted = self.admitted.load(Ordering::SeqCst);
        let changes = self.changes.load(Ordering::SeqCst);
        let latest = self.latest.load(Ordering::SeqCst);
        let bound = bound(latest, changes);
        walker.require(admitted <= bound, "L1", || {
            format!("{name} admitted {admitted}, at most {bound} by {latest} ns")
        });
    }
}

/// One of each.
pub struct Limiters {
    reconfigured: bool,
    token_bucket: (TokenBucketRateLimiter, Ledger),
    leased: (TokenBucketRateLimiter, Ledger),
    leaky: (LeakyBucket, Ledger),
    fixed: (FixedWindowRateLimiter, Ledger),
    counter: (SlidingCounterRateLimiter, Ledger),
    log: (Box<SlidingWindowRateLimiter<10>>, Ledger),
    keyed: (Box<KeyedRateLimiter<16>>, Vec<Ledger>),
}

impl Limiters {
    pub fn new(round: u64) -> Self {
        let rate = Rate::new(1, Nanos::new(INTERVAL));
        let (burst, window) = (BURST as u32, Nanos::new(WINDOW));
        let bucket = || TokenBucketRateLimiter::try_new(rate, BURST).expect("good");
        let keyed = KeyedRateLimiter::try_new(rate, BURST, WhenFull::Reject).expect("good");
        Self {
            // In the other rounds the bounds are sharp.
            reconfigured: round.is_multiple_of(2),
            token_bucket: (bucket(), Ledger::default()),
            leased: (bucket(), Ledger::default()),
            leaky: (
                LeakyBucket::try_new(rate, BURST - 1).expect("good"),
                Ledger::default(),
            ),
            fixed: (
                FixedWindowRateLimiter::try_new(BURST, window).expect("good"),
                Ledger::default(),
            ),
            counter: (
                SlidingCounterRateLimiter::try_new(burst, window).expect("good"),
                Ledger::default(),
            ),
            log: (
                Box::new(SlidingWindowRateLimiter::try_new(burst, window).expect("good")),
                Ledger::default(),
            ),
            keyed: (
                Box::new(keyed),
                (0..KEYS).map(|_| Ledger::default()).collect(),
            ),
        }
    }

    pub fn step(&self, walker: &mut Walker<'_>) {
        let now = walker.now();
        let cost = 1 + walker.random.below(3);
        let narrow = cost as u32;
        let by_rate = |latest, changes| BURST * (1 + changes) + latest / INTERVAL;
        let by_window = |latest, _| BURST * (latest / WINDOW + 1);
        match walker.random.below(7) {
            0 => {
                let (bucket, ledger) = &self.token_bucket;
                if self.reconfigured && walker.random.once_in(1_000) {
                    ledger.changes.fetch_add(1, Ordering::SeqCst);
                    // Never a higher rate or a larger burst than the bound counts with.
                    let rate = Rate::new(1, Nanos::new(INTERVAL + walker.random.below(INTERVAL)));
                    let changed = bucket.configure(rate, 1 + walker.random.below(BURST));
                    walker.require(changed.is_ok(), "R6", || format!("{changed:?}"));
                }
                ledger.ask(now, cost, || bucket.try_acquire_many(cost, now).is_ok());
                ledger.check(walker, "a token bucket", by_rate);
            }
            1 => {
                let (bucket, ledger) = &self.leased;
                let mut lease = bucket.lease(4, Nanos::new(INTERVAL));
                for _ in 0..cost {
                    ledger.ask(now, 1, || lease.try_acquire(now).is_ok());
                }
                // What is left in it goes back, or is lost with its thread.
                if walker.random.once_in(2) {
                    lease.give_back(now);
                }
                ledger.check(walker, "a leased token bucket", by_rate);
            }
            2 => {
                let (bucket, ledger) = &self.leaky;
                ledger.ask(now, cost, || bucket.try_acquire_many(cost, now).is_ok());
                ledger.check(walker, "a leaky bucket", by_rate);
            }
            3 => {
                let (limiter, ledger) = &self.fixed;
                ledger.ask(now, cost, || limiter.try_acquire_many(cost, now).is_ok());
                ledger.check(walker, "a fixed window", by_window);
            }
            4 => {
                let (limiter, ledger) = &self.counter;
                ledger.ask(now, cost, || limiter.try_acquire_many(narrow, now).is_ok());
                ledger.check(walker, "a sliding counter", by_window);
            }
            5 => {
                let (limiter, ledger) = &self.log;
                ledger.ask(now, cost, || limiter.try_acquire_many(narrow, now).is_ok());
                ledger.check(walker, "a sliding log", by_window);
            }
            _ => {
                let (limiter, ledgers) = &self.keyed;
                let key = walker.random.below(KEYS);
                let ledger = &ledgers[key as usize];
                ledger.ask(now, cost, || {
                    limiter.try_acquire_many(key, cost, now).is_ok()
                });
                ledger.check(walker, "a key", by_rate);
            }
        }
    }
}
