//! Breaker, places and rate as one: all admit, or it is as if none had been asked.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use fuseboard_core::{
    Admission, CircuitBreaker, CircuitBreakerConfig, ConcurrencyLimit, Nanos, Rate, State,
    TokenBucketRateLimiter,
};

use crate::storm::Walker;

const PLACES: u32 = 2;
const BURST: u64 = 10;
const INTERVAL: u64 = 400_000;

/// The three and what they admitted together.
pub struct Composed {
    breaker: CircuitBreaker,
    places: ConcurrencyLimit,
    rate: TokenBucketRateLimiter,
    /// Counted after an admission and before its end: never more than are out.
    out: AtomicU32,
    admitted: AtomicU64,
    latest: AtomicU64,
}

impl Composed {
    pub fn new() -> Self {
        let config = CircuitBreakerConfig::new()
            .minimum_requests(10)
            .open_timeout(Nanos::from_millis(1))
            .half_open_requests(1);
        Self {
            breaker: CircuitBreaker::try_new(config).expect("good"),
            places: ConcurrencyLimit::try_new(PLACES).expect("good"),
            rate: TokenBucketRateLimiter::try_new(Rate::new(1, Nanos::new(INTERVAL)), BURST)
                .expect("good"),
            out: AtomicU32::new(0),
            admitted: AtomicU64::new(0),
            latest: AtomicU64::new(0),
        }
    }

    pub fn step(&self, walker: &mut Walker<'_>) {
        let all = Admission::new(&self.breaker)
            .concurrency(&self.places)
            .limiter(&self.rate);
        let now = walker.now();
        self.latest.fetch_max(now.get(), Ordering::SeqCst);
        let Ok(permit) = all.try_acquire(now) else {
            return;
        };
        let out = self.out.fetch_add(1, Ordering::SeqCst) + 1;
        walker.require(out <= PLACES, "K1", || format!("{out} out of {PLACES}"));
        let admitted = self.admitted.fetch_add(1, Ordering::SeqCst) + 1;
        let bound = BURST + self.latest.load(Ordering::SeqCst) / INTERVAL;
        walker.require(admitted <= bound, "L1 X1", || {
            format!("{admitted} admitted together, at most {bound}")
        });
        self.out.fetch_sub(1, Ordering::SeqCst);
        match walker.random.below(8) {
            0..4 => {
                permit.success(walker.now());
            }
            4..6 => {
                permit.failure(walker.now());
            }
            6 => drop(permit),
            _ => {
                let unwound = catch_unwind(AssertUnwindSafe(|| {
                    let _permit = permit;
                    // No hook, no message: this one is planned.
                    resume_unwind(Box::new("a protected call panics"));
                }));
                walker.require(unwound.is_err(), "P2", || "the panic was lost".to_owned());
            }
        }
    }

    /// Every permit has ended: nothing of them is left, and the breaker closes.
    pub fn silence(&self, walker: &mut Walker<'_>) {
        let out = self.places.in_flight();
        walker.require(out == 0, "X1", || format!("{out} places are still taken"));
        let mut now = walker.clock.after_all();
        let probes = self.breaker.snapshot(Nanos::new(now)).in_flight;
        walker.require(probes == 0, "X1", || {
            format!("{probes} probe places are still taken")
        });
        let all = Admission::new(&self.breaker)
            .concurrency(&self.places)
            .limiter(&self.rate);
        for _ in 0..10 {
            now += 1_000_000_000;
            if let Ok(permit) = all.try_acquire(Nanos::new(now)) {
                permit.success(Nanos::new(now));
            }
        }
        let state = self.breaker.state();
        walker.require(state == State::Closed, "B10", || {
            format!("{state:?} after ten good calls")
        });
    }
}
