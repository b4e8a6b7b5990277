//! Every history up to a bound: the real breaker against the model, step by step, with no chance in it.
//!
//! Each test takes one small configuration and runs *all* sequences of its steps. What random
//! histories find with luck, a bound of eight steps finds for certain. Beside the comparison, the rules that
//! need no model are checked as they are written: B1, B2, B3, B5, B7, B10, B12 and B17.
//!
//! A debug build runs shorter sequences.

use std::collections::BTreeMap;

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, Counts, Nanos, Outcome, RawPermit, Rejected, Settled,
    Snapshot, State, Window as CoreWindow,
};
use fuseboard_model::breaker::{BACKOFF_ONE, Breaker, Config, Permit, Window};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Acquire,
    Oldest(Outcome),
    Newest(Outcome),
    Wait(u64),
    Back(u64),
    Operate(State),
    ForceOpenUntil(u64),
}

use Outcome::{Failure, Ignored, Success};
use Step::{Acquire, Back, ForceOpenUntil, Newest, Oldest, Operate, Wait};

/// The length of everything that is timed here: one slot, the open time, the lease.
const SPAN: u64 = 10_000;
/// Two of these land just before a moment and exactly on it.
const ALMOST: u64 = SPAN - 1;

/// A half-open breaker with its one probe settled by nobody.
const HALF_OPEN: [Step; 4] = [Acquire, Oldest(Failure), Wait(SPAN), Acquire];

fn base(window: Window) -> Config {
    Config {
        failure_ppm: 500_000,
        minimum: 1,
        open_timeout: SPAN,
        open_timeout_max: SPAN,
        backoff: BACKOFF_ONE,
        jitter_ppm: 0,
        jitter_seed: 0,
        ramp_up: 0,
        half_open_requests: 1,
        half_open_successes: 1,
        half_open_failures: 0,
        probe_lease: SPAN,
        window,
        slow_call: None,
        slow_ppm: 1_000_000,
        count_overdue: false,
    }
}

fn real(config: &Config) -> CircuitBreaker {
    let ppm = |ppm: u64| ppm as f64 / 1e6;
    CircuitBreaker::new(
        CircuitBreakerConfig::new()
            .failure_threshold(ppm(config.failure_ppm))
            .minimum_requests(config.minimum)
            .open_timeout(Nanos::new(config.open_timeout))
            .open_timeout_max(Nanos::new(config.open_timeout_max))
            .open_backoff(config.backoff as f64 / BACKOFF_ONE as f64)
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
}

/// What the model, the clock and the tallies are after a prefix; the real breaker is replayed.
#[derive(Clone)]
struct Node {
    model: Breaker,
    permits: Vec<Permit>,
    now: u64,
    before: Snapshot,
    /// Admissions, and failed or cancelled probes, of the half-open generation that stands.
    admitted: u32,
    wasted: u32,
}

/// The real breaker with the permits that are out.
struct Real {
    breaker: CircuitBreaker,
    permits: Vec<RawPermit>,
}

/// What one step answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Nothing,
    Admitted,
    Rejected(Rejected),
    Settled(Settled),
}

impl Step {
    /// `false`: the step would repeat another one, or do nothing.
    fn applies(self, permits: usize) -> bool {
        match self {
            Oldest(_) => permits > 0,
            Newest(_) => permits > 1,
            _ => true,
        }
    }

    fn now(self, now: u64) -> u64 {
        match self {
            Wait(span) => now.saturating_add(span),
            Back(span) => now.saturating_sub(span),
            _ => now,
        }
    }

    /// Which permit it settles, and how.
    fn settles(self, permits: usize) -> Option<(usize, Outcome)> {
        match self {
            Oldest(outcome) => Some((0, outcome)),
            Newest(outcome) => Some((permits - 1, outcome)),
            _ => None,
        }
    }
}

impl Real {
    fn take(&mut self, step: Step, now: u64) -> Answer {
        let at = Nanos::new(now);
        if let Some((index, outcome)) = step.settles(self.permits.len()) {
            let permit = self.permits.remove(index);
            return Answer::Settled(self.breaker.settle(permit, outcome, at, &()));
        }
        match step {
            Acquire => match self.breaker.acquire(at, &()) {
                Ok(permit) => {
                    self.permits.push(permit);
                    return Answer::Admitted;
                }
                Err(rejected) => return Answer::Rejected(rejected),
            },
            Operate(State::ForcedOpen) => self.breaker.force_open(at, &()),
            Operate(State::Disabled) => self.breaker.disable(at, &()),
            Operate(State::MetricsOnly) => self.breaker.metrics_only(at, &()),
            Operate(_) => self.breaker.reset(at, &()),
            ForceOpenUntil(span) => {
                self.breaker
                    .force_open_until(Nanos::new(now.saturating_add(span)), at, &());
            }
            _ => {}
        }
        Answer::Nothing
    }
}

impl Node {
    fn take(&mut self, step: Step) -> Answer {
        self.now = step.now(self.now);
        if let Some((index, outcome)) = step.settles(self.permits.len()) {
            let permit = self.permits.remove(index);
            return Answer::Settled(self.model.settle(permit, outcome, 1, self.now));
        }
        match step {
            Acquire => match self.model.acquire(self.now) {
                Ok(permit) => {
                    self.permits.push(permit);
                    return Answer::Admitted;
                }
                Err(rejected) => return Answer::Rejected(rejected),
            },
            Operate(state) => self.model.operate(state, self.now),
            ForceOpenUntil(span) => {
                self.model
                    .force_open_until(self.now.saturating_add(span), self.now);
            }
            _ => {}
        }
        Answer::Nothing
    }
}

struct Search {
    config: Config,
    alphabet: &'static [Step],
    path: Vec<Step>,
    sequences: u64,
    steps: u64,
    reached: BTreeMap<&'static str, u64>,
}

/// Runs every sequence of `length` steps after `prefix`; returns how often what was reached.
fn search(
    name: &str,
    config: Config,
    prefix: &[Step],
    alphabet: &'static [Step],
    length: usize,
) -> BTreeMap<&'static str, u64> {
    let length = if cfg!(debug_assertions) {
        length.min(6)
    } else {
        length
    };
    let mut search = Search {
        config,
        alphabet,
        path: Vec::new(),
        sequences: 0,
        steps: 0,
        reached: BTreeMap::new(),
    };
    let mut node = Node {
        model: Breaker::new(config),
        permits: Vec::new(),
        now: 0,
        before: real(&config).snapshot(Nanos::ZERO),
        admitted: 0,
        wasted: 0,
    };
    for &step in prefix {
        node = search.visit(&node, step);
        search.path.push(step);
    }
    search.below(&node, length);
    println!(
        "{name}: {} sequences, {} steps of the real breaker, reached {:?}",
        search.sequences, search.steps, search.reached
    );
    search.reached
}

impl Search {
    fn below(&mut self, node: &Node, length: usize) {
        if length == 0 {
            self.sequences += 1;
            return;
        }
        for &step in self.alphabet {
            if !step.applies(node.permits.len()) {
                continue;
            }
            let next = self.visit(node, step);
            self.path.push(step);
            self.below(&next, length - 1);
            self.path.pop();
        }
    }

    /// Replays the path on a new real breaker; every step of it has been compared before.
    fn replay(&mut self) -> Real {
        let mut real = Real {
            breaker: real(&self.config),
            permits: Vec::new(),
        };
        let mut now = 0;
        for &step in &self.path {
            now = step.now(now);
            real.take(step, now);
        }
        self.steps += self.path.len() as u64 + 1;
        real
    }

    fn visit(&mut self, node: &Node, step: Step) -> Node {
        let mut real = self.replay();
        let mut next = node.clone();
        let would_pass = real.breaker.check(Nanos::new(node.now)).is_ok();
        if step == Acquire {
            assert_eq!(would_pass, node.model.clone().acquire(node.now).is_ok());
        }
        let expected = next.take(step);
        let answer = real.take(step, next.now);
        let after = real.breaker.snapshot(Nanos::new(next.now));
        let told = || format!("{:?} then {step:?}: {after:?}", self.path);

        assert_eq!(answer, expected, "{}", told());
        let model = &next.model;
        assert_eq!(after.state, model.state(), "{}", told());
        assert_eq!(
            u64::from(after.generation),
            model.generation(),
            "{}",
            told()
        );
        assert_eq!(after.in_flight, model.in_flight(), "{}", told());
        assert_eq!(after.window, model.window(next.now), "{}", told());
        let totals = Counts {
            calls: after.totals.calls,
            failures: after.totals.failures,
            slow: after.totals.slow,
        };
        assert_eq!(totals, model.total, "{}", told());
        assert_eq!(after.totals.rejected, model.rejected, "{}", told());
        assert_eq!(after.totals.ignored, model.ignored, "{}", told());

        let before = &node.before;
        let changed = after.generation != before.generation;
        // B1, B2: a generation is one legal change; the same generation is the same state.
        if changed {
            assert_eq!(after.generation, before.generation + 1, "{}", told());
            assert!(
                is_legal(before.state, after.state, step),
                "{before:?}, {}",
                told()
            );
            self.count(match (before.state, after.state) {
                (State::Closed, State::Open) => "trip",
                (State::HalfOpen, State::Open) => "re-open",
                (State::HalfOpen, State::Closed) if step != Operate(State::Closed) => "recovery",
                (State::HalfOpen, State::HalfOpen) => "new round",
                _ => "other change",
            });
            // B12: whatever is closed begins with nothing counted.
            if after.state == State::Closed {
                assert_eq!(after.window, Counts::default(), "{:?}", self.path);
            }
            (next.admitted, next.wasted) = (0, 0);
        } else {
            assert_eq!(after.state, before.state, "{}", told());
        }
        if let Some(reached) = self.check_answer(node, &mut next, step, answer, &real, &after) {
            self.count(reached);
        }
        self.count(after.state.as_str());
        next.before = after;
        next
    }

    fn check_answer(
        &self,
        node: &Node,
        next: &mut Node,
        step: Step,
        answer: Answer,
        real: &Real,
        after: &Snapshot,
    ) -> Option<&'static str> {
        let config = self.config;
        let before = &node.before;
        let mut reached = None;
        let told = || format!("{:?} then {step:?}", self.path);
        match answer {
            Answer::Admitted => {
                next.admitted += u32::from(after.state == State::HalfOpen);
            }
            Answer::Rejected(Rejected { retry_after, .. }) => {
                // B17: only a breaker that has a reason rejects; a closed one when calls in flight open it.
                let has_reason = match before.state {
                    State::Disabled | State::MetricsOnly => false,
                    State::Closed => before.overdue > 0 && after.state == State::Open,
                    _ => true,
                };
                assert!(has_reason, "{}", told());
                // B7: not a nanosecond before the deadline, and at it.
                if let Some(wait) = retry_after {
                    let deadline = node.now + wait.get();
                    let check = |at| real.breaker.check(Nanos::new(at)).is_ok();
                    assert!(!check(deadline - 1) && check(deadline), "{}", told());
                }
                reached = Some("rejected");
            }
            Answer::Settled(Settled::Stale) => {
                // B5: nothing has moved, not even a display count.
                assert_eq!(after, before, "{}", told());
                reached = Some("stale");
            }
            Answer::Settled(Settled::Recorded) => {
                let probe = before.state == State::HalfOpen && after.state == State::HalfOpen;
                let succeeded = after.probe_successes > before.probe_successes;
                next.wasted += u32::from(probe && !succeeded);
            }
            Answer::Nothing => {}
        }
        if after.state == State::HalfOpen {
            // B3: places, and admissions of the whole round.
            assert!(after.in_flight <= config.half_open_requests, "{}", told());
            let most = config.half_open_requests.max(config.half_open_successes);
            assert!(next.admitted <= most + next.wasted, "{}", told());
            // B10: whoever comes when the lease is over is admitted, whatever became of the others.
            let lease_over = after.since.saturating_add(Nanos::new(config.probe_lease));
            assert!(real.breaker.check(lease_over).is_ok(), "{}", told());
        }
        reached
    }

    fn count(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }
}

fn is_legal(from: State, to: State, step: Step) -> bool {
    match step {
        Operate(state) => to == state,
        ForceOpenUntil(_) => to == State::ForcedOpen,
        Acquire => {
            matches!(
                (from, to),
                (
                    State::Open | State::HalfOpen | State::ForcedOpen,
                    State::HalfOpen
                ) | (State::Closed, State::Open)
            )
        }
        Oldest(Success | Failure) | Newest(Success | Failure) => matches!(
            (from, to),
            (State::Closed, State::Open) | (State::HalfOpen, State::Open | State::Closed)
        ),
        _ => false,
    }
}

fn assert_reached(reached: &BTreeMap<&'static str, u64>, wanted: &[&str]) {
    for wanted in wanted {
        assert!(reached.contains_key(wanted), "no sequence: {wanted}");
    }
}

const CALLS: &[Step] = &[
    Acquire,
    Oldest(Success),
    Oldest(Failure),
    Newest(Success),
    Newest(Failure),
    Oldest(Ignored),
    Wait(ALMOST),
    Wait(1),
    Operate(State::Closed),
];

#[test]
fn b1_b2_b5_w9_w10_count_window_of_two() {
    let config = Config {
        minimum: 2,
        ..base(Window::Count(2))
    };
    let reached = search("count(2)", config, &[], CALLS, 8);
    assert_reached(&reached, &["trip", "stale", "rejected"]);
}

#[test]
fn b7_b17_w1_w7_t1_time_window_of_two_slots_and_a_clock_that_goes_back() {
    const STEPS: &[Step] = &[
        Acquire,
        Oldest(Success),
        Oldest(Failure),
        Newest(Failure),
        Wait(ALMOST),
        Wait(1),
        Wait(2 * SPAN),
        Back(SPAN),
    ];
    let config = Config {
        minimum: 2,
        failure_ppm: 1_000_000,
        ..base(Window::Time {
            slot: SPAN,
            slots: 2,
        })
    };
    let reached = search("time(2)", config, &[], STEPS, 8);
    assert_reached(&reached, &["trip", "rejected"]);
}

#[test]
fn b3_b6_b10_b12_probes_of_two_places_three_successes_and_one_tolerated_failure() {
    let config = Config {
        half_open_requests: 2,
        half_open_successes: 3,
        half_open_failures: 1,
        ..base(Window::Count(1))
    };
    let reached = search("half-open 2/3/1", config, &HALF_OPEN, CALLS, 8);
    let wanted = ["re-open", "recovery", "new round", "trip", "stale"];
    assert_reached(&reached, &wanted);
}

#[test]
fn b16_b20_backoff_grows_and_a_clock_that_jumps_opens_nothing_early() {
    const STEPS: &[Step] = &[
        Acquire,
        Oldest(Success),
        Oldest(Failure),
        Wait(SPAN),
        Wait(3 * SPAN),
        Wait(u64::MAX / 2),
        Back(SPAN),
        Back(u64::MAX),
    ];
    let config = Config {
        backoff: 2 * BACKOFF_ONE,
        open_timeout_max: 3 * SPAN,
        ..base(Window::Count(1))
    };
    let reached = search("back-off", config, &HALF_OPEN, STEPS, 7);
    assert_reached(&reached, &["re-open", "recovery", "new round", "rejected"]);
}

#[test]
fn b8_b9_consecutive_two() {
    let config = base(Window::Consecutive(2));
    let reached = search("consecutive(2)", config, &[], CALLS, 8);
    assert_reached(&reached, &["trip", "stale", "rejected"]);
}

#[test]
fn b11_slow_calls_and_slow_probes() {
    const STEPS: &[Step] = &[
        Acquire,
        Oldest(Success),
        Newest(Success),
        Oldest(Failure),
        Wait(ALMOST),
        Wait(1),
    ];
    let config = Config {
        half_open_requests: 2,
        half_open_successes: 2,
        slow_call: Some(ALMOST),
        slow_ppm: 500_000,
        failure_ppm: 1_000_000,
        ..base(Window::Count(2))
    };
    let reached = search("slow, half-open", config, &HALF_OPEN, STEPS, 8);
    assert_reached(&reached, &["re-open", "recovery", "new round", "stale"]);
    let reached = search("slow, closed", config, &[], STEPS, 8);
    assert_reached(&reached, &["trip"]);
}

#[test]
fn b8_b9_calls_in_flight_past_the_slow_limit() {
    const STEPS: &[Step] = &[
        Acquire,
        Oldest(Success),
        Newest(Failure),
        Oldest(Ignored),
        Wait(ALMOST),
        Wait(1),
        Wait(2 * SPAN),
        Back(SPAN),
    ];
    let config = Config {
        minimum: 2,
        slow_call: Some(ALMOST),
        count_overdue: true,
        failure_ppm: 1_000_000,
        ..base(Window::Time {
            slot: SPAN,
            slots: 3,
        })
    };
    let reached = search("overdue", config, &[], STEPS, 8);
    assert_reached(&reached, &["trip", "stale", "rejected"]);
}

#[test]
fn b13_operators_at_every_point() {
    const STEPS: &[Step] = &[
        Acquire,
        Oldest(Success),
        Oldest(Failure),
        Wait(SPAN),
        Operate(State::Closed),
        Operate(State::ForcedOpen),
        Operate(State::Disabled),
        Operate(State::MetricsOnly),
        ForceOpenUntil(SPAN),
    ];
    let config = base(Window::Count(1));
    let reached = search("operators", config, &HALF_OPEN, STEPS, 6);
    let states = State::ALL.map(State::as_str);
    assert_reached(&reached, &states);
    assert_reached(&reached, &["stale", "trip", "recovery", "re-open"]);
}

#[test]
fn w11_decaying_window() {
    const STEPS: &[Step] = &[
        Acquire,
        Oldest(Success),
        Oldest(Failure),
        Wait(SPAN),
        Wait(9 * SPAN),
        Back(SPAN),
        Operate(State::Closed),
    ];
    let config = Config {
        minimum: 2,
        ..base(Window::Decay {
            slot: SPAN,
            slots: 10,
            steps: 2,
        })
    };
    let reached = search("decay", config, &[], STEPS, 7);
    assert_reached(&reached, &["trip", "stale", "rejected"]);
}
