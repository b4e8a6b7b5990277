//! Breaker, places and tokens asked as one.

use fuseboard_core::{
    Admission, CircuitBreaker, CircuitBreakerConfig, ConcurrencyLimit, Nanos, Rate, Reason, State,
    TokenBucketRateLimiter, Window,
};
use fuseboard_loom::{ALL, beside, bound, explore};
use loom::sync::Arc;

const NOW: Nanos = Nanos::from_secs(2);

struct Parts {
    breaker: CircuitBreaker<2, 1>,
    places: ConcurrencyLimit,
    limiter: TokenBucketRateLimiter,
}

impl Parts {
    fn new(places: u32, tokens: u64) -> Arc<Self> {
        let config = CircuitBreakerConfig::new()
            .minimum_requests(1)
            .open_timeout(Nanos::from_secs(1))
            .half_open_requests(1)
            .window(Window::Time {
                length: Nanos::from_secs(2),
                slots: 2,
            });
        Arc::new(Self {
            breaker: CircuitBreaker::new(config),
            places: ConcurrencyLimit::new(places),
            limiter: TokenBucketRateLimiter::new(Rate::per_hour(1), tokens),
        })
    }

    fn opened(places: u32, tokens: u64) -> Arc<Self> {
        let parts = Self::new(places, tokens);
        let permit = parts.breaker.try_acquire(Nanos::ZERO).expect("closed");
        permit.failure(Nanos::ZERO);
        parts
    }

    fn ask(&self) -> Result<(), Reason> {
        let admission = Admission::new(&self.breaker)
            .concurrency(&self.places)
            .limiter(&self.limiter);
        let permit = admission
            .try_acquire(NOW)
            .map_err(|rejected| rejected.reason)?;
        let _ = permit.into_raw();
        Ok(())
    }

    /// (calls in flight, tokens)
    fn left(&self) -> (u32, u64) {
        (self.places.in_flight(), self.limiter.available(NOW))
    }
}

/// X1, B3: two threads ask at the deadline, with room for both but in the breaker: one probe, and the other gave place and token back.
/// Bound 3.
#[test]
fn x1_b3_one_probe_and_nothing_kept() {
    explore("x1_one_probe", bound(3, ALL), 500, &[], |_| {
        let parts = Parts::opened(2, 2);
        let other = Arc::clone(&parts);
        let (other, mine) = beside(move |_| other.ask().is_ok(), |_| parts.ask().is_ok());
        assert!(other != mine, "other {other}, mine {mine}");
        assert_eq!(parts.left(), (1, 1));
        let snapshot = parts.breaker.snapshot(NOW);
        assert_eq!((snapshot.state, snapshot.in_flight), (State::HalfOpen, 1));
    });
}

/// X1: the same with one token: who is rejected by the limiter gives its place back. Bound 3.
#[test]
fn x1_the_limiter_rejects_one() {
    explore(
        "x1_one_token",
        bound(3, ALL),
        50,
        &["limited"],
        |sometimes| {
            let parts = Parts::new(2, 1);
            let other = Arc::clone(&parts);
            let (other, mine) = beside(move |_| other.ask(), |_| parts.ask());
            let rejected = other.and(mine).expect_err("one token");
            assert_eq!(rejected, Reason::Limited);
            sometimes.reached("limited");
            assert!(other.is_ok() || mine.is_ok());
            assert_eq!(parts.left(), (1, 0));
        },
    );
}

/// X1: no token is left: two threads are rejected at the deadline, and the breaker was never asked. All interleavings.
#[test]
fn x1_without_tokens_the_breaker_stays_open() {
    explore("x1_no_token", ALL, 50, &[], |_| {
        let parts = Parts::opened(2, 1);
        parts.limiter.try_acquire(NOW).expect("full");
        let other = Arc::clone(&parts);
        let (other, mine) = beside(move |_| other.ask(), |_| parts.ask());
        assert_eq!((other, mine), (Err(Reason::Limited), Err(Reason::Limited)));
        assert_eq!(parts.left(), (0, 0));
        assert_eq!(parts.breaker.state(), State::Open);
    });
}

/// X1, B13: an operator opens the breaker while a call is admitted: admitted with everything, or rejected with nothing. Two threads, all
/// interleavings.
#[test]
fn x1_b13_forced_open_meanwhile() {
    explore(
        "x1_forced_open",
        ALL,
        10,
        &["admitted", "rejected"],
        |sometimes| {
            let parts = Parts::new(1, 1);
            let operator = Arc::clone(&parts);
            let (_, admitted) = beside(
                move |_| operator.breaker.force_open(NOW, &()),
                |_| parts.ask().is_ok(),
            );
            sometimes.reached(if admitted { "admitted" } else { "rejected" });
            let expected = if admitted { (1, 0) } else { (0, 1) };
            assert_eq!(parts.left(), expected);
        },
    );
}
