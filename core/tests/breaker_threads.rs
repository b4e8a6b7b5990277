//! Native threads on one breaker: sums are exact once they are quiet, probes never above their places.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, Nanos, Observer, Outcome, Settled, State, Transition,
    Window,
};

const THREADS: u64 = 8;
const CALLS: u64 = 40_000;

/// Runs `work` with its number on eight threads at once.
fn hammer(work: impl Fn(u64) + Sync) {
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(number);
            });
        }
    });
}

fn windows() -> [Window; 4] {
    [
        Window::Time {
            length: Nanos::from_millis(1),
            slots: 10,
        },
        Window::Decay {
            half_life: Nanos::from_millis(1),
        },
        Window::Count(100),
        Window::Consecutive(100_000),
    ]
}

#[test]
fn w2_w3_no_update_is_lost_in_any_window() {
    for window in windows() {
        let breaker: CircuitBreaker<10, 4> = CircuitBreaker::new(
            CircuitBreakerConfig::new()
                .window(window)
                .slow_call_duration(Some(Nanos::new(5))),
        );
        breaker.metrics_only(Nanos::ZERO, &());
        hammer(|number| {
            for call in 0..CALLS {
                // Every thread's clock goes its own way over some hundred slots.
                let now = Nanos::new(call * 500 + number * 7_000);
                let permit = breaker.try_acquire(now).expect("nothing is rejected");
                let slow = Nanos::new(now.get() + 6);
                match call % 5 {
                    0 => drop(permit.failure(now)),
                    1 => drop(permit.failure_weighted(3, now)),
                    2 => drop(permit.success(slow)),
                    3 => drop(permit),
                    _ => drop(permit.success(now)),
                }
                let window = breaker.snapshot(now).window;
                assert!(window.failures <= window.calls && window.slow <= window.calls);
            }
        });
        let totals = breaker.snapshot(Nanos::MAX).totals;
        let fifth = THREADS * CALLS / 5;
        assert_eq!(totals.calls, 6 * fifth, "{window:?}");
        assert_eq!(totals.failures, 4 * fifth, "{window:?}");
        assert_eq!(totals.slow, fifth, "{window:?}");
        assert_eq!(totals.ignored, fifth, "{window:?}");
        assert_eq!(totals.rejected, 0);
    }
}

/// Counts what is told, by generation.
struct Tally {
    told: AtomicU64,
    newest: AtomicU32,
}

impl Observer for Tally {
    fn transition(&self, transition: &Transition) {
        self.told.fetch_add(1, Ordering::Relaxed);
        self.newest
            .fetch_max(transition.generation, Ordering::Relaxed);
    }
}

#[test]
fn b3_b15_o1_probes_keep_to_their_places_and_every_change_is_told_once() {
    const PLACES: u32 = 2;
    let breaker: CircuitBreaker<10, 4> = CircuitBreaker::new(
        CircuitBreakerConfig::new()
            .minimum_requests(10)
            .failure_threshold(0.25)
            .open_timeout(Nanos::new(50))
            .half_open_requests(PLACES)
            .half_open_successes(Some(5))
            .half_open_failures(1)
            // No lease runs out here: with one, a round that is over may still have calls on their way.
            .probe_lease(Some(Nanos::MAX)),
    );
    let tally = Tally {
        told: AtomicU64::new(0),
        newest: AtomicU32::new(0),
    };
    let clock = AtomicU64::new(0);
    let [attempts, admitted, recorded] = [const { AtomicU64::new(0) }; 3];
    hammer(|number| {
        for call in 0..CALLS {
            let now = Nanos::new(clock.fetch_add(1, Ordering::Relaxed));
            attempts.fetch_add(1, Ordering::Relaxed);
            let Ok(permit) = breaker.acquire(now, &tally) else {
                continue;
            };
            admitted.fetch_add(1, Ordering::Relaxed);
            let snapshot = breaker.snapshot(now);
            assert!(snapshot.in_flight <= PLACES, "{snapshot:?}");
            assert!(
                snapshot.window.failures <= snapshot.window.calls,
                "W2: {snapshot:?}"
            );
            let outcome = match (call * 7 + number) % 16 {
                0..4 => Outcome::Failure,
                4 => Outcome::Ignored,
                _ => Outcome::Success,
            };
            let settled = breaker.settle(permit, outcome, now, &tally);
            let counts = settled == Settled::Recorded && !permit.is_probe();
            if counts && outcome != Outcome::Ignored {
                recorded.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let snapshot = breaker.snapshot(Nanos::ZERO);
    // Every permit was settled, so no place is taken.
    assert_eq!(snapshot.in_flight, 0);
    assert_eq!(snapshot.totals.calls, recorded.into_inner());
    assert_eq!(
        snapshot.totals.rejected + admitted.into_inner(),
        attempts.into_inner()
    );
    assert_eq!(u64::from(snapshot.generation), tally.told.into_inner());
    assert_eq!(snapshot.generation, tally.newest.into_inner());
    assert!(snapshot.generation > 10, "nothing happened: {snapshot:?}");
}

#[test]
fn b4_one_thread_alone_wins_each_deadline() {
    for round in 1..500 {
        let breaker: CircuitBreaker<10, 4> = CircuitBreaker::new(
            CircuitBreakerConfig::new()
                .minimum_requests(1)
                .half_open_requests(1)
                .open_timeout(Nanos::new(round)),
        );
        breaker
            .try_acquire(Nanos::ZERO)
            .unwrap()
            .failure(Nanos::ZERO);
        assert_eq!(breaker.state(), State::Open);
        let [probes, early] = [const { AtomicU64::new(0) }; 2];
        hammer(|_| {
            let before = breaker.acquire(Nanos::new(round - 1), &());
            early.fetch_add(u64::from(before.is_ok()), Ordering::Relaxed);
            if let Ok(permit) = breaker.acquire(Nanos::new(round), &()) {
                assert!(permit.is_probe());
                probes.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert_eq!(probes.into_inner(), 1);
        assert_eq!(early.into_inner(), 0);
    }
}
