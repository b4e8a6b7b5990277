//! Limits of calls in flight: fixed, by priority, and adaptive.

use fuseboard_core::{
    AdaptiveLimit, AdaptiveLimitConfig, Algorithm, ConcurrencyLimit, Nanos, Outcome,
    PriorityShedding,
};
use fuseboard_loom::{ALL, Threads, beside, bound, explore};
use loom::cell::UnsafeCell;
use loom::sync::Arc;

/// What only the call that holds the one place may touch.
struct Room {
    limit: ConcurrencyLimit,
    inside: UnsafeCell<u32>,
}

impl Room {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            limit: ConcurrencyLimit::new(1),
            inside: UnsafeCell::new(0),
        })
    }

    /// Enters, if it is free. loom fails when two are inside, or when one does not see what the one before did.
    fn visit(&self) -> bool {
        let Ok(permit) = self.limit.try_acquire() else {
            return false;
        };
        // SAFETY: the place is ours alone until the permit is dropped; loom checks it.
        self.inside.with_mut(|visits| unsafe { *visits += 1 });
        drop(permit);
        true
    }
}

/// K1, K2, K3, R5: two threads enter and leave a room for one, once each: one at a time, each sees what the other did there, and in
/// the end it is free. All interleavings.
#[test]
fn k1_k2_r5_enter_and_leave() {
    explore("k1_concurrency", ALL, 50, &["both", "one"], |sometimes| {
        let room = Room::new();
        let other = Arc::clone(&room);
        let (other, mine) = beside(move |_| other.visit(), |_| room.visit());
        assert!(other || mine, "K3: it was free");
        sometimes.reached(if other && mine { "both" } else { "one" });
        assert_eq!(room.limit.in_flight(), 0);
        assert!(room.visit());
    });
}

/// K1, K2: the same with three threads. Bound 3.
#[test]
fn k1_k2_three_threads_enter_and_leave() {
    explore("k1_three_threads", bound(3, Some(4)), 5_000, &[], |_| {
        let (threads, room) = (Threads::new(), Room::new());
        let others = [(); 2].map(|()| {
            let room = Arc::clone(&room);
            threads.spawn(move |_| room.visit())
        });
        let mine = threads.here(|_| room.visit());
        let others = others.map(|thread| thread.join().unwrap());
        assert!(mine || others[0] || others[1], "K3: it was free");
        assert_eq!(room.limit.in_flight(), 0);
    });
}

/// K4: the limit is lowered while a call is admitted and another ends: the count never wraps, and no call is lost. Three threads,
/// one operation each, bound 3 (all: 219,955 executions, with `--deep`).
#[test]
fn k4_lowering_the_limit() {
    explore(
        "k4_set_limit",
        bound(3, ALL),
        500,
        &["second", "full"],
        |sometimes| {
            let limit = Arc::new(ConcurrencyLimit::new(2));
            limit.acquire_raw().expect("free");
            let lowerer = Arc::clone(&limit);
            let threads = Threads::new();
            let lowerer = threads.spawn(move |_| lowerer.set_limit(1).unwrap());
            let leaver = Arc::clone(&limit);
            let leaver = threads.spawn(move |_| assert!(leaver.release_raw()));
            let second = threads.here(|_| limit.acquire_raw().is_ok());
            lowerer.join().unwrap();
            leaver.join().unwrap();
            sometimes.reached(if second { "second" } else { "full" });
            assert_eq!((limit.limit(), limit.in_flight()), (1, u32::from(second)));
            assert_eq!(limit.acquire_raw().is_ok(), !second);
        },
    );
}

/// K1: a request of low priority and one of high priority, on two places of which the low one may take the first: the high one is
/// always admitted, the low one only where it comes first. Two threads, all interleavings.
#[test]
fn k1_priorities_on_the_last_places() {
    explore("k1_priority", ALL, 10, &["both", "high"], |sometimes| {
        let limit = Arc::new(ConcurrencyLimit::new(2));
        let shedding = PriorityShedding::new(0.5);
        let high = Arc::clone(&limit);
        let (high, low) = beside(
            move |_| high.acquire_raw_prioritized(shedding, 255).is_ok(),
            |_| limit.acquire_raw_prioritized(shedding, 0).is_ok(),
        );
        assert!(high);
        sometimes.reached(if low { "both" } else { "high" });
        assert_eq!(limit.in_flight(), 1 + u32::from(low));
    });
}

/// K1: two requests of low priority, of three threads, for the one place that is theirs. Bound 3.
#[test]
fn k1_two_low_priorities_for_one_place() {
    explore("k1_low_priority", bound(3, ALL), 100, &[], |_| {
        let limit = Arc::new(ConcurrencyLimit::new(2));
        let ask = |priority| {
            let limit = Arc::clone(&limit);
            let shedding = PriorityShedding::new(0.5);
            move |_: &Threads| limit.acquire_raw_prioritized(shedding, priority).is_ok()
        };
        let threads = Threads::new();
        let (first, high) = (threads.spawn(ask(0)), threads.spawn(ask(255)));
        let second = threads.here(ask(0));
        let (first, high) = (first.join().unwrap(), high.join().unwrap());
        assert!(high && !(first && second));
        assert_eq!(limit.in_flight(), 1 + u32::from(first) + u32::from(second));
    });
}

fn aimd() -> AdaptiveLimitConfig {
    AdaptiveLimitConfig::new(Algorithm::Aimd)
        .initial_limit(100)
        .backoff(0.5)
        .window(Nanos::new(1_000))
        .min_samples(1)
}

/// K2: two calls that are dropped for the same congestion end at once: both places are given back, and the limit backs off
/// once. Two threads, bound 3.
#[test]
fn k2_adaptive_one_congestion_one_decrease() {
    explore("k2_adaptive_decrease", bound(3, Some(5)), 200, &[], |_| {
        let limit = Arc::new(AdaptiveLimit::new(aimd()));
        let (began, ended) = (Nanos::new(100), Nanos::new(2_000));
        let fail = move |limit: &AdaptiveLimit| {
            assert!(limit.release_raw(began, Outcome::Failure, ended));
        };
        limit.acquire_raw().expect("free");
        limit.acquire_raw().expect("free");
        let other = Arc::clone(&limit);
        beside(move |_| fail(&other), |_| fail(&limit));
        assert_eq!((limit.limit(), limit.in_flight()), (50, 0));
    });
}

/// K1, K4: a call that ends and moves the limit while new bounds are set: the limit ends within them. Two threads, bound 3.
#[test]
fn k4_adaptive_new_bounds() {
    explore("k4_adaptive_bounds", bound(3, Some(5)), 200, &[], |_| {
        let limit = Arc::new(AdaptiveLimit::new(aimd().min_limit(60)));
        limit.acquire_raw().expect("free");
        let other = Arc::clone(&limit);
        let (settled, configured) = beside(
            move |_| other.release_raw(Nanos::new(100), Outcome::Failure, Nanos::new(2_000)),
            |_| limit.configure(aimd().initial_limit(20).min_limit(1).max_limit(20)),
        );
        configured.unwrap();
        assert!(settled);
        assert!(limit.limit() <= 20, "{}", limit.limit());
        assert_eq!(limit.in_flight(), 0);
    });
}

/// T1: a call that ends by a clock far ahead beside one that ends by the right one: later calls still count. Two threads, bound 1,
/// which is enough for the fault that it is there to find; 2 with `--deep` (135,752 executions; 768,593 at 3).
#[test]
fn t1_adaptive_clock_that_was_ahead() {
    explore("t1_adaptive_ahead", bound(1, Some(2)), 200, &[], |_| {
        let limit = Arc::new(AdaptiveLimit::new(aimd()));
        let began = Nanos::new(100);
        let other = Arc::clone(&limit);
        limit.acquire_raw().expect("free");
        limit.acquire_raw().expect("free");
        beside(
            move |_| other.release_raw(began, Outcome::Failure, Nanos::from_secs(1_000)),
            |_| limit.release_raw(began, Outcome::Failure, Nanos::new(2_000)),
        );
        let before = limit.limit();
        // The first finds the clock gone back, the others end a window.
        for turn in 2..6 {
            let now = Nanos::new(turn * 5_000);
            limit.acquire_raw().expect("free");
            limit.release_raw(now, Outcome::Failure, now.saturating_add(Nanos::new(2_000)));
        }
        assert!(limit.limit() < before);
    });
}
