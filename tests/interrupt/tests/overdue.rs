//! Calls that are counted in flight, interrupted at every instruction.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use fuseboard_core::{CircuitBreaker, CircuitBreakerConfig, Nanos, Outcome, Settled, Window};
use fuseboard_interrupt::script::{Hand, Script, Subject};
use fuseboard_interrupt::sweep;

type Breaker = CircuitBreaker<4, 1>;

const fn at(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

/// Overdue after half a second, which shows when the slot in which they began is over for as long.
const CONFIG: CircuitBreakerConfig = CircuitBreakerConfig::new()
    .window(Window::Time {
        length: at(4_000),
        slots: 4,
    })
    .minimum_requests(100)
    .open_timeout(at(1_000))
    .slow_call_duration(Some(at(500)))
    .slow_call_threshold(0.9)
    .count_overdue(true);

/// Three calls in flight since the first slot, one in each hand.
fn in_flight(config: CircuitBreakerConfig) -> (Breaker, [Hand; 3]) {
    let breaker = Breaker::new(config);
    let mut hands = [Hand::NONE; 3];
    for hand in &mut hands {
        hand.permit = breaker.acquire(at(900), &()).ok();
        assert!(hand.permit.is_some(), "closed");
    }
    (breaker, hands)
}

fn settle(breaker: &Breaker, hand: &mut Hand, outcome: Outcome, now: Nanos) {
    if let Some(permit) = hand.permit.take() {
        hand.tell(breaker.settle(permit, outcome, now, &()));
    }
}

/// State and sums, and how many calls are overdue: the greatest minimum that they reach.
fn observe(breaker: &Breaker, _: &[Hand]) -> Vec<u64> {
    let seen = breaker.snapshot(at(2_900));
    let mut all = vec![
        seen.state as u64,
        seen.generation.into(),
        seen.window.calls,
        seen.window.failures,
        seen.totals.calls,
        seen.totals.slow,
        seen.totals.ignored,
        seen.totals.rejected,
    ];
    for millis in [2_600, 3_600] {
        let trips = |minimum: &u64| {
            let config = CONFIG.slow_call_threshold(0.01).minimum_requests(*minimum);
            breaker.configure(config).expect("the window stays");
            breaker.check(at(millis)).is_err()
        };
        all.push((1..=8).filter(trips).count() as u64);
    }
    all
}

static WATCHED: Subject<Breaker> = Subject {
    name: "closed, calls in flight",
    make: || in_flight(CONFIG),
    observe,
    scripts: &[
        Script {
            name: "a call begins",
            steps: &[|b, hand| hand.take(b.acquire(at(970), &()))],
        },
        Script {
            name: "a call begins in a new slot",
            steps: &[|b, hand| hand.take(b.acquire(at(1_100), &()))],
        },
        Script {
            name: "a call begins and succeeds",
            steps: &[
                |b, hand| hand.take(b.acquire(at(970), &())),
                |b, hand| settle(b, hand, Outcome::Success, at(980)),
            ],
        },
        Script {
            name: "a slow success",
            steps: &[|b, hand| settle(b, hand, Outcome::Success, at(1_900))],
        },
        Script {
            name: "failure",
            steps: &[|b, hand| settle(b, hand, Outcome::Failure, at(980))],
        },
        Script {
            name: "cancel",
            steps: &[|b, hand| settle(b, hand, Outcome::Ignored, at(980))],
        },
        Script {
            name: "a call begins after the window",
            steps: &[|b, hand| hand.take(b.acquire(at(9_000), &()))],
        },
        Script {
            name: "reset",
            steps: &[|b, _| b.reset(at(980), &())],
        },
        Script {
            name: "snapshot",
            steps: &[|b, hand| hand.tell(b.snapshot(at(990)).window.calls <= 6)],
        },
    ],
};

/// Asks, and keeps only how often it was rejected: overdue calls are judged first and the request after that, two steps
/// between which others may act.
fn ask(breaker: &Breaker, hand: &mut Hand) {
    hand.counted[0] += u64::from(breaker.acquire(at(2_600), &()).is_err());
}

/// Three calls are overdue, and three are enough.
static OVERDUE: Subject<Breaker> = Subject {
    name: "closed, overdue calls that trip it",
    make: || in_flight(CONFIG.minimum_requests(3)),
    observe: |breaker, hands| {
        let seen = breaker.snapshot(at(2_900));
        let counted = |which: usize| hands.iter().map(|hand| hand.counted[which]).sum::<u64>();
        vec![
            seen.state as u64,
            seen.generation.into(),
            seen.since.get(),
            seen.totals.calls,
            seen.totals.rejected - counted(0),
            seen.totals.ignored - counted(1),
        ]
    },
    scripts: &[
        Script {
            name: "a call that finds them",
            steps: &[ask],
        },
        Script {
            name: "a call that finds them, and one after it",
            steps: &[ask, ask],
        },
        Script {
            name: "cancel",
            steps: &[|b, hand| {
                if let Some(permit) = hand.permit.take() {
                    let settled = b.cancel(permit, &());
                    hand.counted[1] += u64::from(settled == Settled::Recorded);
                }
            }],
        },
        Script {
            name: "force open",
            steps: &[|b, _| b.force_open(at(2_600), &())],
        },
        Script {
            name: "check",
            steps: &[|b, _| {
                let _ = b.check(at(2_600));
            }],
        },
        Script {
            name: "read the state",
            steps: &[|b, hand| hand.tell(b.state() as u64)],
        },
    ],
};

#[test]
fn r1_w3_calls_in_flight_stay_exact() {
    sweep::pairs(&WATCHED);
}

#[test]
fn r1_b8_b9_overdue_calls_trip_once() {
    sweep::pairs(&OVERDUE);
}

/// Each of these is found.
#[cfg(fuseboard_faults)]
#[test]
fn r1_seeded_faults_are_found() {
    fuseboard_interrupt::replay::must_be_found(&[
        ("overdue_store", "r1_w3_calls_in_flight_stay_exact"),
        ("word_store", "r1_b8_b9_overdue_calls_trip_once"),
    ]);
}
