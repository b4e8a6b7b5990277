//! R1: any one thread is stopped at any step, and all others end. For every operation, at every step that it has.
#![cfg(fuseboard_shuttle)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use fuseboard_core::*;
use fuseboard_history::faults::must_be_caught;
use fuseboard_history::stall::{at_every_step, at_every_two_steps};
use shuttle::sync::atomic::{AtomicBool, Ordering};

/// One of everything, with limits so small that they are hit.
struct World {
    time: CircuitBreaker<2, 1>,
    striped: CircuitBreaker<2, 2>,
    count: CircuitBreaker<2, 1>,
    run: CircuitBreaker<2, 1>,
    open: CircuitBreaker<2, 1>,
    half_open: CircuitBreaker<2, 1>,
    ramping: CircuitBreaker<2, 1>,
    /// One call, and one probe, that nobody has settled yet.
    call: Mutex<Option<RawPermit>>,
    probe: Mutex<Option<RawPermit>>,
    bucket: TokenBucketRateLimiter,
    log: SlidingWindowRateLimiter<2>,
    counter: SlidingCounterRateLimiter,
    fixed: FixedWindowRateLimiter,
    leaky: LeakyBucket,
    places: ConcurrencyLimit,
    adaptive: AdaptiveLimit,
    keyed: KeyedRateLimiter<1>,
    budget: RetryBudget,
    throttle: ClientThrottle,
    codel: CoDel,
}

const NOW: Nanos = Nanos::from_secs(100);
const LATER: Nanos = Nanos::from_secs(102);

fn settings(window: Window) -> CircuitBreakerConfig {
    CircuitBreakerConfig::new()
        .minimum_requests(2)
        .open_timeout(Nanos::from_secs(1))
        .half_open_requests(1)
        .window(window)
}

const SLOTS: Window = Window::Time {
    length: Nanos::from_secs(2),
    slots: 2,
};

fn opened(config: CircuitBreakerConfig) -> CircuitBreaker<2, 1> {
    let breaker = CircuitBreaker::new(config);
    for _ in 0..2 {
        breaker.try_acquire(NOW).expect("closed").failure(NOW);
    }
    breaker
}

fn world() -> World {
    let time = CircuitBreaker::new(settings(SLOTS));
    let call = time.acquire(NOW, &()).expect("closed");
    let half_open = opened(settings(Window::Consecutive(2)));
    let probe = half_open.acquire(LATER, &()).expect("its time is over");
    let ramping = opened(settings(SLOTS).ramp_up(Nanos::from_secs(60)));
    ramping
        .try_acquire(LATER)
        .expect("its time is over")
        .success(LATER);
    World {
        time,
        striped: CircuitBreaker::new(settings(SLOTS)),
        count: CircuitBreaker::new(settings(Window::Count(3))),
        run: CircuitBreaker::new(settings(Window::Consecutive(2))),
        open: opened(settings(Window::Consecutive(2))),
        half_open,
        ramping,
        call: Mutex::new(Some(call)),
        probe: Mutex::new(Some(probe)),
        bucket: TokenBucketRateLimiter::new(Rate::per_second(1), 2),
        log: SlidingWindowRateLimiter::new(2, Nanos::from_secs(1)),
        counter: SlidingCounterRateLimiter::new(2, Nanos::from_secs(1)),
        fixed: FixedWindowRateLimiter::new(2, Nanos::from_secs(1)),
        leaky: LeakyBucket::new(Rate::per_second(1), 2),
        places: ConcurrencyLimit::new(1),
        adaptive: AdaptiveLimit::new(AdaptiveLimitConfig::new(Algorithm::Vegas)),
        keyed: KeyedRateLimiter::new(Rate::per_second(1), 2, WhenFull::Reject),
        budget: RetryBudget::new(0.1, 1, Nanos::from_secs(10)),
        throttle: ClientThrottle::new(ClientThrottleConfig::new()),
        codel: CoDel::new(Nanos::from_millis(5), Nanos::from_millis(100)),
    }
}

fn call<const SLOTS: usize, const STRIPES: usize>(
    breaker: &CircuitBreaker<SLOTS, STRIPES>,
    outcome: Outcome,
    now: Nanos,
) {
    if let Ok(permit) = breaker.acquire(now, &()) {
        breaker.settle(permit, outcome, now, &());
    }
}

fn settle_waiting(breaker: &CircuitBreaker<2, 1>, permit: &Mutex<Option<RawPermit>>) {
    let permit = permit.lock().unwrap().take();
    if let Some(permit) = permit {
        breaker.settle(permit, Outcome::Failure, LATER, &());
    }
}

/// A name for the report, and what is done.
type Operation = (&'static str, fn(&World));

/// Every operation.
const OPERATIONS: &[Operation] = &[
    ("time: success", |w| call(&w.time, Outcome::Success, NOW)),
    ("time: failure in a new slot", |w| {
        call(&w.time, Outcome::Failure, LATER);
    }),
    ("time: late failure", |w| settle_waiting(&w.time, &w.call)),
    ("stripes: failure", |w| {
        call(&w.striped, Outcome::Failure, LATER);
    }),
    ("count: success", |w| call(&w.count, Outcome::Success, NOW)),
    ("count: failure", |w| call(&w.count, Outcome::Failure, NOW)),
    ("run: failure", |w| call(&w.run, Outcome::Failure, NOW)),
    ("cancel", |w| call(&w.time, Outcome::Ignored, NOW)),
    ("open: rejection", |w| call(&w.open, Outcome::Success, NOW)),
    ("open: first probe", |w| {
        call(&w.open, Outcome::Success, LATER);
    }),
    ("half-open: probe fails", |w| {
        settle_waiting(&w.half_open, &w.probe);
    }),
    ("half-open: lost probe", |w| {
        call(&w.half_open, Outcome::Success, Nanos::from_secs(200));
    }),
    ("ramping", |w| call(&w.ramping, Outcome::Failure, LATER)),
    ("reset", |w| w.time.reset(LATER, &())),
    ("force_open", |w| w.run.force_open(LATER, &())),
    ("force_open_until", |w| {
        w.run.force_open_until(LATER, NOW, &());
    }),
    ("disable", |w| w.count.disable(LATER, &())),
    ("metrics_only", |w| w.count.metrics_only(LATER, &())),
    ("configure", |w| {
        w.time.configure(settings(SLOTS)).expect("in range");
    }),
    ("check", |w| {
        let _ = w.half_open.check(LATER);
    }),
    ("snapshot: time", |w| {
        let _ = w.time.snapshot(LATER);
    }),
    ("snapshot: count", |w| {
        let _ = w.count.snapshot(LATER);
    }),
    ("save", |w| {
        let _ = w.count.save(LATER);
    }),
    ("bucket: acquire", |w| {
        let _ = w.bucket.try_acquire(NOW);
    }),
    ("bucket: refund", |w| w.bucket.refund(1, NOW)),
    ("bucket: available", |w| {
        let _ = w.bucket.available(NOW);
    }),
    ("bucket: configure", |w| {
        w.bucket
            .configure(Rate::per_second(2), 3)
            .expect("in range");
    }),
    ("log: acquire", |w| {
        let _ = w.log.try_acquire_many(2, LATER);
    }),
    ("log: available", |w| {
        let _ = w.log.available(LATER);
    }),
    ("sliding counter", |w| {
        let _ = w.counter.try_acquire(LATER);
    }),
    ("fixed window", |w| {
        let _ = w.fixed.try_acquire(LATER);
    }),
    ("leaky bucket", |w| {
        let _ = w.leaky.reserve(LATER);
    }),
    ("places: acquire, release", |w| {
        let _ = w.places.try_acquire();
    }),
    ("places: set_limit", |w| {
        w.places.set_limit(2).expect("above zero");
    }),
    ("adaptive", |w| {
        if w.adaptive.acquire_raw().is_ok() {
            w.adaptive.release_raw(NOW, Outcome::Success, LATER);
        }
    }),
    ("keyed: one key", |w| {
        let _ = w.keyed.try_acquire(1, NOW);
    }),
    ("keyed: takes the place over", |w| {
        let _ = w.keyed.try_acquire(2, Nanos::from_secs(300));
    }),
    ("keyed: refund", |w| w.keyed.refund(1, 1, NOW)),
    ("keyed: reset", |w| w.keyed.reset()),
    ("retry budget", |w| {
        w.budget.deposit(NOW);
        let _ = w.budget.withdraw(LATER);
    }),
    ("throttle", |w| {
        let _ = w.throttle.try_acquire(NOW);
        w.throttle.accepted(LATER);
    }),
    ("codel", |w| {
        let _ = w.codel.is_served(NOW, LATER);
    }),
    ("admission", |w| {
        let admission = Admission::new(&w.open)
            .concurrency(&w.places)
            .limiter(&w.bucket);
        if let Ok(permit) = admission.acquire(1, LATER, &()) {
            admission.settle(permit, Outcome::Failure, LATER, &());
        }
    }),
];

fn all(world: &World) {
    for (_, operation) in OPERATIONS {
        operation(world);
    }
}

/// R1, S4, P7: whoever is stopped, wherever, nobody waits for him.
#[test]
fn r1_nobody_waits_for_a_stopped_thread() {
    let mut points = 0;
    for (name, operation) in OPERATIONS {
        let here = at_every_step(world, *operation, all);
        println!("  {name}: {here} steps");
        assert!(
            here > 1,
            "`{name}` was never stopped; shuttle does not see the words"
        );
        points += here;
    }
    println!("{} operations stopped at {points} steps", OPERATIONS.len());
}

/// A breaker whose slots are used again while a recorder stands still, and how many seconds later everybody else has called it.
struct Reused {
    breaker: CircuitBreaker<2, 1>,
    others: Mutex<Vec<u64>>,
}

fn reused() -> Reused {
    Reused {
        breaker: CircuitBreaker::new(settings(SLOTS).minimum_requests(100)),
        others: Mutex::default(),
    }
}

fn stalled(reused: &Reused, outcome: Outcome) {
    let permit = reused.breaker.acquire(NOW, &()).expect("closed");
    let settled = reused.breaker.settle(permit, outcome, NOW, &());
    let others = || reused.others.lock().unwrap().len() as u64;
    let before = others();
    let seen = reused.breaker.snapshot(LATER);
    // It may have been stopped here too.
    if before == others() {
        // What it counted in a slot that was not its own has been taken back.
        let mine = u64::from(settled == Settled::Recorded);
        let failures = mine * u64::from(outcome == Outcome::Failure);
        let totals = (seen.totals.calls, seen.totals.failures);
        assert_eq!(totals, (before + mine, failures), "{settled:?}");
        assert!(seen.window.calls <= before + mine, "{:?}", seen.window);
    }
}

/// One call, so many seconds later than the stalled one's.
fn one_more(reused: &Reused, seconds: u64) {
    let now = NOW.saturating_add(Nanos::from_secs(seconds));
    call(&reused.breaker, Outcome::Success, now);
    let in_window = {
        let mut others = reused.others.lock().unwrap();
        others.push(seconds);
        // A window is 2 s.
        others.iter().filter(|one| *one + 2 > seconds).count() as u64
    };
    // The stalled one may be there too.
    let seen = reused.breaker.snapshot(now).window.calls;
    let may_be = in_window..=in_window + 1;
    assert!(
        may_be.contains(&seen),
        "{seen} calls at {now:?}, not {may_be:?}"
    );
}

/// W12: a call that is counted while its slot is used again is seen there once at most, and taken back, also where that slot is emptied
/// or used once more before it does.
#[test]
fn w12_a_stalled_recorder_counts_once_too_many_at_most() {
    let victims: [fn(&Reused); 2] = [
        |reused| stalled(reused, Outcome::Success),
        |reused| stalled(reused, Outcome::Failure),
    ];
    let then: [(&str, fn(&Reused)); 3] = [
        ("the same slot", |reused| one_more(reused, 2)),
        ("its next use", |reused| one_more(reused, 4)),
        ("another, it is emptied", |reused| one_more(reused, 5)),
    ];
    for victim in victims {
        for (name, then) in then {
            let first = |reused: &Reused| one_more(reused, 2);
            let pairs = at_every_two_steps(reused, victim, [first, then]);
            println!("  {name}: {pairs} pairs of steps");
            assert!(pairs > 50, "stopped at {pairs} pairs of steps only");
        }
    }
}

/// The check itself: an outcome that is taken back from a slot that was emptied is found, which takes a stop between the two.
#[test]
fn w12_an_outcome_that_is_taken_back_blindly_is_found() {
    let test = "w12_a_stalled_recorder_counts_once_too_many_at_most";
    must_be_caught("taken_back_blindly", test, "assertion");
}

/// The check itself: a lock in the middle is found.
#[test]
fn r1_a_lock_is_found() {
    fn locked(lock: &AtomicBool) {
        // SeqCst: shuttle knows no other.
        while lock.swap(true, Ordering::SeqCst) {
            shuttle::hint::spin_loop();
        }
        lock.store(false, Ordering::SeqCst);
    }
    let found = catch_unwind(AssertUnwindSafe(|| {
        at_every_step(|| AtomicBool::new(false), locked, locked)
    }));
    assert!(found.is_err(), "a thread that holds a lock stopped nobody");
}
