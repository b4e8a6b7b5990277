//! Permits: their types, their sizes, and what settling does however it comes about.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use fuseboard_core::{
    Cause, CircuitBreaker, CircuitBreakerConfig, ConfigError, Counts, Nanos, Outcome, Permit,
    RawPermit, Reason, Rejected, Settled, Snapshot, State, Totals, Transition, Window,
};

const SECOND: Nanos = Nanos::from_secs(1);
const MINUTE: Nanos = Nanos::from_secs(60);

const fn assert_shared<T: Send + Sync + Unpin>() {}
const fn assert_value<T: Copy + Send + Sync + Unpin + Eq>() {}

/// P5: checked where the tests are compiled; that a permit is no `Copy` and no `Clone`, in its docs.
const _: () = {
    assert_shared::<Permit<'static>>();
    assert_shared::<Permit<'static, 63, 4>>();
    assert_shared::<CircuitBreaker>();
    assert_shared::<CircuitBreaker<63, 4>>();
    assert_value::<RawPermit>();
    assert_value::<Nanos>();
    assert_value::<Rejected>();
    assert_value::<Snapshot>();
    assert_value::<Transition>();
};

/// Words of 8 bytes: what the layout and the C structs rest on.
const _: () = {
    assert!(size_of::<RawPermit>() == 16);
    assert!(size_of::<Permit>() == 24);
    assert!(size_of::<Nanos>() == 8);
    assert!(size_of::<Counts>() == 24);
    assert!(size_of::<Totals>() == 40);
    assert!(size_of::<Outcome>() == 1);
    assert!(size_of::<Settled>() == 1);
    assert!(size_of::<State>() == 1);
    assert!(size_of::<Cause>() == 1);
    assert!(size_of::<Reason>() == 1);
    assert!(size_of::<Window>() <= 24);
    assert!(size_of::<Rejected>() <= 24);
    assert!(size_of::<ConfigError>() <= 64);
    assert!(size_of::<Transition>() <= 48);
    assert!(size_of::<Snapshot>() <= 128);
    assert!(size_of::<CircuitBreakerConfig>() <= 176);
    // A shared line, a stripe of ten slots and their twins, and the settings.
    assert!(align_of::<CircuitBreaker>() == 64);
    assert!(size_of::<CircuitBreaker>() == 256 + 128);
    assert!(size_of::<CircuitBreaker<10, 4>>() == 64 + 4 * 192 + 128);
    assert!(size_of::<CircuitBreaker<1>>() == 64 + 64 + 128);
    assert!(size_of::<CircuitBreaker<63>>() == 64 + 1024 + 128);
};

fn breaker(probes: u32) -> CircuitBreaker {
    CircuitBreaker::new(
        CircuitBreakerConfig::new()
            .minimum_requests(1)
            .half_open_requests(probes)
            .open_timeout(SECOND),
    )
}

/// A half-open breaker with free places.
fn half_open(probes: u32) -> CircuitBreaker {
    let breaker = breaker(probes);
    breaker.force_open_until(SECOND, Nanos::ZERO, &());
    breaker.try_acquire(SECOND).expect("a probe").ignore();
    assert_eq!(breaker.state(), State::HalfOpen);
    breaker
}

#[test]
fn p1_every_way_of_settling_settles_once() {
    for probes in 1..4 {
        let breaker = half_open(probes);
        let in_flight = || breaker.snapshot(SECOND).in_flight;
        let permits: Vec<Permit> = (0..probes)
            .map(|_| breaker.try_acquire(SECOND).unwrap())
            .collect();
        assert_eq!(in_flight(), probes);
        for (permit, left) in permits.into_iter().zip((0..probes).rev()) {
            assert!(permit.is_probe());
            match left {
                0 => drop(permit),
                1 => assert_eq!(permit.ignore(), Settled::Recorded),
                _ => {
                    let raw = permit.into_raw();
                    assert_eq!(in_flight(), left + 1, "`into_raw` settles nothing");
                    assert_eq!(breaker.cancel(raw, &()), Settled::Recorded);
                }
            }
            assert_eq!(in_flight(), left);
        }
        assert_eq!(
            breaker.snapshot(SECOND).totals.ignored,
            u64::from(probes) + 1
        );
    }
}

#[test]
fn p1_a_probe_settled_twice_is_stale_once_its_round_has_no_probe_left() {
    let breaker = half_open(2);
    let probe = breaker.acquire(SECOND, &()).unwrap();
    assert_eq!(breaker.cancel(probe, &()), Settled::Recorded);
    let before = breaker.snapshot(SECOND);
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored] {
        assert_eq!(breaker.settle(probe, outcome, SECOND, &()), Settled::Stale);
    }
    assert_eq!(breaker.snapshot(SECOND), before);
    // The permit that ended its generation is stale as well.
    let probe = breaker.acquire(SECOND, &()).unwrap();
    assert_eq!(
        breaker.settle(probe, Outcome::Failure, SECOND, &()),
        Settled::Recorded
    );
    assert_eq!(
        breaker.settle(probe, Outcome::Failure, SECOND, &()),
        Settled::Stale
    );
}

#[test]
fn p2_a_panic_with_a_permit_cancels_it() {
    let breaker = half_open(1);
    for _ in 0..3 {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _permit = breaker.try_acquire(SECOND).unwrap();
            assert!(breaker.try_acquire(SECOND).is_err());
            panic!("the call");
        }));
        assert!(panicked.is_err());
        let snapshot = breaker.snapshot(SECOND);
        assert_eq!((snapshot.state, snapshot.in_flight), (State::HalfOpen, 0));
    }
}

#[test]
fn p2_b10_a_forgotten_permit_costs_its_place_until_the_lease_is_over() {
    let breaker = half_open(1);
    std::mem::forget(breaker.try_acquire(SECOND).unwrap());
    let rejected = breaker.try_acquire(SECOND).unwrap_err();
    assert_eq!(rejected.reason, Reason::HalfOpenFull);
    assert_eq!(rejected.retry_after, Some(SECOND));
    let lease_over = SECOND.saturating_add(SECOND);
    let probe = breaker.try_acquire(lease_over).expect("a new round");
    assert_eq!(probe.success(lease_over), Settled::Recorded);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn p3_a_cancelled_permit_frees_its_own_place_and_counts_as_nothing() {
    let breaker = breaker(1);
    let closed = breaker.acquire(SECOND, &()).unwrap();
    assert_eq!(breaker.cancel(closed, &()), Settled::Recorded);
    assert_eq!(breaker.snapshot(SECOND).window, Counts::default());
    let closed = breaker.acquire(SECOND, &()).unwrap();
    breaker.try_acquire(SECOND).unwrap().failure(SECOND);
    let lost = breaker.acquire(MINUTE, &()).unwrap();
    let later = MINUTE.saturating_add(SECOND);
    let probe = breaker.acquire(later, &()).unwrap();
    // Neither the closed call nor the lost probe takes the place of the round that stands.
    for old in [closed, lost] {
        assert_eq!(breaker.cancel(old, &()), Settled::Stale);
        assert_eq!(breaker.snapshot(later).in_flight, 1);
        assert!(breaker.acquire(later, &()).is_err());
    }
    assert_eq!(breaker.cancel(probe, &()), Settled::Recorded);
    assert_eq!(breaker.snapshot(later).in_flight, 0);
}

/// What the window remembers of the old minimum must not keep the success from being judged that reaches the new one.
#[test]
fn b8_w9_a_success_that_reaches_a_raised_minimum_is_judged() {
    for window in [
        Window::Time {
            length: MINUTE,
            slots: 10,
        },
        Window::Decay { half_life: MINUTE },
        Window::Count(20),
    ] {
        let config = CircuitBreakerConfig::new().window(window);
        let breaker: CircuitBreaker =
            CircuitBreaker::new(config.failure_threshold(0.9).minimum_requests(4));
        let call = |outcome| {
            let permit = breaker.acquire(SECOND, &()).expect("closed");
            breaker.settle(permit, outcome, SECOND, &());
        };
        for outcome in [Outcome::Failure, Outcome::Failure, Outcome::Failure] {
            call(outcome);
        }
        call(Outcome::Success);
        breaker
            .configure(config.failure_threshold(0.5).minimum_requests(5))
            .expect("the same window");
        assert_eq!(breaker.state(), State::Closed);
        call(Outcome::Success);
        assert_eq!(breaker.state(), State::Open, "{window:?}");
    }
}

/// A cancelled permit has no time, so it must not change the state, even where new settings have moved the bounds.
#[test]
fn p3_b7_a_cancelled_probe_decides_nothing_after_configure() {
    let config = CircuitBreakerConfig::new()
        .minimum_requests(1)
        .open_timeout(MINUTE)
        .half_open_requests(3);
    for (before, outcome, after) in [
        (config.half_open_failures(2), Outcome::Failure, config),
        (
            config,
            Outcome::Success,
            config.half_open_successes(Some(1)),
        ),
    ] {
        let breaker: CircuitBreaker = CircuitBreaker::new(before);
        let permit = breaker.acquire(SECOND, &()).expect("closed");
        breaker.settle(permit, Outcome::Failure, SECOND, &());
        let now = SECOND.saturating_add(MINUTE);
        let decided = breaker.acquire(now, &()).expect("the first probe");
        let cancelled = breaker.acquire(now, &()).expect("the second");
        let last = breaker.acquire(now, &()).expect("the third");
        breaker.settle(decided, outcome, now, &());
        breaker.configure(after).expect("the same window");
        assert_eq!(breaker.cancel(cancelled, &()), Settled::Recorded);
        assert_eq!(breaker.state(), State::HalfOpen);
        assert_eq!(breaker.snapshot(now).in_flight, 1);
        // The next outcome decides, at its time.
        breaker.settle(last, outcome, now, &());
        assert_ne!(breaker.state(), State::HalfOpen);
        assert_eq!(breaker.snapshot(now).since, now);
    }
}

#[test]
fn p4_b5_a_permit_may_be_settled_elsewhere_and_after_any_number_of_changes() {
    for changes in [0, 1, 2, 3, 31, 32, 1023, 1024, 1025, 4096, 70_000] {
        for window in [
            CircuitBreakerConfig::new(),
            CircuitBreakerConfig::new().window(Window::Count(1)),
            CircuitBreakerConfig::new().window(Window::Consecutive(1)),
            CircuitBreakerConfig::new().window(Window::Decay { half_life: SECOND }),
        ] {
            let breaker: CircuitBreaker = CircuitBreaker::new(window.minimum_requests(1));
            let permit = breaker.try_acquire(SECOND).unwrap();
            for _ in 0..changes {
                breaker.reset(SECOND, &());
            }
            let before = breaker.snapshot(SECOND);
            let settled = thread::scope(|scope| scope.spawn(|| permit.failure(SECOND)).join());
            if changes == 0 {
                assert_eq!(settled.unwrap(), Settled::Recorded);
                assert_eq!(breaker.state(), State::Open);
            } else {
                assert_eq!(settled.unwrap(), Settled::Stale, "{changes}");
                assert_eq!(breaker.snapshot(SECOND), before, "{changes}");
            }
        }
    }
}

#[test]
fn b5_b17_the_fast_paths_alone_do_what_both_would_or_nothing() {
    let config = CircuitBreakerConfig::new().minimum_requests(1);
    let ramping = config.window(Window::Consecutive(1)).ramp_up(MINUTE);
    for (config, at_once) in [
        (config, true),
        (config.window(Window::Decay { half_life: SECOND }), true),
        (config.window(Window::Consecutive(3)), true),
        (config.window(Window::Count(8)), false),
    ] {
        let breaker: CircuitBreaker = CircuitBreaker::new(config);
        let permit = breaker.acquire_at_once(SECOND).unwrap();
        assert_eq!(breaker.acquire(SECOND, &()), Ok(permit));
        // The first is judged, from then on the window has reached the minimum.
        breaker.settle(permit, Outcome::Success, SECOND, &());
        assert_eq!(
            breaker.succeed_at_once(permit.to_words(), SECOND).is_ok(),
            at_once,
            "{config:?}"
        );
        let counted = breaker.snapshot(SECOND);
        assert_eq!(counted.totals.calls, 1 + u64::from(at_once), "{config:?}");
        // No permit's words, or those of one that is no call.
        for head in [0, 2, 3, 4, 5, 6, 7, 1 << 31 | 1, u64::MAX] {
            assert!(
                breaker.succeed_at_once([head, 0], SECOND).is_err(),
                "{head:#x}"
            );
        }
        breaker.reset(SECOND, &());
        // Of a generation that is over.
        assert!(breaker.succeed_at_once(permit.to_words(), SECOND).is_err());
        assert_eq!(breaker.snapshot(SECOND).totals.calls, counted.totals.calls);
        for change in [
            CircuitBreaker::force_open,
            CircuitBreaker::disable,
            CircuitBreaker::metrics_only,
        ] {
            change(&breaker, SECOND, &());
            assert_eq!(breaker.acquire_at_once(SECOND), None);
        }
    }
    let breaker: CircuitBreaker = CircuitBreaker::new(ramping.half_open_requests(1));
    let outcome = |outcome, now| {
        let permit = breaker.acquire(now, &()).unwrap();
        breaker.settle(permit, outcome, now, &());
    };
    outcome(Outcome::Failure, SECOND);
    assert_eq!(breaker.acquire_at_once(SECOND), None, "open");
    outcome(Outcome::Success, MINUTE);
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(breaker.acquire_at_once(MINUTE), None, "ramping up");
}

#[test]
fn p5_a_permit_survives_the_way_through_two_words() {
    let breaker = breaker(1);
    let mut permits = vec![breaker.acquire(SECOND, &()).unwrap()];
    breaker.disable(SECOND, &());
    permits.push(breaker.acquire(Nanos::MAX, &()).unwrap());
    breaker.force_open_until(SECOND, SECOND, &());
    permits.push(breaker.acquire(SECOND, &()).unwrap());
    for (permit, is_probe) in permits.into_iter().zip([false, false, true]) {
        let words = permit.to_words();
        assert_ne!(words[0], 0, "zeroed memory is no permit");
        assert_eq!(RawPermit::from_words(words), Some(permit));
        assert_eq!(permit.is_probe(), is_probe);
        assert_eq!(words[1], permit.started().get());
    }
}

#[test]
fn p5_words_that_no_permit_has_are_none() {
    for started in [0, 1, u64::MAX] {
        // No purpose, or one that does not exist; a generation that no word holds.
        for head in [
            0,
            5,
            7,
            8,
            1 << 30,
            1 << 31,
            1 << 31 | 1,
            1 << 63 | 3,
            u64::MAX,
        ] {
            assert_eq!(RawPermit::from_words([head, started]), None, "{head:#x}");
        }
        for head in [1, 2, 3, 4, (1 << 31) - 5] {
            let permit = RawPermit::from_words([head, started]).unwrap();
            assert_eq!(permit.to_words(), [head, started]);
        }
    }
    let mut noise = Noise(1);
    for _ in 0..100_000 {
        let words = [noise.next() >> (noise.next() % 64), noise.next()];
        if let Some(permit) = RawPermit::from_words(words) {
            assert_eq!(permit.to_words(), words);
        }
    }
}

/// xorshift64*: bits without a pattern, the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

/// Permits that were never given: of any purpose, generation and start.
#[test]
fn s2_invented_permits_panic_nothing_and_wedge_nothing() {
    let mut noise = Noise(7);
    let windows = [
        Window::Time {
            length: SECOND,
            slots: 10,
        },
        Window::Count(7),
        Window::Consecutive(3),
        Window::Decay { half_life: SECOND },
    ];
    let mut settled = [0_u32; 2];
    for turn in 0..20_000_u64 {
        let window = windows[(turn % 4) as usize];
        let breaker: CircuitBreaker = CircuitBreaker::new(
            CircuitBreakerConfig::new()
                .window(window)
                .minimum_requests(3)
                .slow_call_duration(Some(SECOND)),
        );
        for _ in 0..noise.next() % 12 {
            let generation = match noise.next() % 4 {
                0 => noise.next() % (1 << 28),
                _ => u64::from(breaker.snapshot(SECOND).generation),
            };
            let words = [
                (generation << 2) | (noise.next() % 4),
                noise.next() >> (noise.next() % 64),
            ];
            let now = Nanos::new(noise.next() >> (noise.next() % 64));
            let outcome = [Outcome::Success, Outcome::Failure, Outcome::Ignored];
            let outcome = outcome[(noise.next() % 3) as usize];
            let weight = noise.next() as u32;
            if let Some(permit) = RawPermit::from_words(words) {
                let answer = breaker.settle_weighted(permit, outcome, weight, now, &());
                settled[usize::from(answer == Settled::Stale)] += 1;
            }
            match noise.next() % 8 {
                0 => drop(breaker.try_acquire(now)),
                1 => std::mem::forget(breaker.try_acquire(now)),
                2 => breaker.force_open_until(now, now, &()),
                _ => {}
            }
            let snapshot = breaker.snapshot(now);
            assert!(snapshot.in_flight <= 3);
            let window = snapshot.window;
            assert!(window.failures <= window.calls && window.slow <= window.calls);
        }
        assert!(breaker.check(Nanos::MAX).is_ok(), "{breaker:?}");
        breaker.reset(Nanos::MAX, &());
        let permit = breaker.try_acquire(Nanos::MAX).unwrap();
        assert_eq!(permit.success(Nanos::MAX), Settled::Recorded);
    }
    assert!(settled.iter().all(|&count| count > 1_000), "{settled:?}");
}
