//! Packed fields, clocks and growth at the ends of their ranges.

use std::collections::BTreeSet;

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, Counts, Nanos, Outcome, RawPermit, Reason, Settled,
    State, Window,
};

/// Half of a slot's field: where it is halved.
const HALF: u64 = 1 << 21;
const HEAVY: u32 = 1_000;
const SECOND: Nanos = Nanos::from_secs(1);

fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig::new().minimum_requests(1)
}

fn admit<const SLOTS: usize, const STRIPES: usize>(
    breaker: &CircuitBreaker<SLOTS, STRIPES>,
    now: Nanos,
) -> RawPermit {
    breaker.acquire(now, &()).expect("admitted")
}

fn settle(breaker: &CircuitBreaker, outcome: Outcome, weight: u32, now: Nanos) {
    let permit = admit(breaker, now);
    let settled = breaker.settle_weighted(permit, outcome, weight, now, &());
    assert_eq!(settled, Settled::Recorded);
}

/// Fails once, at `now`, so that a breaker with a minimum of one opens.
fn trip(breaker: &CircuitBreaker, now: Nanos) {
    settle(breaker, Outcome::Failure, 1, now);
    assert_eq!(breaker.state(), State::Open);
}

fn total_counts(breaker: &CircuitBreaker, now: Nanos) -> Counts {
    let totals = breaker.snapshot(now).totals;
    Counts {
        calls: totals.calls,
        failures: totals.failures,
        slow: totals.slow,
    }
}

/// Fills one slot with failures alone up to `calls`, in one state that never trips.
fn filled(calls: u64) -> CircuitBreaker {
    let breaker = CircuitBreaker::new(config());
    breaker.metrics_only(Nanos::ZERO, &());
    for _ in 0..calls / u64::from(HEAVY) {
        settle(&breaker, Outcome::Failure, HEAVY, Nanos::ZERO);
    }
    for _ in 0..calls % u64::from(HEAVY) {
        settle(&breaker, Outcome::Failure, 1, Nanos::ZERO);
    }
    breaker
}

#[test]
fn w4_a_slot_is_halved_at_half_of_its_field_and_never_before() {
    for calls in [HALF - 2, HALF - 1, HALF, HALF + 1] {
        let breaker = filled(HALF - 2);
        if calls > HALF - 2 {
            let weight = (calls - (HALF - 2)) as u32;
            settle(&breaker, Outcome::Failure, weight, Nanos::ZERO);
        }
        assert_eq!(breaker.snapshot(Nanos::ZERO).window.calls, calls);
        settle(&breaker, Outcome::Failure, 1, Nanos::ZERO);
        let kept = if calls < HALF { calls } else { calls / 2 };
        let window = breaker.snapshot(Nanos::ZERO).window;
        assert_eq!((window.calls, window.failures), (kept + 1, kept + 1));
        let totals = total_counts(&breaker, Nanos::ZERO);
        assert_eq!((totals.calls, totals.failures), (calls + 1, calls + 1));
    }
}

#[test]
fn w4_halving_keeps_the_ratio_and_every_total() {
    let breaker = CircuitBreaker::new(config().failure_threshold(0.35));
    breaker.metrics_only(Nanos::ZERO, &());
    let (mut calls, mut failures) = (0_u64, 0_u64);
    for turn in 0..4_000_u32 {
        settle(&breaker, Outcome::Failure, HEAVY, Nanos::ZERO);
        (calls, failures) = (calls + 1_000, failures + 1_000);
        for _ in 0..turn % 3 * 600 {
            settle(&breaker, Outcome::Success, 1, Nanos::ZERO);
            calls += 1;
        }
        let window = breaker.snapshot(Nanos::ZERO).window;
        assert!(window.failures <= window.calls && window.calls < HALF + 1_000);
    }
    let totals = total_counts(&breaker, Nanos::ZERO);
    assert_eq!((totals.calls, totals.failures), (calls, failures));
    let window = breaker.snapshot(Nanos::ZERO).window;
    let exact = failures as f64 / calls as f64;
    assert!((window.failure_rate() - exact).abs() < 0.001, "{window:?}");
}

#[test]
fn w4_the_decision_is_the_same_beside_a_full_slot() {
    let breaker = CircuitBreaker::new(config().failure_threshold(0.5).minimum_requests(1_000_000));
    for _ in 0..3_000_000_u32 {
        settle(&breaker, Outcome::Success, 1, Nanos::ZERO);
    }
    assert_eq!(total_counts(&breaker, Nanos::ZERO).calls, 3_000_000);
    let held = breaker.snapshot(Nanos::ZERO).window.calls;
    assert!((HALF / 2..HALF).contains(&held));
    let mut failures = 0;
    while breaker.state() == State::Closed {
        settle(&breaker, Outcome::Failure, HEAVY, Nanos::ZERO);
        failures += 1_000;
        assert!(failures < 2 * HALF, "it never trips");
    }
    // As many failures as successes are kept, halved together once more where the slot fills up.
    assert!((held / 2..=held + 1_000).contains(&failures), "{failures}");
}

#[test]
fn w4_b9_halving_keeps_the_share_of_slow_calls() {
    let now = Nanos::new(2);
    let breaker = CircuitBreaker::new(
        config()
            .minimum_requests(1_000)
            .slow_call_duration(Some(Nanos::new(1)))
            .slow_call_threshold(0.5),
    );
    // Three of eleven calls are slow, and a failure judges each eleven: through three halvings.
    let mut slow = 0;
    for turn in 0..500_000 {
        for call in 0..10 {
            let started = if call < 3 { Nanos::ZERO } else { now };
            let permit = admit(&breaker, started);
            breaker.settle(permit, Outcome::Success, now, &());
        }
        settle(&breaker, Outcome::Failure, 1, now);
        slow += 3;
        assert_eq!(
            breaker.state(),
            State::Closed,
            "after {turn} times eleven calls"
        );
    }
    let totals = total_counts(&breaker, now);
    assert_eq!((totals.calls, totals.slow), (500_000 * 11, slow));
    let share = breaker.snapshot(now).window.slow_call_rate();
    assert!((share - 3.0 / 11.0).abs() < 1e-4, "{share}");
}

#[test]
fn w4_a_run_sticks_at_the_end_of_its_field() {
    const FIELD: u64 = (1 << 18) - 1;
    let breaker: CircuitBreaker =
        CircuitBreaker::new(config().window(Window::Consecutive(100_000)));
    breaker.metrics_only(Nanos::ZERO, &());
    for _ in 0..FIELD / 1_000 {
        settle(&breaker, Outcome::Failure, HEAVY, Nanos::ZERO);
    }
    let missing = (FIELD % 1_000) as u32;
    for (weight, run) in [
        (missing - 1, FIELD - 1),
        (1, FIELD),
        (1, FIELD),
        (HEAVY, FIELD),
    ] {
        settle(&breaker, Outcome::Failure, weight, Nanos::ZERO);
        assert_eq!(breaker.snapshot(Nanos::ZERO).window.failures, run);
    }
    assert_eq!(total_counts(&breaker, Nanos::ZERO).failures, FIELD + 1_001);
    settle(&breaker, Outcome::Success, 1, Nanos::ZERO);
    assert_eq!(breaker.snapshot(Nanos::ZERO).window, Counts::default());
}

#[test]
fn w4_w10_the_largest_count_window_keeps_every_call() {
    let breaker: CircuitBreaker<63> = CircuitBreaker::new(
        config()
            .window(Window::Count(63 * 24))
            .minimum_requests(1_000_000),
    );
    breaker.metrics_only(Nanos::ZERO, &());
    // Past the lap counter's 16 bits would take hours; past every index and every ring word does not.
    for call in 0..20_000_u64 {
        let permit = admit(&breaker, Nanos::ZERO);
        let outcome = if call % 3 == 0 {
            Outcome::Failure
        } else {
            Outcome::Success
        };
        breaker.settle(permit, outcome, Nanos::ZERO, &());
        let held = (call + 1).min(63 * 24);
        let first = call + 1 - held;
        let failures = (call / 3 + 1) - first.div_ceil(3);
        let window = breaker.snapshot(Nanos::ZERO).window;
        assert_eq!(
            (window.calls, window.failures),
            (held, failures),
            "call {call}"
        );
    }
}

#[test]
fn w10_laps_wrap_without_a_seam() {
    let breaker: CircuitBreaker = CircuitBreaker::new(config().window(Window::Count(1)));
    breaker.metrics_only(Nanos::ZERO, &());
    // One lap for each call: past 2^16 laps, and past 2^16 versions of the ring word.
    for call in 0..200_000_u32 {
        let outcome = if call % 5 < 2 {
            Outcome::Failure
        } else {
            Outcome::Success
        };
        settle(&breaker, outcome, 1, Nanos::ZERO);
        let failures = u64::from(call % 5 < 2);
        let window = breaker.snapshot(Nanos::ZERO).window;
        assert_eq!(
            (window.calls, window.failures),
            (1, failures),
            "call {call}"
        );
    }
    assert_eq!(total_counts(&breaker, Nanos::ZERO).calls, 200_000);
}

/// Moments and gaps that decide: bucket, window, and the powers that packed numbers wrap at.
fn gaps(slot: u64, window: u64) -> Vec<u64> {
    let mut gaps = vec![0, 1, u64::MAX];
    for at in [
        slot,
        window,
        2 * window,
        1024 * slot,
        1024 * slot + window,
        1 << 31,
        1 << 32,
        1 << 52,
        1 << 63,
    ] {
        gaps.extend([at - 1, at, at + 1]);
    }
    gaps
}

#[test]
fn w5_no_gap_brings_an_old_slot_back() {
    let slot = 10_000;
    let window = 10 * slot;
    let shape = Window::Time {
        length: Nanos::new(window),
        slots: 10,
    };
    for start in [0, 1, slot - 1, 5 * slot + 3] {
        for gap in gaps(slot, window) {
            let breaker = CircuitBreaker::new(config().window(shape).failure_threshold(1.0));
            breaker.metrics_only(Nanos::ZERO, &());
            settle(&breaker, Outcome::Failure, 7, Nanos::new(start));
            let now = Nanos::new(start.saturating_add(gap));
            // The old slot stands while fewer than ten slot borders lie between.
            let stays = now.get() / slot - start / slot < 10;
            let old = if stays { 7 } else { 0 };
            // First as a reader, who clears nothing, then after an outcome has cleared.
            assert_eq!(
                breaker.snapshot(now).window.failures,
                old,
                "{start} + {gap}"
            );
            settle(&breaker, Outcome::Failure, 1, now);
            assert_eq!(
                breaker.snapshot(now).window.failures,
                old + 1,
                "{start} + {gap}"
            );
            // Each slot left once: nothing is counted twice or lost.
            assert_eq!(total_counts(&breaker, now).failures, 8, "{start} + {gap}");
        }
    }
}

#[test]
fn w5_w7_a_late_recorder_neither_brings_back_nor_clears() {
    let slot = 10_000;
    for gap in gaps(slot, 10 * slot) {
        let breaker = CircuitBreaker::new(config().window(Window::Time {
            length: Nanos::new(10 * slot),
            slots: 10,
        }));
        breaker.metrics_only(Nanos::ZERO, &());
        let late = admit(&breaker, Nanos::ZERO);
        let now = Nanos::new(gap);
        settle(&breaker, Outcome::Success, 1, now);
        breaker.settle(late, Outcome::Failure, Nanos::ZERO, &());
        let window = breaker.snapshot(now).window;
        assert_eq!((window.calls, window.failures), (2, 1), "gap {gap}");
    }
}

#[test]
fn t2_the_last_slots_before_the_end_of_time_count() {
    for slots in [1_u32, 7, 10] {
        let breaker = CircuitBreaker::new(config().window(Window::Time {
            length: Nanos::new(10_000 * u64::from(slots)),
            slots,
        }));
        let first = Nanos::new(u64::MAX - 10_000 * u64::from(slots) / 2);
        settle(&breaker, Outcome::Success, 1, first);
        settle(&breaker, Outcome::Success, 1, Nanos::new(u64::MAX - 1));
        settle(&breaker, Outcome::Success, 1, Nanos::MAX);
        let window = breaker.snapshot(Nanos::MAX).window;
        assert!((2..=3).contains(&window.calls), "{window:?}");
        assert_eq!(total_counts(&breaker, Nanos::MAX).calls, 3);
    }
}

/// A breaker brought into `state` at `now`, with a permit of the generation before it and, where the
/// state gives one, a permit of its own.
fn in_state(state: State, now: Nanos) -> (CircuitBreaker, Vec<RawPermit>) {
    let breaker = CircuitBreaker::new(config().half_open_requests(1));
    let mut permits = vec![admit(&breaker, Nanos::ZERO)];
    match state {
        State::Closed => {}
        State::Open => trip(&breaker, now),
        State::HalfOpen => {
            trip(&breaker, now);
            let deadline = now.saturating_add(Nanos::from_secs(30));
            permits.push(admit(&breaker, deadline));
        }
        State::ForcedOpen => breaker.force_open(now, &()),
        State::Disabled => breaker.disable(now, &()),
        State::MetricsOnly => breaker.metrics_only(now, &()),
    }
    // An opening at the end of time is over at once: asking would end it.
    if state != State::Open {
        permits.extend(breaker.acquire(now, &()).ok());
    }
    assert_eq!(breaker.state(), state);
    (breaker, permits)
}

const ENDS: [Nanos; 4] = [
    Nanos::ZERO,
    Nanos::new(1),
    Nanos::new(u64::MAX - 1),
    Nanos::MAX,
];

#[test]
fn t4_every_operation_in_every_state_at_both_ends_of_time() {
    type Operation = fn(&CircuitBreaker, &mut Vec<RawPermit>, Nanos);
    fn end(breaker: &CircuitBreaker, permits: &mut Vec<RawPermit>, outcome: Outcome, now: Nanos) {
        for permit in permits.drain(..) {
            let _ = breaker.settle_weighted(permit, outcome, u32::MAX, now, &());
        }
    }
    let operations: [Operation; 10] = [
        |breaker, permits, now| permits.extend(breaker.acquire(now, &()).ok()),
        |breaker, permits, now| end(breaker, permits, Outcome::Success, now),
        |breaker, permits, now| end(breaker, permits, Outcome::Failure, now),
        |breaker, permits, now| end(breaker, permits, Outcome::Ignored, now),
        |breaker, _, now| breaker.reset(now, &()),
        |breaker, _, now| breaker.force_open(now, &()),
        |breaker, _, now| breaker.force_open_until(now, now, &()),
        |breaker, _, now| breaker.disable(now, &()),
        |breaker, _, now| breaker.metrics_only(now, &()),
        |breaker, _, now| {
            let _ = (breaker.check(now), breaker.snapshot(now), breaker.state());
        },
    ];
    let mut reached = BTreeSet::new();
    for state in State::ALL {
        for began in ENDS {
            for now in ENDS {
                for operation in operations {
                    let (breaker, mut permits) = in_state(state, began);
                    operation(&breaker, &mut permits, now);
                    reached.insert(breaker.state().as_str());
                    // No wedge: at the end of time everything but an operator's hold admits.
                    let held = breaker.state() == State::ForcedOpen
                        && breaker.snapshot(Nanos::MAX).retry_after.is_none()
                        && breaker.check(Nanos::MAX).is_err();
                    assert!(
                        held || breaker.check(Nanos::MAX).is_ok(),
                        "{state} since {began}, at {now}: {breaker:?}"
                    );
                    breaker.reset(now, &());
                    settle(&breaker, Outcome::Success, 1, now);
                }
            }
        }
    }
    assert_eq!(reached.len(), State::ALL.len());
}

/// How long the breaker stays open after opening at `at`, found by asking.
fn open_time(breaker: &CircuitBreaker, at: Nanos) -> u64 {
    let wait = breaker.check(at).unwrap_err().retry_after.unwrap();
    let deadline = at.saturating_add(wait);
    assert!(
        breaker
            .check(deadline.saturating_sub(Nanos::new(1)))
            .is_err()
    );
    assert!(breaker.check(deadline).is_ok());
    wait.get()
}

/// The lengths of `count` openings in a row: one trip, then failed probes.
fn openings(config: CircuitBreakerConfig, count: usize) -> Vec<u64> {
    let breaker = CircuitBreaker::new(config);
    let mut now = SECOND;
    trip(&breaker, now);
    let mut spans = Vec::new();
    for _ in 0..count {
        let span = open_time(&breaker, now);
        spans.push(span);
        now = now.saturating_add(Nanos::new(span));
        let probe = admit(&breaker, now);
        breaker.settle(probe, Outcome::Failure, now, &());
        assert_eq!(breaker.state(), State::Open);
    }
    spans
}

#[test]
fn b16_backoff_is_monotone_and_capped() {
    let timeout = Nanos::from_millis(10);
    for (factor, cap) in [
        (1.0, 1),
        (1.5, 40),
        (2.0, 600_000),
        (100.0, 50_000),
        (2.0, 5),
    ] {
        let cap = Nanos::from_millis(cap);
        let spans = openings(
            config()
                .open_timeout(timeout)
                .open_timeout_max(cap)
                .open_backoff(factor),
            80,
        );
        let cap = cap.max(timeout).get();
        assert_eq!(spans[0], timeout.get());
        assert!(spans.is_sorted(), "{spans:?}");
        for (opening, &span) in spans.iter().enumerate() {
            let exact = timeout.get() as f64 * factor.powf(opening.min(63) as f64);
            let exact = exact.min(cap as f64);
            assert!(
                (span as f64 - exact).abs() <= exact * 1e-4 + 1.0,
                "{opening}: {span}"
            );
        }
        if factor > 1.0 {
            assert_eq!(spans.last(), Some(&cap));
        }
    }
}

#[test]
fn b16_backoff_ends_at_the_end_of_time() {
    let spans = openings(
        config()
            .open_timeout(Nanos::from_secs(1 << 20))
            .open_timeout_max(Nanos::MAX)
            .open_backoff(100.0),
        4,
    );
    let [first, second, third, last] = spans[..] else {
        panic!("four openings");
    };
    assert_eq!((second, third), (first * 100, first * 10_000));
    // The fourth would last a hundred times the third; what is left of time is less.
    assert_eq!(SECOND.get() + first + second + third + last, u64::MAX);
}

#[test]
fn b16_jitter_only_lengthens_within_its_share_and_can_be_replayed() {
    let timeout = Nanos::from_millis(10).get();
    for share in [0.000_001, 0.1, 0.5, 1.0] {
        let jittered = |seed| {
            let config = config()
                .open_timeout(Nanos::new(timeout))
                .open_jitter(share)
                .jitter_seed(seed);
            openings(config, 200)
        };
        let spans = jittered(7);
        let most = timeout + (timeout as f64 * share) as u64;
        assert!(spans.iter().all(|span| (timeout..=most).contains(span)));
        assert_eq!(spans, jittered(7), "the same seed, the same draws");
        if share >= 0.1 {
            assert_ne!(spans, jittered(8));
            let mean = spans.iter().sum::<u64>() as f64 / spans.len() as f64;
            let middle = timeout as f64 * (1.0 + share / 2.0);
            assert!(
                (mean / middle - 1.0).abs() < 0.1,
                "spread over the share: {mean}"
            );
        }
    }
}

#[test]
fn b16_a_new_opening_setting_moves_only_through_configure() {
    let slow = config().open_timeout(Nanos::from_secs(30));
    let breaker = CircuitBreaker::new(slow);
    trip(&breaker, SECOND);
    assert_eq!(open_time(&breaker, SECOND), Nanos::from_secs(30).get());
    breaker.configure(slow.open_timeout(SECOND)).unwrap();
    assert_eq!(open_time(&breaker, SECOND), SECOND.get());
}

/// A breaker that closed at one second and ramps up.
fn ramping(ramp_up: Nanos) -> CircuitBreaker {
    let breaker = CircuitBreaker::new(
        config()
            .open_timeout(Nanos::new(1))
            .half_open_requests(1)
            .ramp_up(ramp_up),
    );
    trip(&breaker, Nanos::ZERO);
    let probe = admit(&breaker, SECOND);
    breaker.settle(probe, Outcome::Success, SECOND, &());
    assert_eq!(breaker.state(), State::Closed);
    breaker
}

#[test]
fn b17_the_ramp_admits_the_stated_share_within_one_call() {
    const CALLS: u64 = 10_000;
    let ramp_up = Nanos::from_secs(10);
    let breaker = ramping(ramp_up);
    let (mut admitted, mut exact) = (0_u64, 0.0);
    let mut tenths = Vec::new();
    for call in 0..CALLS {
        let elapsed = ramp_up.get() / CALLS * call;
        let now = SECOND.saturating_add(Nanos::new(elapsed));
        exact += 0.1 + 0.9 * (call as f64 / CALLS as f64);
        match breaker.acquire(now, &()) {
            Ok(_) => admitted += 1,
            Err(rejected) => {
                assert_eq!(rejected.reason, Reason::Ramping);
                let rest = ramp_up.saturating_sub(Nanos::new(elapsed));
                assert_eq!(rejected.retry_after, Some(rest));
            }
        }
        // The first call passes at once, so the count runs up to one call ahead.
        let ahead = admitted as f64 - exact;
        assert!(
            (-0.01..=1.01).contains(&ahead),
            "call {call}: {admitted}, {exact}"
        );
        if (call + 1) % (CALLS / 10) == 0 {
            tenths.push(admitted);
        }
    }
    let shares: Vec<u64> = std::iter::once(tenths[0])
        .chain(tenths.windows(2).map(|pair| pair[1] - pair[0]))
        .collect();
    assert!(shares.is_sorted(), "each tenth admits more: {shares:?}");
    // From the end of the ramp, everything.
    let end = SECOND.saturating_add(ramp_up);
    assert!((0..1_000).all(|_| breaker.acquire(end, &()).is_ok()));
}

#[test]
fn b17_ramps_of_every_length_end() {
    for ramp_up in [1, 2, 10, 1 << 32, u64::MAX - 1, u64::MAX] {
        let breaker = ramping(Nanos::new(ramp_up));
        assert!(
            breaker.acquire(SECOND, &()).is_ok(),
            "the first call passes"
        );
        let tries: Vec<bool> = (0..20)
            .map(|_| breaker.acquire(SECOND, &()).is_ok())
            .collect();
        let admitted = tries.iter().filter(|&&ok| ok).count();
        assert!((1..=3).contains(&admitted), "a tenth of 20: {admitted}");
        let end = SECOND.saturating_add(Nanos::new(ramp_up));
        // A ramp that would end after the end of time has reached nearly all of the share there.
        let late = (0..100)
            .filter(|_| breaker.acquire(end, &()).is_ok())
            .count();
        assert!(late >= 99, "{late}");
    }
}

#[test]
fn b17_a_clock_that_goes_back_ramps_from_the_start_and_never_below() {
    let breaker = ramping(Nanos::from_secs(10));
    let admitted = (0..100)
        .filter(|_| breaker.acquire(Nanos::ZERO, &()).is_ok())
        .count();
    assert!((10..=11).contains(&admitted), "{admitted}");
}
