//! R3, P7: no operation of a breaker allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, Nanos, Outcome, RawPermit, State, Window,
};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, with a count for each thread.
struct Counting;

// SAFETY: every call is passed on to the system's allocator unchanged; the count touches no memory but a
// thread-local cell without destructor, so it neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn r3_p7_no_operation_allocates() {
    let before = ALLOCATIONS.get();
    drop(Box::new(1));
    assert_eq!(ALLOCATIONS.get(), before + 1, "the count counts");
    let windows = [
        Window::Time {
            length: Nanos::from_secs(1),
            slots: 10,
        },
        Window::Count(20),
        Window::Consecutive(3),
        Window::Decay {
            half_life: Nanos::from_secs(1),
        },
    ];
    // A build with seeded faults reads the name of its fault once.
    let first = CircuitBreaker::<10>::new(CircuitBreakerConfig::new());
    let _ = first
        .try_acquire(Nanos::ZERO)
        .map(|permit| permit.failure(Nanos::ZERO));
    let before = ALLOCATIONS.get();
    let mut reached = [false; 6];
    for window in windows {
        let config = CircuitBreakerConfig::new()
            .window(window)
            .minimum_requests(3)
            .open_timeout(Nanos::new(3))
            .ramp_up(Nanos::new(5))
            .slow_call_duration(Some(Nanos::new(1)));
        let breaker: CircuitBreaker<10, 4> = CircuitBreaker::new(config);
        for turn in 0..20_000_u64 {
            let now = Nanos::new(turn << (turn % 20));
            match turn % 97 {
                0 => breaker.force_open(now, &()),
                1 => breaker.force_open_until(now, now, &()),
                20 => breaker.disable(now, &()),
                40 => breaker.metrics_only(now, &()),
                60 => breaker.reset(now, &()),
                61 => assert!(breaker.configure(config).is_ok()),
                62 => assert!(breaker.configure(config.open_jitter(2.0)).is_err()),
                _ => {}
            }
            let _ = (breaker.check(now), breaker.snapshot(now));
            if let Ok(permit) = breaker.try_acquire(now) {
                match turn % 5 {
                    0 => drop(permit),
                    1 => drop(permit.success(now)),
                    2 => drop(permit.failure_weighted(9, now)),
                    3 => drop(permit.failure(Nanos::MAX)),
                    _ => {
                        let raw = RawPermit::from_words(permit.into_raw().to_words());
                        let raw = raw.expect("its own words");
                        let _ = breaker.settle(raw, Outcome::Success, now, &());
                        let _ = breaker.cancel(raw, &());
                    }
                }
            }
            let state = State::ALL
                .iter()
                .position(|&state| state == breaker.state());
            reached[state.expect("one of all")] = true;
        }
    }
    assert_eq!(ALLOCATIONS.get(), before);
    assert_eq!(reached, [true; 6]);
}
