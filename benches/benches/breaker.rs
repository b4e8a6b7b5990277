//! What does a breaker add to the call that it guards? Against one atomic addition, the least that
//! counting the call can cost, and against other breakers, in the same run.

use criterion::Criterion;
use failsafe::backoff::constant;
use failsafe::failure_policy::{consecutive_failures, success_rate_over_time_window};
use failsafe::{CircuitBreaker as _, Config, FailurePolicy, StateMachine};
use fuseboard::{Clock, CoarseClock, Nanos};
use fuseboard_benches::{
    CpuTime, Group, START, STEP, closed_call_by_hand, criterion, machine, machine_again,
};
use fuseboard_core::{CircuitBreaker, CircuitBreakerConfig, Settled, State, Window};
use std::future::{Future, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

/// Far beyond any run: what is open stays open.
const NEVER: Duration = Duration::from_secs(3_600_000);

fn main() {
    let mut criterion = criterion();
    closed_call(&mut criterion);
    failed_call(&mut criterion);
    rejection(&mut criterion);
    state_read(&mut criterion);
    criterion.final_summary();
}

/// Admission, a call that succeeds at once, and its outcome in the window.
fn closed_call(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("closed call");
    machine(&mut group);
    closed_call_by_hand(&mut group);

    let time = CircuitBreakerConfig::new();
    let slow = time.slow_call_duration(Some(Nanos::from_secs(1)));
    let count = time.window(Window::Count(100));
    let consecutive = time.window(Window::Consecutive(5));
    succeed::<1>(&mut group, "fuseboard: time window", time);
    succeed::<8>(&mut group, "fuseboard: time window, 8 stripes", time);
    succeed::<1>(&mut group, "fuseboard: time window, slow calls", slow);
    succeed::<1>(&mut group, "fuseboard: count window", count);
    succeed::<1>(&mut group, "fuseboard: consecutive", consecutive);
    succeed_on_coarse_clock(&mut group);
    succeed_through_adapter(&mut group);

    let consecutive = failsafe(consecutive_failures(5, constant(NEVER)));
    let rate = success_rate_over_time_window(0.5, 20, Duration::from_secs(10), constant(NEVER));
    let rate = failsafe(rate);
    group.bench_function("failsafe: consecutive", |b| {
        b.iter(|| consecutive.call(|| Ok::<(), ()>(())));
    });
    group.bench_function("failsafe: success rate", |b| {
        b.iter(|| rate.call(|| Ok::<(), ()>(())));
    });

    machine_again(&mut group);
    group.finish();
}

fn succeed<const STRIPES: usize>(group: &mut Group<'_>, name: &str, config: CircuitBreakerConfig) {
    let breaker: CircuitBreaker<10, STRIPES> = CircuitBreaker::new(config);
    let mut time = START;
    group.bench_function(name, |b| {
        let breaker = black_box(&breaker);
        // A local, so that moving it costs one instruction and no memory.
        let mut now = time;
        b.iter(|| {
            now = now.saturating_add(STEP);
            breaker
                .try_acquire(now)
                .is_ok_and(|permit| permit.success(now) == Settled::Recorded)
        });
        time = now;
    });
    assert_eq!(breaker.state(), State::Closed);
}

/// One reading serves admission and outcome: right where no call can be slow.
fn succeed_on_coarse_clock(group: &mut Group<'_>) {
    let breaker: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new());
    group.bench_function("fuseboard: time window, coarse clock", |b| {
        let breaker = black_box(&breaker);
        b.iter(|| {
            let now = CoarseClock.now();
            breaker
                .try_acquire(now)
                .is_ok_and(|permit| permit.success(now) == Settled::Recorded)
        });
    });
    assert_eq!(breaker.state(), State::Closed);
}

/// The whole way that a program goes: shared handle, two clock readings, listeners, the call's result.
fn succeed_through_adapter(group: &mut Group<'_>) {
    let config = fuseboard::CircuitBreakerConfig::default();
    let breaker = fuseboard::CircuitBreaker::new("bench", config);
    group.bench_function("fuseboard: call_blocking", |b| {
        let breaker = black_box(&breaker);
        b.iter(|| breaker.call_blocking(|| Ok::<(), ()>(())).is_ok());
    });
    group.bench_function("fuseboard: call on a ready future", |b| {
        let breaker = black_box(&breaker);
        let mut context = Context::from_waker(Waker::noop());
        b.iter(|| {
            let call = pin!(breaker.call(ready(Ok::<(), ()>(()))));
            call.poll(&mut context).is_ready()
        });
    });
    assert_eq!(breaker.state(), State::Closed);
}

/// As the closed call, but it fails: the window is summed and judged, and does not trip.
fn failed_call(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("failed call");
    machine(&mut group);

    // At a threshold of 1 the one success keeps it closed; so time stands still.
    let breaker: CircuitBreaker =
        CircuitBreaker::new(CircuitBreakerConfig::new().failure_threshold(1.0));
    let first = breaker
        .try_acquire(START)
        .map(|permit| permit.success(START));
    assert!(first.is_ok());
    group.bench_function("fuseboard: time window", |b| {
        let breaker = black_box(&breaker);
        let now = black_box(START);
        b.iter(|| {
            breaker
                .try_acquire(now)
                .is_ok_and(|permit| permit.failure(now) == Settled::Recorded)
        });
    });
    assert_eq!(breaker.state(), State::Closed);

    let consecutive = failsafe(consecutive_failures(u32::MAX, constant(NEVER)));
    group.bench_function("failsafe: consecutive", |b| {
        b.iter(|| consecutive.call(|| Err::<(), ()>(())));
    });
    // No success is required, so it judges and never trips.
    let rate = success_rate_over_time_window(0.0, 20, Duration::from_secs(10), constant(NEVER));
    let rate = failsafe(rate);
    group.bench_function("failsafe: success rate", |b| {
        b.iter(|| rate.call(|| Err::<(), ()>(())));
    });
    assert!(rate.is_call_permitted() && consecutive.is_call_permitted());

    machine_again(&mut group);
    group.finish();
}

/// What a call costs that is not made.
fn rejection(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("rejection");
    machine(&mut group);

    let config = CircuitBreakerConfig::new()
        .window(Window::Consecutive(1))
        .open_timeout(Nanos::MAX);
    let breaker: CircuitBreaker = CircuitBreaker::new(config);
    let first = breaker
        .try_acquire(START)
        .map(|permit| permit.failure(START));
    assert!(first.is_ok());
    group.bench_function("fuseboard: decision", |b| {
        let breaker = black_box(&breaker);
        let mut now = START;
        b.iter(|| {
            now = now.saturating_add(STEP);
            breaker.check(now).is_err()
        });
    });
    group.bench_function("fuseboard: counted", |b| {
        let breaker = black_box(&breaker);
        let mut now = START;
        b.iter(|| {
            now = now.saturating_add(STEP);
            breaker.try_acquire(now).is_err()
        });
    });
    group.bench_function("fuseboard: counted, coarse clock", |b| {
        let breaker = black_box(&breaker);
        b.iter(|| breaker.try_acquire(CoarseClock.now()).is_err());
    });
    assert_eq!(breaker.state(), State::Open);

    let peer = failsafe(consecutive_failures(1, constant(NEVER)));
    assert!(peer.call(|| Err::<(), ()>(())).is_err());
    group.bench_function("failsafe: rejected", |b| {
        b.iter(|| peer.call(|| Ok::<(), ()>(())).is_err());
    });

    machine_again(&mut group);
    group.finish();
}

/// Asking for the state without calling.
fn state_read(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("state read");
    machine(&mut group);

    let breaker: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new());
    group.bench_function("fuseboard: state", |b| {
        let breaker = black_box(&breaker);
        b.iter(|| breaker.state());
    });
    let peer = failsafe(consecutive_failures(5, constant(NEVER)));
    group.bench_function("failsafe: is_call_permitted", |b| {
        b.iter(|| peer.is_call_permitted());
    });

    machine_again(&mut group);
    group.finish();
}

fn failsafe<P: FailurePolicy>(policy: P) -> StateMachine<P, ()> {
    Config::new().failure_policy(policy).build()
}
