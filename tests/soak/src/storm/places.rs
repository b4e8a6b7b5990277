//! Limits of concurrency, fixed and adaptive, and what sheds load: never more out than there are places.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use fuseboard_core::{
    AdaptiveLimit, AdaptiveLimitConfig, Algorithm, ClientThrottle, ClientThrottleConfig, CoDel,
    ConcurrencyLimit, Nanos, Outcome, PriorityShedding, RetryBudget,
};

use crate::storm::Walker;

const MOST: u32 = 3;
const ADAPTIVE_MOST: u32 = 8;
const RATIO: f64 = 0.2;
const FREE_RETRIES: u32 = 10;
const TTL: u64 = 1_000_000_000;

/// One of each.
pub struct Places {
    fixed: ConcurrencyLimit,
    /// Counted after a place was taken and before it is given back: never more than are out.
    out: AtomicU32,
    lost: AtomicU32,
    adaptive: AdaptiveLimit,
    adaptive_out: AtomicU32,
    queue: CoDel,
    throttle: ClientThrottle,
    budget: RetryBudget,
    deposits: AtomicU64,
    withdrawn: AtomicU64,
}

fn adaptive(algorithm: Algorithm) -> AdaptiveLimitConfig {
    AdaptiveLimitConfig::new(algorithm)
        .min_limit(2)
        .max_limit(ADAPTIVE_MOST)
        .initial_limit(4)
        .window(Nanos::from_millis(5))
}

impl Places {
    pub fn new() -> Self {
        Self {
            fixed: ConcurrencyLimit::try_new(MOST).expect("good"),
            out: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            adaptive: AdaptiveLimit::try_new(adaptive(Algorithm::Gradient2)).expect("good"),
            adaptive_out: AtomicU32::new(0),
            queue: CoDel::try_new(CoDel::TARGET, CoDel::INTERVAL).expect("good"),
            throttle: ClientThrottle::try_new(ClientThrottleConfig::new()).expect("good"),
            budget: RetryBudget::try_new(RATIO, FREE_RETRIES, Nanos::new(TTL)).expect("good"),
            deposits: AtomicU64::new(0),
            withdrawn: AtomicU64::new(0),
        }
    }

    pub fn step(&self, walker: &mut Walker<'_>) {
        match walker.random.below(6) {
            0..3 => self.take_a_place(walker),
            3 => self.take_an_adaptive_place(walker),
            4 => self.shed(walker),
            _ => self.retry(walker),
        }
    }

    fn take_a_place(&self, walker: &mut Walker<'_>) {
        if walker.random.once_in(100) {
            let limit = 1 + walker.random.below(MOST.into()) as u32;
            let changed = self.fixed.set_limit(limit);
            walker.require(changed.is_ok(), "K4", || format!("{changed:?}"));
        }
        let permit = if walker.random.once_in(2) {
            self.fixed.try_acquire()
        } else {
            let shedding = PriorityShedding::try_new(0.5).expect("good");
            self.fixed
                .try_acquire_prioritized(shedding, walker.random.next() as u8)
        };
        let Ok(permit) = permit else { return };
        let out = self.out.fetch_add(1, Ordering::SeqCst) + 1;
        walker.require(out <= MOST, "K1", || format!("{out} out of {MOST}"));
        if walker.random.once_in(4) {
            std::thread::yield_now();
        }
        self.out.fetch_sub(1, Ordering::SeqCst);
        // Forgotten, as a raw place may be; who gave it back later gives it back once.
        if walker.random.once_in(50) {
            permit.into_raw();
            self.lost.fetch_add(1, Ordering::SeqCst);
            if self.lost.load(Ordering::SeqCst) > 0 {
                let given_back = self.fixed.release_raw();
                walker.require(given_back, "K2", || {
                    "a place out could not be given back".into()
                });
                self.lost.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    fn take_an_adaptive_place(&self, walker: &mut Walker<'_>) {
        let now = walker.now();
        if walker.random.once_in(500) {
            let algorithm = Algorithm::ALL[walker.random.below(3) as usize];
            let changed = self.adaptive.configure(adaptive(algorithm));
            walker.require(changed.is_ok(), "R6", || format!("{changed:?}"));
        }
        let Ok(permit) = self.adaptive.try_acquire(now) else {
            return;
        };
        let out = self.adaptive_out.fetch_add(1, Ordering::SeqCst) + 1;
        walker.require(out <= ADAPTIVE_MOST, "K1", || {
            format!("{out} out of {ADAPTIVE_MOST}")
        });
        let limit = self.adaptive.limit();
        walker.require((1..=ADAPTIVE_MOST).contains(&limit), "K4", || {
            format!("an adaptive limit of {limit}")
        });
        self.adaptive_out.fetch_sub(1, Ordering::SeqCst);
        match walker.random.below(3) {
            0 => permit.success(walker.now()),
            1 => permit.failure(walker.now()),
            // Dropped.
            _ => {}
        }
    }

    fn shed(&self, walker: &mut Walker<'_>) {
        let (enqueued, now) = (walker.now(), walker.now());
        let _ = self.queue.is_served(enqueued, now);
        if self.throttle.try_acquire(now).is_ok() {
            if walker.random.once_in(3) {
                self.throttle.accepted(now);
            } else {
                self.throttle.refused(now);
            }
        }
        let share = self.throttle.rejection_share(now);
        walker.require((0.0..=1.0).contains(&share), "W2", || {
            format!("a share of {share}")
        });
    }

    fn retry(&self, walker: &mut Walker<'_>) {
        let now = walker.now();
        if !walker.random.once_in(3) {
            self.deposits.fetch_add(1, Ordering::SeqCst);
            self.budget.deposit(now);
        } else if self.budget.withdraw(now).is_ok() {
            let withdrawn = self.withdrawn.fetch_add(1, Ordering::SeqCst) + 1;
            let deposits = self.deposits.load(Ordering::SeqCst);
            // Each span of the budget's life has its free retries; the storm's clock says how many there were.
            let spans = walker.clock.after_all() / TTL + 2;
            let free = spans * u64::from(FREE_RETRIES) * (TTL / 1_000_000_000 + 1);
            let bound = (deposits as f64 * RATIO) as u64 + free;
            walker.require(withdrawn <= bound, "L1", || {
                format!("{withdrawn} retries of {deposits} calls, at most {bound}")
            });
        }
    }

    pub fn silence(&self, walker: &Walker<'_>) {
        for (name, out) in [
            ("a concurrency limit", self.fixed.in_flight()),
            ("an adaptive limit", self.adaptive.in_flight()),
        ] {
            walker.require(out == 0, "K2", || {
                format!("{name} has {out} out, nobody has one")
            });
        }
        let outcome = Outcome::Success;
        let released = self.fixed.release_raw()
            || self.adaptive.release_raw(Nanos::ZERO, outcome, Nanos::ZERO);
        walker.require(!released, "K2", || {
            "a place that nobody had was given back".to_owned()
        });
    }
}
