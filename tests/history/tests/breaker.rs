//! Histories of the whole breaker: three threads, four operations each, every kind of window. `src/breaker.rs` says what is
//! one moment and what is not.
#![cfg(fuseboard_shuttle)]

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, Counts, Nanos, Observer, Outcome, RawPermit, Settled,
    State, Transition, Window as CoreWindow,
};
use fuseboard_history::breaker::specification::Specification;
use fuseboard_history::breaker::{Answer, Part, Quiet, Reply, parts};
use fuseboard_history::clock::{Clock, SECOND, START};
use fuseboard_history::faults::{NOT_LINEARIZABLE, must_be_caught};
use fuseboard_history::history::History;
use fuseboard_history::schedule::{explore, interrupted};
use fuseboard_history::sometimes::Sometimes;
use fuseboard_model::breaker::{BACKOFF_ONE, Config, Window};
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

const THREADS: usize = 3;
const OPERATIONS: usize = 4;
/// Who begins and ends each history.
const MAIN: usize = THREADS;

fn config(window: Window) -> Config {
    Config {
        failure_ppm: 500_000,
        minimum: 2,
        open_timeout: SECOND,
        open_timeout_max: SECOND,
        backoff: BACKOFF_ONE,
        half_open_requests: 1,
        half_open_successes: 1,
        half_open_failures: 0,
        probe_lease: SECOND,
        window,
        slow_call: None,
        slow_ppm: 1_000_000,
        count_overdue: false,
        jitter_ppm: 0,
        jitter_seed: 0,
        ramp_up: 0,
    }
}

fn settings(config: &Config) -> CircuitBreakerConfig {
    let ppm = |ppm: u64| ppm as f64 / 1e6;
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
        })
}

/// Counts what one operation changed.
#[derive(Default)]
struct Told(RefCell<Vec<Transition>>);

impl Observer for Told {
    fn transition(&self, transition: &Transition) {
        self.0.borrow_mut().push(*transition);
    }
}

/// What the threads of one history share. The mutexes are std's and order nothing (`history.rs`).
struct Shared<const SLOTS: usize, const STRIPES: usize> {
    breaker: CircuitBreaker<SLOTS, STRIPES>,
    config: Config,
    is_configured: bool,
    clock: Clock,
    history: History<Part, Reply>,
    /// Permits that anybody may settle; what is left at the end was lost.
    permits: Mutex<Vec<(usize, RawPermit)>>,
    ids: Mutex<usize>,
    told: Mutex<Vec<Transition>>,
    seen: Sometimes,
}

impl<const SLOTS: usize, const STRIPES: usize> Shared<SLOTS, STRIPES> {
    fn id(&self) -> usize {
        let mut ids = self.ids.lock().unwrap();
        *ids += 1;
        *ids
    }

    fn record(
        &self,
        thread: usize,
        call: Part,
        is_call: bool,
        operation: impl FnOnce(&Told) -> (Answer, Option<Counts>),
    ) -> Reply {
        let reply = self.history.record(thread, call, || {
            let told = Told::default();
            let (interrupted, (answer, window)) = interrupted(|| operation(&told));
            let told = told.0.into_inner();
            let changed = !told.is_empty();
            self.told.lock().unwrap().extend(told);
            Reply {
                answer,
                changed,
                interrupted,
                window,
                is_call,
            }
        });
        for transition in self.told.lock().unwrap().iter() {
            self.seen.count(transition.to.as_str(), true);
        }
        reply
    }

    fn acquire(&self, thread: usize, now: u64) {
        let id = self.id();
        self.record(thread, Part::Acquire { id, now }, false, |told| {
            let answer = match self.breaker.acquire(Nanos::new(now), told) {
                Err(rejected) => Answer::Rejected(rejected),
                Ok(permit) => {
                    self.permits.lock().unwrap().push((id, permit));
                    let [head, _] = permit.to_words();
                    Answer::Admitted {
                        generation: head >> 3,
                        is_probe: permit.is_probe(),
                    }
                }
            };
            (answer, None)
        });
        let full = fuseboard_core::Reason::HalfOpenFull;
        self.seen.count("cap hit", self.last_was_rejected_for(full));
    }

    fn last_was_rejected_for(&self, reason: fuseboard_core::Reason) -> bool {
        let last = self.history.last_answer();
        matches!(last, Some(Reply { answer: Answer::Rejected(rejected), .. }) if rejected.reason == reason)
    }

    /// Settles any permit, mostly as a failure.
    fn settle(&self, thread: usize, outcome: Outcome, now: u64) {
        let taken = {
            let mut permits = self.permits.lock().unwrap();
            if permits.is_empty() {
                return;
            }
            let index = thread_rng().gen_range(0..permits.len());
            permits.swap_remove(index)
        };
        let (permit, raw) = taken;
        let id = self.id();
        let call = Part::Settle {
            id,
            permit,
            outcome,
            weight: 1,
            now,
        };
        // Purpose 1 is a call's (`RawPermit::to_words`).
        let is_call = raw.to_words()[0] & 7 == 1;
        let reply = self.record(thread, call, is_call, |told| {
            let settled = self.breaker.settle(raw, outcome, Nanos::new(now), told);
            (Answer::Settled(settled), None)
        });
        let is_stale = reply.answer == Answer::Settled(Settled::Stale);
        self.seen.count("stale outcome dropped", is_stale);
    }

    fn operate(&self, thread: usize, now: u64) {
        let at = Nanos::new(now);
        let state = match thread_rng().gen_range(0..6) {
            0 => State::ForcedOpen,
            1 => State::Disabled,
            2 => State::MetricsOnly,
            _ => State::Closed,
        };
        let id = self.id();
        self.record(thread, Part::Operate { id, state, now }, false, |told| {
            match state {
                State::ForcedOpen => self.breaker.force_open(at, told),
                State::Disabled => self.breaker.disable(at, told),
                State::MetricsOnly => self.breaker.metrics_only(at, told),
                _ => self.breaker.reset(at, told),
            }
            (Answer::Done, None)
        });
    }

    /// One word of the settings.
    fn configure(&self, thread: usize) {
        let mut config = self.config;
        config.half_open_requests = thread_rng().gen_range(1..3);
        config.half_open_successes = thread_rng().gen_range(1..3);
        self.record(thread, Part::Configure(config), false, |_| {
            self.breaker.configure(settings(&config)).expect("in range");
            (Answer::Done, None)
        });
    }

    fn read(&self, thread: usize, now: u64) {
        let at = Nanos::new(now);
        match thread_rng().gen_range(0..3) {
            0 => {
                self.record(thread, Part::State, false, |_| {
                    (Answer::State(self.breaker.state()), None)
                });
            }
            1 => {
                let id = self.id();
                self.record(thread, Part::Check { id, now }, false, |_| {
                    let answer = match self.breaker.check(at) {
                        Ok(()) => Answer::Passes,
                        Err(rejected) => Answer::Rejected(rejected),
                    };
                    (answer, None)
                });
            }
            _ => {
                self.record(thread, Part::Word, false, |_| {
                    let shown = self.breaker.snapshot(at);
                    // W2, in every state of the words.
                    assert!(shown.window.failures <= shown.window.calls, "{shown:?}");
                    assert!(shown.window.slow <= shown.window.calls, "{shown:?}");
                    let round = [shown.in_flight, shown.probe_successes, shown.probe_failures];
                    let generation = u64::from(shown.generation);
                    let counts = matches!(shown.state, State::Closed | State::MetricsOnly);
                    (
                        Answer::Word(shown.state, generation, round),
                        counts.then_some(shown.window),
                    )
                });
            }
        }
    }

    fn run(&self, thread: usize) {
        let mut last = START;
        for _ in 0..OPERATIONS {
            let now = self.clock.look(&mut last);
            match thread_rng().gen_range(0..20) {
                0..8 => self.acquire(thread, now),
                8..13 => self.settle(thread, Outcome::Failure, now),
                13..15 => self.settle(thread, Outcome::Success, now),
                15 => self.settle(thread, Outcome::Ignored, now),
                16 if self.is_configured => self.configure(thread),
                16 => self.operate(thread, now),
                _ => self.read(thread, now),
            }
        }
    }

    /// Judges the history when all are quiet.
    fn judge(&self) {
        let now = START + 50 * SECOND;
        let quiet = self.record(MAIN, Part::Quiet { now: START }, false, |_| {
            let shown = self.breaker.snapshot(Nanos::new(START));
            let quiet = Quiet {
                word: (
                    shown.state,
                    u64::from(shown.generation),
                    [shown.in_flight, shown.probe_successes, shown.probe_failures],
                ),
                window: shown.window,
                total: Counts {
                    calls: shown.totals.calls,
                    failures: shown.totals.failures,
                    slow: shown.totals.slow,
                },
                rejected: shown.totals.rejected,
                ignored: shown.totals.ignored,
            };
            (Answer::Quiet(quiet), None)
        });
        let Answer::Quiet(Quiet { word, .. }) = quiet.answer else {
            unreachable!("asked for just now")
        };
        // B15: one event for each generation.
        let mut told: Vec<_> = self
            .told
            .lock()
            .unwrap()
            .iter()
            .map(|t| t.generation)
            .collect();
        told.sort_unstable();
        let every: Vec<_> = (1..=word.1 as u32).collect();
        assert_eq!(told, every, "one event for each change");
        self.history.must_be_linearizable(
            Specification::new(self.config, self.is_configured),
            |call, reply| parts(self.config.window, self.is_configured, call, reply),
        );
        // B10: whatever was lost, time leads out of half-open.
        if word.0 == State::HalfOpen {
            self.seen.count("probe lost", true);
            let probe = self
                .breaker
                .acquire(Nanos::new(now), &())
                .expect("the lease is over");
            // Whatever the round tolerates.
            let at = Nanos::new(now);
            let settled = self
                .breaker
                .settle_weighted(probe, Outcome::Failure, 1_000, at, &());
            assert_eq!(settled, Settled::Recorded);
            assert_eq!(self.breaker.state(), State::Open);
        }
    }
}

const CASES: [&str; 9] = [
    "closed",
    "open",
    "half_open",
    "forced_open",
    "disabled",
    "metrics_only",
    "cap hit",
    "stale outcome dropped",
    "probe lost",
];

/// Histories of a breaker with this configuration. Some begin closed, some open, some half-open.
fn histories<const SLOTS: usize, const STRIPES: usize>(
    name: &str,
    number: usize,
    config: Config,
    is_configured: bool,
) {
    let seen = Sometimes::new(&CASES);
    let all = seen.clone();
    explore(name, number, move || {
        let shared = Arc::new(Shared::<SLOTS, STRIPES> {
            breaker: CircuitBreaker::new(settings(&config)),
            config,
            is_configured,
            clock: Clock::default(),
            history: History::default(),
            permits: Mutex::default(),
            ids: Mutex::default(),
            told: Mutex::default(),
            seen: seen.clone(),
        });
        let begin = thread_rng().gen_range(0..4);
        for _ in 0..2 {
            shared.acquire(MAIN, START);
            if begin > 1 {
                shared.settle(MAIN, Outcome::Failure, START);
            }
        }
        if begin > 2 {
            shared.acquire(MAIN, START + SECOND);
        }
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.run(thread))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        shared.judge();
    });
    if !is_configured {
        all.must_all_have_happened();
    }
}

/// B1 to B15 with a run of failures: one word.
#[test]
fn b1_b13_consecutive_histories() {
    histories::<2, 1>("consecutive", 4_000, config(Window::Consecutive(2)), false);
}

/// B1 to B15, W10 with a count window.
#[test]
fn b1_w10_count_histories() {
    histories::<2, 1>("count", 4_000, config(Window::Count(3)), false);
}

/// B1 to B15, W1, W3, W6, W7 with a window of two slots.
#[test]
fn b1_w1_w6_time_histories() {
    let window = Window::Time {
        slot: SECOND / 2,
        slots: 2,
    };
    histories::<2, 1>("time", 5_000, config(window), false);
}

/// W6, W12: one slot, which is used again whenever the clock moves.
#[test]
fn w6_w12_one_slot_histories() {
    let window = Window::Time {
        slot: SECOND / 2,
        slots: 1,
    };
    histories::<1, 1>("one slot", 3_000, config(window), false);
}

/// The same on two stripes: a thread's stripe follows from its stack's address, so these schedules differ from run to run.
#[test]
fn b8_w3_striped_histories() {
    let window = Window::Time {
        slot: SECOND / 2,
        slots: 2,
    };
    histories::<2, 2>("two stripes", 2_000, config(window), false);
}

/// Slow calls, tolerated probe failures, two probes at once, back-off.
#[test]
fn b3_b11_b16_rounds_of_two_histories() {
    let config = Config {
        half_open_requests: 2,
        half_open_successes: 2,
        half_open_failures: 1,
        open_timeout_max: 4 * SECOND,
        backoff: 2 * BACKOFF_ONE,
        slow_call: Some(SECOND / 2),
        ..config(Window::Count(2))
    };
    histories::<2, 1>("rounds of two", 3_000, config, false);
}

/// A decaying window.
#[test]
fn b8_w1_decay_histories() {
    let window = Window::Decay {
        slot: SECOND / 2,
        slots: 10,
        steps: 2,
    };
    histories::<10, 1>("decay", 1_000, config(window), false);
}

/// B13: the round's settings change under load; one word, so one moment.
#[test]
fn b13_configure_histories() {
    histories::<2, 1>("configure", 2_000, config(Window::Consecutive(2)), true);
}

/// The faults of these words that no weaker order is needed for, each caught by the histories alone.
#[test]
fn the_histories_catch_the_faults() {
    for (fault, test) in [
        ("moment_after_swap", "b1_b13_consecutive_histories"),
        ("probe_without_generation", "b1_b13_consecutive_histories"),
        ("call_without_generation", "b1_w10_count_histories"),
        ("record_without_recheck", "b1_w1_w6_time_histories"),
        ("judges_its_own_tick", "b1_w1_w6_time_histories"),
    ] {
        must_be_caught(fault, test, NOT_LINEARIZABLE);
    }
}
