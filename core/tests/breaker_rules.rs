//! The rules of tripping, probing and windows, one by one and by hand.

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, Counts, Nanos, Outcome, Reason, Settled, State, Window,
};

/// One slot of the time windows here, in nanoseconds.
const SLOT: u64 = 1_000_000;
const OPEN: u64 = 500 * SLOT;

fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig::new()
        .open_timeout(Nanos::new(OPEN))
        .window_size(Nanos::new(10 * SLOT))
}

/// A breaker with a plain number as its clock.
struct Bench {
    breaker: CircuitBreaker,
    now: u64,
}

impl Bench {
    fn new(config: CircuitBreakerConfig) -> Self {
        Self {
            breaker: CircuitBreaker::new(config),
            now: 0,
        }
    }

    fn at(&self) -> Nanos {
        Nanos::new(self.now)
    }

    fn call(&self, outcome: Outcome) -> Settled {
        let permit = self.breaker.acquire(self.at(), &()).expect("admitted");
        self.breaker.settle(permit, outcome, self.at(), &())
    }

    fn calls(&self, outcome: Outcome, count: u32) {
        for _ in 0..count {
            self.call(outcome);
        }
    }

    fn slow_success(&self, took: u64) {
        let started = Nanos::new(self.now - took);
        let permit = self.breaker.acquire(started, &()).expect("admitted");
        self.breaker
            .settle(permit, Outcome::Success, self.at(), &());
    }

    fn state(&self) -> State {
        self.breaker.state()
    }

    fn window(&self) -> Counts {
        self.breaker.snapshot(self.at()).window
    }
}

use Outcome::{Failure, Success};

#[test]
fn b1_b2_the_round_trip_raises_the_generation_by_one_each() {
    let mut bench = Bench::new(config().minimum_requests(1).half_open_requests(1));
    for cycle in 0..50 {
        let generation = || bench.breaker.snapshot(Nanos::ZERO).generation;
        assert_eq!((bench.state(), generation()), (State::Closed, 3 * cycle));
        bench.call(Failure);
        assert_eq!((bench.state(), generation()), (State::Open, 3 * cycle + 1));
        bench.now += OPEN;
        let probe = bench.breaker.acquire(bench.at(), &()).unwrap();
        let generation = bench.breaker.snapshot(Nanos::ZERO).generation;
        assert_eq!(
            (bench.state(), generation),
            (State::HalfOpen, 3 * cycle + 2)
        );
        bench.breaker.settle(probe, Success, bench.at(), &());
    }
}

#[test]
fn b3_b6_places_are_as_many_as_probes_in_flight() {
    for (places, successes) in [(1, 1), (1, 3), (2, 1), (3, 5), (511, 511)] {
        let mut bench = Bench::new(
            config()
                .minimum_requests(1)
                .half_open_requests(places)
                .half_open_successes(Some(successes)),
        );
        bench.call(Failure);
        bench.now = OPEN;
        let acquire = || bench.breaker.acquire(bench.at(), &());
        let mut probes: Vec<_> = std::iter::from_fn(|| acquire().ok()).take(600).collect();
        assert_eq!(probes.len(), places as usize);
        assert_eq!(bench.breaker.snapshot(bench.at()).in_flight, places);
        // A cancelled probe's place is given again, a success's only while it takes more of them.
        bench.breaker.cancel(probes.pop().unwrap(), &());
        probes.push(acquire().expect("the place is free"));
        assert_eq!(acquire().unwrap_err().reason, Reason::HalfOpenFull);
        let mut admitted = places;
        while let Some(probe) = probes.pop() {
            bench.breaker.settle(probe, Success, bench.at(), &());
            if bench.state() == State::HalfOpen {
                while let Ok(probe) = acquire() {
                    probes.push(probe);
                    admitted += 1;
                    assert!(admitted < 1_200, "a round without end");
                }
            }
        }
        assert_eq!(bench.state(), State::Closed);
        // What closed it came before the rest of the round was settled.
        assert!(admitted <= places.max(successes), "{admitted}");
    }
}

#[test]
fn b7_no_admission_before_the_deadline_and_one_at_it() {
    for opened in [0, 1, 1 << 32, 1 << 63] {
        let mut bench = Bench::new(config().minimum_requests(1).half_open_requests(1));
        bench.now = opened;
        bench.call(Failure);
        for early in [0, opened / 2, opened, opened + 1, opened + OPEN - 1] {
            assert!(bench.breaker.acquire(Nanos::new(early), &()).is_err());
        }
        bench.now = opened + OPEN;
        assert!(bench.breaker.acquire(bench.at(), &()).unwrap().is_probe());
    }
}

#[test]
fn b8_b18_the_share_trips_however_long_the_calls_took() {
    for took in [0, 1, SLOT, 10 * SLOT, 1_000 * SLOT] {
        for outcome in [Success, Failure] {
            let mut bench = Bench::new(config().minimum_requests(4));
            let breaker = &bench.breaker;
            let permits: Vec<_> = (0..4).map(|_| breaker.acquire(bench.at(), &())).collect();
            bench.now += took;
            // The last one completes the minimum, and a success may be the last one.
            let outcomes = [Success, Failure, Failure, outcome];
            for (permit, outcome) in permits.into_iter().zip(outcomes) {
                assert_eq!(bench.state(), State::Closed);
                bench
                    .breaker
                    .settle(permit.unwrap(), outcome, bench.at(), &());
            }
            assert_eq!(bench.state(), State::Open, "after {took}");
        }
    }
}

#[test]
fn b9_outcomes_of_another_generation_trip_nothing() {
    let bench = Bench::new(config().minimum_requests(2));
    let before = bench.breaker.acquire(bench.at(), &()).unwrap();
    bench.call(Failure);
    bench.breaker.reset(bench.at(), &());
    bench.call(Failure);
    assert_eq!(
        bench.breaker.settle(before, Failure, bench.at(), &()),
        Settled::Stale
    );
    assert_eq!((bench.state(), bench.window().failures), (State::Closed, 1));
    bench.call(Failure);
    assert_eq!(bench.state(), State::Open);
}

#[test]
fn b10_b20_whatever_the_clock_did_half_open_is_left() {
    for jump in [0, 1, OPEN, 1 << 40, u64::MAX] {
        let mut bench = Bench::new(config().minimum_requests(1).half_open_requests(1));
        bench.now = 1 << 41;
        bench.call(Failure);
        bench.now += OPEN;
        let _lost = bench.breaker.acquire(bench.at(), &()).unwrap();
        let lease_over = bench.now + OPEN;
        // Back by any amount: not earlier by the clock; at the moment: admitted.
        bench.now = bench.now.saturating_sub(jump);
        assert!(bench.breaker.acquire(bench.at(), &()).is_err());
        bench.now = lease_over.saturating_add(jump);
        assert!(bench.breaker.acquire(bench.at(), &()).unwrap().is_probe());
    }
}

#[test]
fn b11_a_success_after_the_deciding_failure_closes_nothing() {
    for tolerated in 0..3 {
        let mut bench = Bench::new(
            config()
                .minimum_requests(1)
                .half_open_requests(8)
                .half_open_successes(Some(1 + tolerated))
                .half_open_failures(tolerated),
        );
        bench.call(Failure);
        bench.now = OPEN;
        let breaker = &bench.breaker;
        let mut probes: Vec<_> = (0..8)
            .map(|_| breaker.acquire(bench.at(), &()).unwrap())
            .collect();
        for failed in 0..=tolerated {
            assert_eq!(bench.state(), State::HalfOpen, "{failed} of {tolerated}");
            breaker.settle(probes.pop().unwrap(), Failure, bench.at(), &());
        }
        assert_eq!(bench.state(), State::Open);
        for probe in probes {
            assert_eq!(
                breaker.settle(probe, Success, bench.at(), &()),
                Settled::Stale
            );
        }
        assert_eq!(bench.state(), State::Open);
    }
}

#[test]
fn b12_w11_closing_empties_every_counter_of_every_kind_of_window() {
    for window in windows() {
        let mut bench = Bench::new(
            config()
                .window(window)
                .minimum_requests(4)
                .half_open_requests(1)
                .slow_call_duration(Some(Nanos::new(SLOT))),
        );
        bench.now = 2 * SLOT;
        bench.slow_success(2 * SLOT);
        bench.calls(Failure, 3);
        assert_eq!(bench.state(), State::Open);
        bench.now += OPEN;
        bench.call(Success);
        assert_eq!(
            (bench.state(), bench.window()),
            (State::Closed, Counts::default())
        );
        // Nor does a later outcome bring any of it back.
        bench.call(Success);
        let window = bench.window();
        assert_eq!((window.failures, window.slow), (0, 0));
        assert!(window.calls <= 1);
        let totals = bench.breaker.snapshot(bench.at()).totals;
        assert_eq!((totals.calls, totals.failures, totals.slow), (5, 3, 1));
    }
}

#[test]
fn b13_an_operator_orphans_what_is_out() {
    type Verb = fn(&CircuitBreaker, Nanos);
    let verbs: [(Verb, State); 4] = [
        (
            |breaker, now| breaker.force_open(now, &()),
            State::ForcedOpen,
        ),
        (|breaker, now| breaker.disable(now, &()), State::Disabled),
        (
            |breaker, now| breaker.metrics_only(now, &()),
            State::MetricsOnly,
        ),
        (|breaker, now| breaker.reset(now, &()), State::Closed),
    ];
    for (verb, state) in verbs {
        let bench = Bench::new(config().minimum_requests(1));
        let permit = bench.breaker.acquire(bench.at(), &()).unwrap();
        verb(&bench.breaker, bench.at());
        let snapshot = bench.breaker.snapshot(bench.at());
        assert_eq!((snapshot.state, snapshot.generation), (state, 1));
        assert_eq!(
            bench.breaker.settle(permit, Failure, bench.at(), &()),
            Settled::Stale
        );
        assert_eq!(bench.breaker.snapshot(bench.at()), snapshot);
    }
}

#[test]
fn b17_a_closed_breaker_admits_everything() {
    let bench = Bench::new(config().minimum_requests(1_000_000));
    for now in [0, u64::MAX, 1, 1 << 63] {
        for _ in 0..1_000 {
            let permit = bench.breaker.acquire(Nanos::new(now), &()).expect("closed");
            bench.breaker.settle(permit, Failure, Nanos::new(now), &());
        }
    }
    assert_eq!(bench.breaker.snapshot(Nanos::MAX).totals.rejected, 0);
}

fn windows() -> [Window; 4] {
    [
        Window::Time {
            length: Nanos::new(10 * SLOT),
            slots: 10,
        },
        Window::Count(20),
        Window::Consecutive(3),
        Window::Decay {
            half_life: Nanos::new(2 * SLOT),
        },
    ]
}

#[test]
fn w1_an_outcome_counts_until_its_slot_is_a_window_old() {
    for offset in [0, 1, SLOT - 1] {
        let mut bench = Bench::new(config().minimum_requests(100));
        bench.now = 7 * SLOT + offset;
        bench.call(Failure);
        let last = 17 * SLOT - 1;
        for (now, failures) in [(bench.now, 1), (last, 1), (last + 1, 0), (u64::MAX, 0)] {
            assert_eq!(
                bench.breaker.snapshot(Nanos::new(now)).window.failures,
                failures
            );
        }
        // Reading ahead has cleared nothing.
        assert_eq!(bench.window().failures, 1);
        bench.now = last + 1;
        bench.call(Success);
        assert_eq!((bench.window().calls, bench.window().failures), (1, 0));
    }
}

#[test]
fn w7_t1_an_old_time_counts_in_the_newest_slot_and_clears_nothing() {
    let mut bench = Bench::new(config().minimum_requests(100));
    bench.now = 1_000 * SLOT;
    bench.calls(Failure, 3);
    for back in [0, 1, SLOT, 9 * SLOT, 10 * SLOT, 11 * SLOT, 1_000 * SLOT] {
        let late = Nanos::new(bench.now - back);
        let permit = bench.breaker.acquire(late, &()).unwrap();
        bench.breaker.settle(permit, Success, late, &());
        assert_eq!(bench.breaker.snapshot(late).window.failures, 3);
    }
    assert_eq!((bench.window().calls, bench.window().failures), (10, 3));
}

#[test]
fn w8_the_outcome_that_decides_is_part_of_the_decision() {
    for window in windows() {
        let mut bench = Bench::new(config().window(window).minimum_requests(3));
        bench.now = 55 * SLOT;
        bench.calls(Failure, 2);
        assert_eq!(bench.state(), State::Closed, "{window:?}");
        // Also when it is the first of a new slot.
        bench.now += 1;
        bench.call(Failure);
        assert_eq!(bench.state(), State::Open, "{window:?}");
    }
    let mut bench = Bench::new(config().minimum_requests(3));
    bench.calls(Failure, 2);
    bench.now = SLOT;
    bench.call(Failure);
    assert_eq!(
        bench.state(),
        State::Open,
        "the third stands in a slot of its own"
    );
}

#[test]
fn w9_no_share_is_judged_below_the_minimum_and_it_is_at_it() {
    for minimum in [1, 2, 3, 10, 100] {
        for window in [config(), config().window(Window::Count(200))] {
            let bench = Bench::new(window.minimum_requests(minimum));
            bench.calls(Failure, minimum as u32 - 1);
            assert_eq!(bench.state(), State::Closed, "{minimum}");
            bench.call(Failure);
            assert_eq!(bench.state(), State::Open, "{minimum}");
        }
    }
    // A count window's size caps its minimum.
    let bench = Bench::new(
        config()
            .window(Window::Count(5))
            .minimum_requests(1_000_000),
    );
    bench.calls(Failure, 4);
    assert_eq!(bench.state(), State::Closed);
    bench.call(Failure);
    assert_eq!(bench.state(), State::Open);
}

#[test]
fn w9_a_share_is_exact_at_the_threshold() {
    for (threshold, failures, calls) in [(0.5, 10, 20), (0.25, 5, 20), (1.0, 20, 20), (0.05, 1, 20)]
    {
        for missing in [0, 1] {
            let bench = Bench::new(
                config()
                    .failure_threshold(threshold)
                    .minimum_requests(calls),
            );
            bench.calls(Success, calls as u32 - failures + missing);
            bench.calls(Failure, failures - missing);
            let expected = [State::Open, State::Closed][missing as usize];
            assert_eq!(bench.state(), expected, "{threshold}, {missing} below");
        }
    }
}

#[test]
fn w10_exactly_the_last_calls_count() {
    for size in [1, 2, 23, 24, 25, 47, 48, 49, 239, 240] {
        let window = config().window(Window::Count(size)).failure_threshold(1.0);
        let bench = Bench::new(window);
        bench.breaker.metrics_only(Nanos::ZERO, &());
        bench.calls(Failure, size);
        for gone in 1..=size {
            bench.call(Success);
            let failures = u64::from(size - gone);
            let window = bench.window();
            assert_eq!((window.calls, window.failures), (u64::from(size), failures));
        }
    }
}

#[test]
fn w11_a_reused_slot_begins_with_every_counter_at_nothing() {
    let shape = config()
        .minimum_requests(100)
        .slow_call_duration(Some(Nanos::new(1)));
    let mut bench = Bench::new(shape);
    for lap in 0..2_500_u64 {
        bench.now = (10 * lap + 1) * SLOT;
        bench.slow_success(2);
        bench.call(Failure);
        let counts = bench.window();
        assert_eq!(
            (counts.calls, counts.failures, counts.slow),
            (2, 1, 1),
            "{lap}"
        );
    }
}
