//! Histories of the real breaker against the model: every answer, state, window and total.
//!
//! Shows B1 B2 B3 B5 B6 B7 B8 B9 B11 B12 B13 B16 B17 B18 B20 W1 W5 W7 W8 W9 W10 W11 P3 P4 T1 T4 O1.

use std::cell::RefCell;
use std::collections::BTreeSet;

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, Nanos, Observer, Outcome, RawPermit, Settled, State,
    Transition, Window as CoreWindow,
};
use fuseboard_model::breaker::{BACKOFF_ONE, Breaker, Config, Permit, Window};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};

#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire,
    Settle {
        permit: usize,
        outcome: Outcome,
        weight: u32,
        by: By,
    },
    Wait(u64),
    Back(u64),
    Operate(State),
    ForceOpenUntil(u64),
    Restart {
        away: u64,
    },
}

/// Who settles: the breaker itself, or one of its handles.
#[derive(Clone, Copy, Debug)]
enum By {
    Breaker,
    FirstHandle,
    SecondHandle,
}

const SECOND: u64 = 1_000_000_000;

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => Just(Outcome::Success),
        4 => Just(Outcome::Failure),
        1 => Just(Outcome::Ignored),
    ]
}

fn by() -> impl Strategy<Value = By> {
    prop_oneof![
        2 => Just(By::Breaker),
        1 => Just(By::FirstHandle),
        1 => Just(By::SecondHandle),
    ]
}

fn span() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0..3 * SECOND,
        3 => (0..40_u64).prop_map(|n| n * SECOND / 4),
        1 => prop_oneof![Just(1 << 31), Just(1 << 32), Just(1 << 44), Just(1 << 60), Just(u64::MAX)],
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Acquire),
        10 => (any::<usize>(), outcome(), prop_oneof![9 => Just(1_u32), 1 => 2_u32..5], by())
            .prop_map(|(permit, outcome, weight, by)| Step::Settle { permit, outcome, weight, by }),
        4 => span().prop_map(Step::Wait),
        1 => span().prop_map(Step::Back),
        1 => prop_oneof![
            4 => Just(State::Closed),
            1 => Just(State::ForcedOpen),
            1 => Just(State::Disabled),
            1 => Just(State::MetricsOnly),
        ].prop_map(Step::Operate),
        1 => span().prop_map(Step::ForceOpenUntil),
        1 => span().prop_map(|away| Step::Restart { away }),
    ]
}

fn window() -> impl Strategy<Value = Window> {
    prop_oneof![
        (
            1_u64..=10,
            prop_oneof![Just(SECOND), Just(SECOND / 4), Just(777_777_777)]
        )
            .prop_map(|(slots, slot)| Window::Time { slot, slots }),
        prop_oneof![1_usize..=30, Just(24), Just(25), Just(48), Just(240)].prop_map(Window::Count),
        (1_u64..6).prop_map(Window::Consecutive),
        prop_oneof![Just(SECOND), Just(SECOND / 4)].prop_map(|slot| Window::Decay {
            slot,
            slots: 10,
            steps: 2
        }),
    ]
}

prop_compose! {
    fn config()(
        failure_ppm in prop_oneof![Just(500_000_u64), Just(1), Just(1_000_000), 1..=1_000_000_u64],
        minimum in 1_u64..12,
        open_timeout in 1..4 * SECOND,
        open_timeout_max in 1..20 * SECOND,
        backoff in prop_oneof![Just(BACKOFF_ONE), BACKOFF_ONE..4 * BACKOFF_ONE],
        jitter_ppm in prop_oneof![3 => Just(0_u64), 1 => 1..=1_000_000_u64],
        jitter_seed in any::<u64>(),
        ramp_up in prop_oneof![3 => Just(0_u64), 1 => 1..5 * SECOND],
        half_open_requests in 1_u32..4,
        half_open_successes in 1_u32..5,
        half_open_failures in 0_u32..3,
        probe_lease in 1..4 * SECOND,
        window in window(),
        slow_call in prop_oneof![Just(None), (1..2 * SECOND).prop_map(Some)],
        slow_ppm in prop_oneof![Just(1_000_000_u64), 1..=1_000_000_u64],
        watched in any::<bool>(),
    ) -> Config {
        let minimum = match window {
            Window::Count(size) => minimum.min(size as u64),
            _ => minimum,
        };
        // Where it can be on.
        let count_overdue = watched && match (window, slow_call) {
            (Window::Time { slot, slots } | Window::Decay { slot, slots, .. }, Some(limit)) => {
                limit < slot * (slots - 1)
            }
            _ => false,
        };
        Config {
            count_overdue, failure_ppm, minimum, open_timeout, open_timeout_max, backoff, jitter_ppm, jitter_seed, ramp_up, half_open_requests,
            half_open_successes, half_open_failures, probe_lease, window, slow_call, slow_ppm,
        }
    }
}

fn real(config: &Config) -> CircuitBreaker<10, 1, 2> {
    let ppm = |ppm: u64| ppm as f64 / 1e6;
    CircuitBreaker::try_new(
        CircuitBreakerConfig::new()
            .failure_threshold(ppm(config.failure_ppm))
            .minimum_requests(config.minimum)
            .open_timeout(Nanos::new(config.open_timeout))
            .open_timeout_max(Nanos::new(config.open_timeout_max))
            .open_backoff(config.backoff as f64 / BACKOFF_ONE as f64)
            .open_jitter(ppm(config.jitter_ppm))
            .jitter_seed(config.jitter_seed)
            .ramp_up(Nanos::new(config.ramp_up))
            .half_open_requests(config.half_open_requests)
            .half_open_successes(Some(config.half_open_successes))
            .half_open_failures(config.half_open_failures)
            .probe_lease(Some(Nanos::new(config.probe_lease)))
            .slow_call_duration(config.slow_call.map(Nanos::new))
            .slow_call_threshold(ppm(config.slow_ppm))
            .count_overdue(config.count_overdue)
            .window(match config.window {
                Window::Time { slot, slots } => CoreWindow::Time {
                    length: Nanos::new(slot * slots),
                    slots: slots as u32,
                },
                Window::Count(size) => CoreWindow::Count(size as u32),
                Window::Consecutive(limit) => CoreWindow::Consecutive(limit as u32),
                Window::Decay { slot, steps, .. } => CoreWindow::Decay {
                    half_life: Nanos::new(slot * steps),
                },
            }),
    )
    .expect("every generated configuration is in range")
}

#[derive(Default)]
struct Seen(RefCell<Vec<Transition>>);

impl Observer for Seen {
    fn transition(&self, transition: &Transition) {
        self.0.borrow_mut().push(*transition);
    }
}

fn compare_snapshots(
    breaker: &CircuitBreaker<10, 1, 2>,
    model: &Breaker,
    config: &Config,
    now: u64,
) -> Result<(), TestCaseError> {
    let snapshot = breaker.snapshot(Nanos::new(now));
    let one = if let Window::Decay { .. } = config.window {
        65_536
    } else {
        1
    };
    prop_assert_eq!(snapshot.overdue, (model.overdue(now) + one / 2) / one);
    prop_assert_eq!(snapshot.state, model.state());
    prop_assert_eq!(u64::from(snapshot.generation), model.generation());
    prop_assert_eq!(snapshot.in_flight, model.in_flight());
    prop_assert_eq!(snapshot.window, model.window(now));
    prop_assert_eq!(snapshot.totals.calls, model.total.calls);
    prop_assert_eq!(snapshot.totals.failures, model.total.failures);
    prop_assert_eq!(snapshot.totals.slow, model.total.slow);
    prop_assert_eq!(snapshot.totals.rejected, model.rejected);
    prop_assert_eq!(snapshot.totals.ignored, model.ignored);
    Ok(())
}

/// Runs one history and compares; returns the states reached, so that no run is vacuous.
fn compare(config: Config, steps: &[Step]) -> Result<BTreeSet<&'static str>, TestCaseError> {
    let mut breaker = real(&config);
    let mut model = Breaker::new(config);
    let seen = Seen::default();
    let mut permits: Vec<(RawPermit, Permit)> = Vec::new();
    let mut reached = BTreeSet::new();
    let (mut now, mut attempts, mut admitted, mut restarts) = (0_u64, 0, 0, 0);
    for &step in steps {
        let at = Nanos::new(now);
        let overdue_before = model.overdue(now) > 0 && model.state() == State::Closed;
        match step {
            Step::Acquire => {
                attempts += 1;
                prop_assert_eq!(
                    breaker.check(at).is_ok(),
                    model.clone().acquire(now).is_ok()
                );
                let answers = (breaker.acquire(at, &seen), model.acquire(now));
                if overdue_before && model.state() == State::Open {
                    reached.insert("tripped by overdue calls");
                }
                match answers {
                    (Ok(raw), Ok(permit)) => {
                        admitted += 1;
                        permits.push((raw, permit));
                    }
                    (Err(real), Err(expected)) => prop_assert_eq!(real, expected),
                    (real, expected) => {
                        return Err(TestCaseError::fail(format!("{real:?} but {expected:?}")));
                    }
                }
            }
            Step::Settle {
                permit,
                outcome,
                weight,
                by,
            } => {
                if permits.is_empty() {
                    continue;
                }
                let (raw, permit) = permits.swap_remove(permit % permits.len());
                // H1: whoever counts, once all are quiet the sums are those of one counter.
                let handles = [breaker.handle().unwrap(), breaker.handle().unwrap()];
                let settled = match by {
                    By::Breaker => breaker.settle_weighted(raw, outcome, weight, at, &seen),
                    By::FirstHandle => handles[0].settle_weighted(raw, outcome, weight, at, &seen),
                    By::SecondHandle => handles[1].settle_weighted(raw, outcome, weight, at, &seen),
                };
                prop_assert_eq!(settled, model.settle(permit, outcome, weight, now));
                if settled == Settled::Stale {
                    reached.insert("stale");
                }
            }
            Step::Wait(span) => now = now.saturating_add(span),
            Step::Back(span) => now = now.saturating_sub(span),
            Step::Restart { away } => {
                let saved = breaker.save(at);
                breaker = real(&config);
                prop_assert_eq!(breaker.restore(&saved, at, Nanos::new(away)), Ok(()));
                model.restart(away, now);
                restarts += 1;
            }
            Step::ForceOpenUntil(span) => {
                let until = now.saturating_add(span);
                breaker.force_open_until(Nanos::new(until), at, &seen);
                model.force_open_until(until, now);
            }
            Step::Operate(state) => {
                match state {
                    State::ForcedOpen => breaker.force_open(at, &seen),
                    State::Disabled => breaker.disable(at, &seen),
                    State::MetricsOnly => breaker.metrics_only(at, &seen),
                    _ => breaker.reset(at, &seen),
                }
                model.operate(state, now);
            }
        }
        reached.insert(breaker.state().as_str());
        if model.overdue(now) > 0 {
            reached.insert("overdue");
        }
        compare_snapshots(&breaker, &model, &config, now)?;
        prop_assert_eq!(admitted + model.rejected, attempts);
    }
    // B2, B15: one event for each generation but a restart's, each from where the last one led.
    let seen = seen.0.into_inner();
    prop_assert_eq!(seen.len() as u64 + restarts, model.generation());
    let mut from = State::Closed;
    for transition in &seen {
        prop_assert_eq!(transition.from, from);
        from = transition.to;
    }
    Ok(reached)
}

/// Every answer of 12,000 random histories is the model's.
#[test]
fn b1_w1_p4_o1_h1_histories_agree_with_the_model() {
    let persistence = FileFailurePersistence::Direct(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/regressions/breaker.txt"
    ));
    let mut runner = TestRunner::new(ProptestConfig {
        cases: ProptestConfig::default().cases.max(12_000),
        failure_persistence: (!cfg!(fuseboard_faults)).then(|| Box::new(persistence) as _),
        ..ProptestConfig::default()
    });
    let reached = RefCell::new(BTreeSet::new());
    runner
        .run(
            &(config(), prop::collection::vec(step(), 1..120)),
            |(config, steps)| {
                reached.borrow_mut().extend(compare(config, &steps)?);
                Ok(())
            },
        )
        .unwrap_or_else(|error| panic!("{error}"));
    // Sometimes: no check above is vacuous.
    for wanted in State::ALL.iter().map(|state| state.as_str()).chain([
        "stale",
        "overdue",
        "tripped by overdue calls",
    ]) {
        assert!(
            reached.borrow().contains(wanted),
            "no history reached `{wanted}`"
        );
    }
}
