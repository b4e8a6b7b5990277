//! Composed admission: all or nothing (X1), against its parts asked one by one.

use fuseboard_core::{
    AdaptiveLimit, AdaptiveLimitConfig, Admission, AdmissionPermit, Algorithm, CircuitBreaker,
    CircuitBreakerConfig, ConcurrencyLimit, Nanos, Observer, Outcome, Rate, RawPermit, Reason,
    Rejected, Settled, Snapshot, State, TokenBucketRateLimiter, Totals, Transition, Window,
};
use proptest::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering};

fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig::new()
        .window(Window::Consecutive(2))
        .open_timeout(Nanos::from_secs(10))
        .half_open_requests(2)
}

#[derive(Default)]
struct Seen(AtomicU32);

impl Observer for Seen {
    fn transition(&self, _: &Transition) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What must not differ after a rejection; the breaker's count of its own rejections may.
fn image(
    breaker: &CircuitBreaker,
    places: &ConcurrencyLimit,
    limiter: &TokenBucketRateLimiter,
    now: Nanos,
) -> (Snapshot, u32, u64) {
    let snapshot = breaker.snapshot(now);
    let totals = Totals {
        rejected: 0,
        ..snapshot.totals
    };
    (
        Snapshot { totals, ..snapshot },
        places.in_flight(),
        limiter.available(now),
    )
}

fn trip(breaker: &CircuitBreaker, now: Nanos) {
    for _ in 0..2 {
        breaker.try_acquire(now).unwrap().failure(now);
    }
    assert_eq!(breaker.state(), State::Open);
}

/// The scenario: the open time is over, and a limiter behind the breaker rejects.
#[test]
fn x1_s04_probe_blocked_by_another_policy() {
    let breaker = CircuitBreaker::new(config());
    let places = ConcurrencyLimit::new(1);
    let limiter = TokenBucketRateLimiter::new(Rate::per_second(1), 1);
    let admission = Admission::new(&breaker)
        .concurrency(&places)
        .limiter(&limiter);
    let seen = Seen::default();
    trip(&breaker, Nanos::ZERO);
    let due = Nanos::from_secs(10);

    limiter.try_acquire(due).unwrap();
    let before = image(&breaker, &places, &limiter, due);
    let rejected = admission.acquire(1, due, &seen).unwrap_err();
    assert_eq!(rejected.reason, Reason::Limited);
    assert_eq!(rejected.retry_after, Some(Nanos::from_secs(1)));
    assert_eq!(image(&breaker, &places, &limiter, due), before);

    let later = Nanos::from_secs(11);
    let held = places.try_acquire().unwrap();
    let before = image(&breaker, &places, &limiter, later);
    assert_eq!(
        admission.acquire(1, later, &seen).unwrap_err().reason,
        Reason::Full
    );
    assert_eq!(image(&breaker, &places, &limiter, later), before);
    drop(held);

    let never = admission.acquire(2, later, &seen).unwrap_err();
    assert_eq!((never.reason, never.retry_after), (Reason::Never, None));
    assert_eq!(
        image(&breaker, &places, &limiter, later),
        before_without_place(before)
    );

    assert_eq!(breaker.state(), State::Open);
    assert_eq!(seen.0.load(Ordering::Relaxed), 0);
    let probe = admission.acquire(1, later, &seen).unwrap();
    assert!(probe.is_probe());
    assert_eq!(
        (breaker.state(), seen.0.load(Ordering::Relaxed)),
        (State::HalfOpen, 1)
    );
    assert_eq!(
        admission.settle(probe, Outcome::Success, later, &seen),
        Settled::Recorded
    );
    assert_eq!(places.in_flight(), 0);
}

fn before_without_place((snapshot, _, available): (Snapshot, u32, u64)) -> (Snapshot, u32, u64) {
    (snapshot, 0, available)
}

/// A breaker that rejects takes no place and no token, and counts its rejection.
#[test]
fn x1_an_open_breaker_costs_the_others_nothing() {
    let breaker = CircuitBreaker::new(config());
    let places = ConcurrencyLimit::new(1);
    let limiter = TokenBucketRateLimiter::new(Rate::per_second(1), 1);
    let admission = Admission::new(&breaker)
        .concurrency(&places)
        .limiter(&limiter);
    trip(&breaker, Nanos::ZERO);
    let now = Nanos::from_secs(1);
    let rejected = admission.try_acquire(now).unwrap_err();
    assert_eq!(rejected.reason, Reason::Open);
    assert_eq!(rejected.retry_after, Some(Nanos::from_secs(9)));
    assert_eq!((places.in_flight(), limiter.available(now)), (0, 1));
    assert_eq!(breaker.snapshot(now).totals.rejected, 1);
}

/// A ramping breaker's share is not spent on calls that the limiter rejects, and grows while it rejects by itself.
#[test]
fn x1_b17_ramp_up_through_an_admission_as_alone() {
    let config = config().ramp_up(Nanos::from_secs(10)).half_open_requests(1);
    let (composed, alone) = (CircuitBreaker::new(config), CircuitBreaker::new(config));
    let places = ConcurrencyLimit::new(1);
    let admission = Admission::new(&composed).concurrency(&places);
    let due = Nanos::from_secs(10);
    for breaker in [&composed, &alone] {
        trip(breaker, Nanos::ZERO);
        breaker.try_acquire(due).unwrap().success(due);
    }
    for step in 0..200 {
        let now = Nanos::from_millis(10_000 + 20 * step);
        let held = places.try_acquire().unwrap();
        if composed.check(now).is_ok() {
            assert_eq!(admission.try_acquire(now).unwrap_err().reason, Reason::Full);
        }
        drop(held);
        let decision = admission.try_acquire(now).map(drop);
        assert_eq!(decision, alone.try_acquire(now).map(drop), "step {step}");
    }
}

#[test]
fn p1_p2_permit_settles_every_part_once() {
    let breaker: CircuitBreaker = CircuitBreaker::new(config());
    let places = AdaptiveLimit::new(AdaptiveLimitConfig::new(Algorithm::Aimd).initial_limit(2));
    let limiter = TokenBucketRateLimiter::new(Rate::per_second(1), 100);
    let admission = Admission::new(&breaker).adaptive(&places).limiter(&limiter);
    let now = Nanos::from_secs(1);
    let settle: [fn(AdmissionPermit<'_>, Nanos); 4] = [
        |permit, now| assert_eq!(permit.success(now), Settled::Recorded),
        |permit, now| assert_eq!(permit.failure(now), Settled::Recorded),
        |permit, _| assert_eq!(permit.ignore(), Settled::Recorded),
        |permit, _| drop(permit),
    ];
    for settle in settle {
        let permit = admission.try_acquire_many(2, now).unwrap();
        assert!(!permit.is_probe());
        assert_eq!(places.in_flight(), 1);
        settle(permit, now);
        assert_eq!(places.in_flight(), 0);
    }
    let totals = breaker.snapshot(now).totals;
    assert_eq!((totals.calls, totals.failures, totals.ignored), (2, 1, 2));
    assert_eq!(limiter.available(now), 92);
    let raw = admission.try_acquire(now).unwrap().into_raw();
    let raw = RawPermit::from_words(raw.to_words()).unwrap();
    assert_eq!(admission.cancel(raw, &()), Settled::Recorded);
    assert_eq!(places.in_flight(), 0);
}

#[test]
fn p5_permit_is_send() {
    fn is_send<T: Send>() {}
    is_send::<AdmissionPermit<'static>>();
}

/// The parts asked one by one, with each asked only when the ones before would admit.
fn reference(
    breaker: &CircuitBreaker,
    places: &ConcurrencyLimit,
    limiter: &TokenBucketRateLimiter,
    cost: u64,
    now: Nanos,
) -> Result<RawPermit, Rejected> {
    if breaker.check(now).is_ok() {
        places.acquire_raw()?;
        if let Err(rejected) = limiter.try_acquire_many(cost, now) {
            places.release_raw();
            return Err(rejected);
        }
    }
    breaker.acquire(now, &())
}

fn cases() -> ProptestConfig {
    use proptest::test_runner::FileFailurePersistence;
    ProptestConfig {
        failure_persistence: (!cfg!(fuseboard_faults)).then(|| {
            Box::new(FileFailurePersistence::Direct(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/regressions/admission.txt"
            ))) as _
        }),
        ..ProptestConfig::with_cases(10_000)
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn x1_as_the_parts_one_by_one_and_a_rejection_leaves_no_trace(
        operations in prop::collection::vec((0_u8..8, 0_u64..4, 1_u64..5), 0..60),
        ramp in 0_u64..5,
    ) {
        let make = || (
            CircuitBreaker::new(config().ramp_up(Nanos::from_secs(ramp))),
            ConcurrencyLimit::new(3),
            TokenBucketRateLimiter::new(Rate::per_second(1), 4),
        );
        let (breaker, places, limiter) = make();
        let (breaker_two, places_two, limiter_two) = make();
        let admission = Admission::new(&breaker).concurrency(&places).limiter(&limiter);
        let seen = Seen::default();
        let mut held = vec![];
        let mut now = Nanos::ZERO;
        for (operation, gap, cost) in operations {
            now = now.saturating_add(Nanos::from_secs(gap));
            if operation < 5 {
                let before = image(&breaker, &places, &limiter, now);
                let transitions = seen.0.load(Ordering::Relaxed);
                let got = admission.acquire(cost, now, &seen);
                let expected = reference(&breaker_two, &places_two, &limiter_two, cost, now);
                prop_assert_eq!(got, expected);
                match got {
                    Ok(permit) => held.push(permit),
                    Err(rejected) => {
                        let mut before = before;
                        let mut after = image(&breaker, &places, &limiter, now);
                        if rejected.reason == Reason::Ramping {
                            // A ramping breaker earns credit by its own rejections.
                            (before.0.retry_after, after.0.retry_after) = (None, None);
                        }
                        prop_assert_eq!(after, before, "{:?}", rejected);
                        prop_assert_eq!(seen.0.load(Ordering::Relaxed), transitions);
                    }
                }
            } else if !held.is_empty() {
                let permit = held.swap_remove(cost as usize % held.len());
                let outcome = [Outcome::Success, Outcome::Failure, Outcome::Ignored][usize::from(operation) - 5];
                prop_assert_eq!(
                    admission.settle(permit, outcome, now, &seen),
                    breaker_two.settle(permit, outcome, now, &())
                );
                places_two.release_raw();
            }
            prop_assert_eq!(
                image(&breaker, &places, &limiter, now),
                image(&breaker_two, &places_two, &limiter_two, now)
            );
            prop_assert_eq!(places.in_flight() as usize, held.len());
        }
    }
}

/// With the breaker flapping under them, no place and no probe is lost, and never more are inside than each part allows.
#[test]
fn x1_k1_threads_lose_nothing() {
    static BREAKER: CircuitBreaker = CircuitBreaker::new(
        CircuitBreakerConfig::new()
            .window(Window::Consecutive(2))
            .open_timeout(Nanos::from_micros(1))
            .half_open_requests(2)
            .probe_lease(Some(Nanos::from_secs(1_000_000))),
    );
    static PLACES: ConcurrencyLimit = ConcurrencyLimit::new(3);
    static RATE: TokenBucketRateLimiter =
        TokenBucketRateLimiter::new(Rate::per_second(500_000_000), 8);
    static ALL: Admission = Admission::new(&BREAKER).concurrency(&PLACES).limiter(&RATE);
    static CLOCK: AtomicU32 = AtomicU32::new(0);
    static INSIDE: AtomicU32 = AtomicU32::new(0);
    let now = || Nanos::new(100 * u64::from(CLOCK.fetch_add(1, Ordering::Relaxed)));
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            scope.spawn(move || {
                for round in 0..20_000_u32 {
                    let Ok(permit) = ALL.try_acquire_many(u64::from(round % 4), now()) else {
                        continue;
                    };
                    assert!(INSIDE.fetch_add(1, Ordering::SeqCst) < 3);
                    INSIDE.fetch_sub(1, Ordering::SeqCst);
                    match (round / 64 + thread) % 4 {
                        0 => drop(permit),
                        1 => {
                            permit.failure(now());
                        }
                        _ => {
                            permit.success(now());
                        }
                    }
                }
            });
        }
    });
    assert_eq!(PLACES.in_flight(), 0);
    assert_eq!(BREAKER.snapshot(now()).in_flight, 0);
    // It still works: no probe place is held by nobody.
    let later = Nanos::from_secs(1_000);
    for _ in 0..4 {
        ALL.try_acquire(later).unwrap().success(later);
    }
    assert_eq!(BREAKER.state(), State::Closed);
}
