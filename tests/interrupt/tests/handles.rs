//! Handles, whose counters have one writer, interrupted at every instruction by other handles, by callers without one, and by readers.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use fuseboard_core::{CircuitBreaker, CircuitBreakerConfig, Handle, Nanos, Outcome, Window};
use fuseboard_interrupt::script::{Hand, Script, Subject};
use fuseboard_interrupt::sweep;

type Breaker = CircuitBreaker<4, 1, 3>;

const fn at(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

const CONFIG: CircuitBreakerConfig = CircuitBreakerConfig::new()
    .window(Window::Time {
        length: at(4_000),
        slots: 4,
    })
    .minimum_requests(100)
    .open_timeout(at(1_000));

/// Two failures in one handle, and a permit in every hand.
fn make() -> (Breaker, [Hand; 3]) {
    let breaker = Breaker::new(CONFIG);
    let mut hands = [Hand::NONE; 3];
    with_handle(&breaker, |handle| {
        for _ in 0..2 {
            let permit = handle.acquire(at(900), &()).expect("closed");
            let _ = handle.settle(permit, Outcome::Failure, at(950), &());
        }
        for hand in &mut hands {
            hand.permit = handle.acquire(at(960), &()).ok();
        }
    });
    (breaker, hands)
}

/// What a thread does with its handle. There are as many as there are actors.
fn with_handle(breaker: &Breaker, then: impl FnOnce(&Handle<'_, 4, 1, 3>)) {
    if let Some(handle) = breaker.handle() {
        then(&handle);
    }
}

fn settle(breaker: &Breaker, hand: &mut Hand, outcome: Outcome, now: Nanos) {
    let permit = hand.permit.take();
    with_handle(breaker, |handle| {
        if let Some(permit) = permit {
            hand.tell(handle.settle(permit, outcome, now, &()));
        }
    });
}

fn observe(breaker: &Breaker, _: &[Hand]) -> Vec<u64> {
    let mut all = Vec::new();
    for millis in [990, 1_100, 3_900, 4_100, 9_000] {
        let window = breaker.snapshot(at(millis)).window;
        all.extend([window.calls, window.failures, window.slow]);
    }
    let seen = breaker.snapshot(at(990));
    all.extend([
        seen.state as u64,
        seen.generation.into(),
        seen.totals.calls,
        seen.totals.failures,
        seen.totals.rejected,
        seen.totals.ignored,
    ]);
    // Each is free again.
    let handles = [0; 4].map(|_| breaker.handle());
    all.push(handles.iter().flatten().count() as u64);
    all
}

static HANDLES: Subject<Breaker> = Subject {
    name: "handles",
    make,
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
            name: "failure in a new slot",
            steps: &[|b, hand| settle(b, hand, Outcome::Failure, at(1_100))],
        },
        Script {
            name: "failure after the window",
            steps: &[|b, hand| settle(b, hand, Outcome::Failure, at(8_500))],
        },
        Script {
            name: "cancel",
            steps: &[|b, hand| settle(b, hand, Outcome::Ignored, at(980))],
        },
        Script {
            name: "failure without a handle",
            steps: &[|b, hand| {
                if let Some(permit) = hand.permit.take() {
                    hand.tell(b.settle(permit, Outcome::Failure, at(980), &()));
                }
            }],
        },
        Script {
            name: "reset",
            steps: &[|b, _| b.reset(at(980), &())],
        },
        Script {
            name: "snapshot after the window",
            steps: &[|b, hand| hand.tell(b.snapshot(at(8_500)).window.calls)],
        },
        Script {
            name: "snapshot",
            steps: &[|b, hand| {
                // An outcome moves the window on and is counted in two steps, so only what always holds.
                let window = b.snapshot(at(990)).window;
                hand.tell(window.failures <= window.calls && window.calls <= 4);
            }],
        },
    ],
};

#[test]
fn r1_h1_w2_w3_handles_stay_exact() {
    sweep::pairs(&HANDLES);
}

/// Each of these is found.
#[cfg(fuseboard_faults)]
#[test]
fn r1_seeded_faults_are_found() {
    fuseboard_interrupt::replay::must_be_found(&[
        ("handle_claim_twice", "r1_h1_w2_w3_handles_stay_exact"),
        ("handle_tag_first", "r1_h1_w2_w3_handles_stay_exact"),
    ]);
}
