//! The circuit breaker, interrupted at every instruction.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, Nanos, Outcome, RawPermit, Settled, State, Window,
};
use fuseboard_interrupt::script::{Hand, Script, Subject};
use fuseboard_interrupt::sweep;

type Breaker = CircuitBreaker<4, 1>;

const fn at(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

const CONFIG: CircuitBreakerConfig = CircuitBreakerConfig::new()
    .minimum_requests(4)
    .window(Window::Time {
        length: at(4_000),
        slots: 4,
    })
    .open_timeout(at(1_000))
    .half_open_requests(4)
    .half_open_successes(Some(2))
    .probe_lease(Some(at(10_000)));

/// Everybody holds a permit.
fn with_permits(breaker: &Breaker, now: Nanos) -> [Hand; 3] {
    let mut hands = [Hand::NONE; 3];
    for hand in &mut hands {
        hand.permit = breaker.acquire(now, &()).ok();
        assert!(hand.permit.is_some(), "admitted before the scripts begin");
    }
    hands
}

/// Settles the permit in hand, and keeps the answer.
fn settle(breaker: &Breaker, hand: &mut Hand, outcome: Outcome, now: Nanos) {
    if let Some(permit) = hand.permit.take() {
        let settled = breaker.settle(permit, outcome, now, &());
        hand.tell(settled);
    }
}

/// As `settle`, and keeps only what was counted: for states where a call is counted and judged in two steps, between
/// which others may act.
fn count(breaker: &Breaker, hand: &mut Hand, outcome: Outcome, now: Nanos) {
    if let Some(permit) = hand.permit.take()
        && breaker.settle(permit, outcome, now, &()) == Settled::Recorded
        && outcome != Outcome::Ignored
    {
        hand.counted[0] += 1;
        hand.counted[1] += u64::from(outcome == Outcome::Failure);
    }
}

/// State word, moment, window, totals, and what comes next.
fn observe(breaker: &Breaker, _: &[Hand]) -> Vec<u64> {
    let seen = breaker.snapshot(at(1_500));
    let mut all = vec![
        seen.generation.into(),
        seen.window.calls,
        seen.window.failures,
        seen.totals.calls,
        seen.totals.failures,
        seen.totals.rejected,
        seen.totals.ignored,
    ];
    observe_state(breaker, &mut all);
    all
}

/// What can be said although a call is counted and judged in two steps: the state with its moment, and that the sums hold
/// what was counted, no more and no less (W3).
fn observe_sums(breaker: &Breaker, hands: &[Hand]) -> Vec<u64> {
    let seen = breaker.snapshot(at(1_500));
    let counted = |which: usize| hands.iter().map(|hand| hand.counted[which]).sum::<u64>();
    let mut all = vec![
        seen.totals.calls - counted(0),
        seen.totals.failures - counted(1),
    ];
    observe_state(breaker, &mut all);
    all
}

fn observe_state(breaker: &Breaker, all: &mut Vec<u64>) {
    let seen = breaker.snapshot(at(1_500));
    all.extend([
        seen.state as u64,
        seen.openings.into(),
        seen.in_flight.into(),
        seen.probe_successes.into(),
        seen.probe_failures.into(),
        seen.since.get(),
    ]);
    for millis in [1_000, 2_999, 3_000, 6_000, 20_000] {
        let decision = breaker.check(at(millis));
        let wait = decision.err().and_then(|rejected| rejected.retry_after);
        all.push(decision.is_err().into());
        all.push(wait.map_or(0, Nanos::get));
    }
}

/// What anybody may do at any time, besides calling. Where a state's moment is compared, all have the same `now`: of two at once
/// the later one's stays, whoever wins.
macro_rules! with_operators {
    ($now:expr; $($script:expr),* $(,)?) => {
        &[
            $($script,)*
            Script { name: "force open", steps: &[|b, _| b.force_open($now, &())] },
            Script { name: "reset", steps: &[|b, _| b.reset($now, &())] },
            Script { name: "metrics only", steps: &[|b, _| b.metrics_only($now, &())] },
            Script { name: "disable", steps: &[|b, _| b.disable($now, &())] },
            Script {
                name: "configure",
                steps: &[|b, hand| hand.tell(b.configure(CONFIG.open_timeout(at(5_000))).is_ok())],
            },
            Script { name: "read the state", steps: &[|b, hand| hand.tell(b.state() as u64)] },
            Script { name: "snapshot", steps: &[|b, hand| hand.tell(u64::from(b.snapshot($now).generation))] },
        ]
    };
}

static ABOUT_TO_TRIP: Subject<Breaker> = Subject {
    name: "closed, one call from tripping",
    make: || failed(3, CONFIG),
    observe: observe_sums,
    scripts: with_operators![at(9_000);
        Script {
            name: "acquire",
            steps: &[|b, hand| hand.take(b.acquire(at(970), &()))]
        },
        Script {
            name: "success that reaches the minimum",
            steps: &[|b, hand| count(b, hand, Outcome::Success, at(980))]
        },
        Script {
            name: "failure that trips",
            steps: &[|b, hand| count(b, hand, Outcome::Failure, at(980))]
        },
        Script {
            name: "cancel",
            steps: &[|b, hand| count(b, hand, Outcome::Ignored, at(980))]
        },
        Script {
            name: "success in a new slot",
            steps: &[|b, hand| count(b, hand, Outcome::Success, at(1_100))]
        },
        Script {
            name: "failure after the window",
            steps: &[|b, hand| count(b, hand, Outcome::Failure, at(9_000))]
        },
    ],
};

static CLOSED: Subject<Breaker> = Subject {
    name: "closed, far from tripping",
    make: || failed(3, CONFIG.minimum_requests(100)),
    observe,
    scripts: &[
        Script {
            name: "acquire",
            steps: &[|b, hand| hand.take(b.acquire(at(970), &()))],
        },
        Script {
            name: "call that succeeds",
            steps: &[
                |b, hand| hand.take(b.acquire(at(970), &())),
                |b, hand| settle(b, hand, Outcome::Success, at(980)),
            ],
        },
        Script {
            name: "failure",
            steps: &[|b, hand| settle(b, hand, Outcome::Failure, at(980))],
        },
        Script {
            name: "success in a new slot",
            steps: &[|b, hand| settle(b, hand, Outcome::Success, at(1_100))],
        },
        Script {
            name: "failure after the window",
            // In the next use of the slot that the others count in.
            steps: &[|b, hand| settle(b, hand, Outcome::Failure, at(8_500))],
        },
        Script {
            name: "snapshot",
            steps: &[|b, hand| hand.tell(b.snapshot(at(990)).window.failures <= 4)],
        },
    ],
};

/// A closed breaker with some failures.
fn failed(failures: u32, config: CircuitBreakerConfig) -> (Breaker, [Hand; 3]) {
    let breaker = Breaker::new(config);
    for _ in 0..failures {
        let permit = breaker.acquire(at(900), &()).expect("closed");
        let _ = breaker.settle(permit, Outcome::Failure, at(950), &());
    }
    let hands = with_permits(&breaker, at(960));
    (breaker, hands)
}

/// A breaker that opened at 1 s, and the permits of before.
fn opened() -> (Breaker, [Hand; 3]) {
    let (breaker, hands) = failed(3, CONFIG);
    let permit = breaker.acquire(at(970), &()).expect("closed");
    let _ = breaker.settle(permit, Outcome::Failure, at(1_000), &());
    assert_eq!(breaker.state(), State::Open);
    (breaker, hands)
}

static OPEN: Subject<Breaker> = Subject {
    name: "open",
    make: opened,
    observe,
    scripts: with_operators![at(2_000);
        Script {
            name: "rejected",
            steps: &[|b, hand| hand.take(b.acquire(at(1_999), &()))]
        },
        Script {
            name: "first probe",
            steps: &[|b, hand| hand.take(b.acquire(at(2_000), &()))]
        },
        Script {
            name: "first probe, which fails",
            steps: &[
                |b, hand| hand.take(b.acquire(at(2_000), &())),
                |b, hand| settle(b, hand, Outcome::Failure, at(2_000)),
            ],
        },
        Script {
            name: "late failure",
            steps: &[|b, hand| settle(b, hand, Outcome::Failure, at(2_000))]
        },
    ],
};

/// A half-open breaker with three of four places taken.
fn half_open() -> (Breaker, [Hand; 3]) {
    let (breaker, _) = opened();
    let hands = with_permits(&breaker, at(2_000));
    assert_eq!(breaker.state(), State::HalfOpen);
    (breaker, hands)
}

static HALF_OPEN: Subject<Breaker> = Subject {
    name: "half-open, one place free",
    make: half_open,
    observe,
    scripts: with_operators![at(2_000);
        Script {
            name: "probe admission",
            steps: &[|b, hand| hand.take(b.acquire(at(2_000), &()))]
        },
        Script {
            name: "probe succeeds",
            steps: &[|b, hand| settle(b, hand, Outcome::Success, at(2_000))]
        },
        Script {
            name: "probe fails",
            steps: &[|b, hand| settle(b, hand, Outcome::Failure, at(2_000))]
        },
        Script {
            name: "probe is cancelled",
            steps: &[|b, hand| settle(b, hand, Outcome::Ignored, at(2_000))]
        },
        Script {
            name: "two probes, of which one fits",
            steps: &[
                |b, hand| hand.take(b.acquire(at(2_000), &())),
                |b, hand| hand.take(b.acquire(at(2_000), &())),
            ]
        },
    ],
};

static LOST_PROBES: Subject<Breaker> = Subject {
    name: "half-open, all places lost",
    make: || {
        let (breaker, hands) = half_open();
        let lost = breaker.acquire(at(2_000), &());
        assert!(lost.is_ok_and(RawPermit::is_probe));
        (breaker, hands)
    },
    observe,
    scripts: with_operators![at(12_000);
        Script { name: "rejected", steps: &[|b, hand| hand.take(b.acquire(at(11_999), &()))] },
        Script { name: "a new round", steps: &[|b, hand| hand.take(b.acquire(at(12_000), &()))] },
        Script {
            name: "a new round, and its success",
            steps: &[
                |b, hand| hand.take(b.acquire(at(12_000), &())),
                |b, hand| settle(b, hand, Outcome::Success, at(12_000)),
            ],
        },
        Script { name: "late success", steps: &[|b, hand| settle(b, hand, Outcome::Success, at(12_000))] },
        Script { name: "late failure", steps: &[|b, hand| settle(b, hand, Outcome::Failure, at(12_000))] },
        Script { name: "late cancel", steps: &[|b, hand| settle(b, hand, Outcome::Ignored, at(12_000))] },
    ],
};

/// Settles a copy of the permit in hand: in a closed breaker each counts as a call.
fn settle_a_copy(breaker: &Breaker, hand: &mut Hand) {
    if let Some(permit) = hand.permit {
        hand.tell(breaker.settle(permit, Outcome::Success, at(980), &()));
    }
}

static COUNT_WINDOW: Subject<Breaker> = Subject {
    name: "closed, count window that is nearly full",
    make: || {
        let breaker = Breaker::new(CONFIG.window(Window::Count(4)).failure_threshold(1.0));
        for outcome in [Outcome::Failure, Outcome::Failure, Outcome::Success] {
            let permit = breaker.acquire(at(900), &()).expect("closed");
            let _ = breaker.settle(permit, outcome, at(950), &());
        }
        let hands = with_permits(&breaker, at(960));
        (breaker, hands)
    },
    observe: |breaker, hands| {
        let mut all = observe(breaker, hands);
        // Every outcome leaves the window again, each in its turn.
        for _ in 0..4 {
            if let Ok(permit) = breaker.acquire(at(990), &()) {
                let _ = breaker.settle(permit, Outcome::Success, at(990), &());
            }
            all.push(breaker.snapshot(at(990)).window.failures);
        }
        all
    },
    scripts: &[
        Script {
            name: "success",
            steps: &[|b, hand| settle(b, hand, Outcome::Success, at(980))],
        },
        Script {
            name: "failure",
            steps: &[|b, hand| settle(b, hand, Outcome::Failure, at(980))],
        },
        Script {
            name: "four successes",
            steps: &[settle_a_copy, settle_a_copy, settle_a_copy, settle_a_copy],
        },
        Script {
            name: "cancel",
            steps: &[|b, hand| settle(b, hand, Outcome::Ignored, at(980))],
        },
        Script {
            name: "reset",
            steps: &[|b, _| b.reset(at(980), &())],
        },
        Script {
            name: "snapshot",
            steps: &[|b, hand| hand.tell(b.snapshot(at(980)).window.failures)],
        },
    ],
};

static CONSECUTIVE: Subject<Breaker> = Subject {
    name: "closed, failures in a row",
    make: || failed(2, CONFIG.window(Window::Consecutive(100))),
    observe,
    scripts: &[
        Script {
            name: "success",
            steps: &[|b, hand| settle(b, hand, Outcome::Success, at(980))],
        },
        Script {
            name: "failure",
            steps: &[|b, hand| settle(b, hand, Outcome::Failure, at(980))],
        },
        Script {
            name: "reset",
            steps: &[|b, _| b.reset(at(980), &())],
        },
        Script {
            name: "snapshot",
            steps: &[|b, hand| hand.tell(b.snapshot(at(980)).window.failures)],
        },
    ],
};

static DECAY: Subject<Breaker> = Subject {
    name: "closed, decaying window",
    make: || {
        failed(
            3,
            CONFIG
                .window(Window::Decay {
                    half_life: at(1_000),
                })
                .minimum_requests(100),
        )
    },
    observe,
    scripts: &[
        Script {
            name: "success",
            steps: &[|b, hand| settle(b, hand, Outcome::Success, at(980))],
        },
        Script {
            name: "failure a half-life later",
            steps: &[|b, hand| settle(b, hand, Outcome::Failure, at(1_980))],
        },
        Script {
            name: "failure after the window",
            steps: &[|b, hand| settle(b, hand, Outcome::Failure, at(90_000))],
        },
    ],
};

static RAMPING: Subject<Breaker> = Subject {
    name: "closed, ramping up",
    make: || {
        let (breaker, mut hands) = half_open();
        assert!(breaker.configure(CONFIG.ramp_up(at(10_000))).is_ok());
        for hand in &mut hands[..2] {
            settle(&breaker, hand, Outcome::Success, at(2_000));
        }
        assert_eq!(breaker.state(), State::Closed);
        (breaker, [Hand::NONE; 3])
    },
    observe,
    scripts: with_operators![at(4_000);
        Script { name: "acquire", steps: &[|b, hand| hand.take(b.acquire(at(4_000), &()))] },
        Script { name: "acquire four times", steps: &[
            |b, hand| hand.take(b.acquire(at(4_000), &())),
            |b, hand| hand.take(b.acquire(at(4_000), &())),
            |b, hand| hand.take(b.acquire(at(4_000), &())),
            |b, hand| hand.take(b.acquire(at(4_000), &())),
        ] },
        Script { name: "acquire at the ramp's end", steps: &[|b, hand| hand.take(b.acquire(at(12_000), &()))] },
    ],
};

#[test]
fn r1_w3_w10_other_windows_stay_exact() {
    sweep::pairs(&COUNT_WINDOW);
    sweep::pairs(&CONSECUTIVE);
    sweep::pairs(&DECAY);
}

#[test]
fn r1_b17_ramping_up() {
    sweep::pairs(&RAMPING);
}

#[test]
fn r1_b3_b5_b10_lost_probes() {
    sweep::pairs(&LOST_PROBES);
}

#[test]
fn r1_w3_b19_closed_and_about_to_trip() {
    sweep::pairs(&ABOUT_TO_TRIP);
}

#[test]
fn r1_w1_w3_w6_closed_windows_stay_exact() {
    sweep::pairs(&CLOSED);
}

#[test]
fn r1_b4_b5_b19_open() {
    sweep::pairs(&OPEN);
}

#[test]
fn r1_b2_b3_b6_b13_half_open() {
    sweep::pairs(&HALF_OPEN);
}

/// Without contention each operation ends after a fixed number of instructions, which is published here. The bounds leave a
/// fifth for another compiler.
#[test]
fn r2_instructions_alone_are_few() {
    let mut out_of_bounds = Vec::new();
    let mut measure = |subject: &Subject<Breaker>, operation: &str, most: usize| {
        let script = subject
            .scripts
            .iter()
            .find(|script| script.name == operation);
        let instructions = sweep::alone(subject, script.expect(operation));
        println!("| {} | {operation} | {instructions} |", subject.name);
        if !(5..=most).contains(&instructions) {
            out_of_bounds.push(format!("{operation}: {instructions}, at most {most}"));
        }
    };
    measure(&CLOSED, "acquire", 80);
    measure(&CLOSED, "failure", 600);
    measure(&ABOUT_TO_TRIP, "failure that trips", 700);
    measure(&ABOUT_TO_TRIP, "cancel", 120);
    measure(&CLOSED, "failure after the window", 1_000);
    measure(&OPEN, "rejected", 200);
    measure(&OPEN, "first probe", 330);
    measure(&HALF_OPEN, "probe admission", 320);
    measure(&HALF_OPEN, "probe succeeds", 330);
    measure(&HALF_OPEN, "probe fails", 330);
    measure(&HALF_OPEN, "force open", 120);
    measure(&HALF_OPEN, "reset", 400);
    measure(&HALF_OPEN, "configure", 500);
    measure(&HALF_OPEN, "snapshot", 900);
    assert!(out_of_bounds.is_empty(), "{out_of_bounds:?}");
}

/// Two stopped, the one inside the other, and a third that runs to its end; more of it with `--deep`.
#[test]
fn r1_b3_b6_two_may_be_stopped() {
    if std::env::var_os("FUSEBOARD_DEEP").is_some() {
        sweep::triples(&HALF_OPEN, 41);
        sweep::triples(&COUNT_WINDOW, 11);
    }
    sweep::triples(&CONSECUTIVE, 41);
}

/// Each of these is found.
#[cfg(fuseboard_faults)]
#[test]
fn r1_seeded_faults_are_found() {
    fuseboard_interrupt::replay::must_be_found(&[
        ("word_store", "r1_b2_b3_b6_b13_half_open"),
        ("moment_after_swap", "r1_b4_b5_b19_open"),
        (
            "record_in_two_steps",
            "r1_w1_w3_w6_closed_windows_stay_exact",
        ),
        (
            "prepare_without_tick",
            "r1_w1_w3_w6_closed_windows_stay_exact",
        ),
        ("word_store", "r1_b3_b5_b10_lost_probes"),
        ("record_in_two_steps", "r1_w3_b19_closed_and_about_to_trip"),
        ("record_in_two_steps", "r1_w3_w10_other_windows_stay_exact"),
        ("word_store", "r1_b17_ramping_up"),
        ("word_store", "r1_b3_b6_two_may_be_stopped"),
    ]);
}
