//! Breakers around a future, which is ready at once: admission, recording and what a service costs.

use crate::rows::peers::RUNTIME;
use crate::rows::{NEVER, Row, Who, Worker, groups, poll_once, repeat, share};
use layered::{Execute, Service as _, Stack as _};
use seatbelt::breaker::Breaker;
use seatbelt::{RecoveryInfo, ResilienceContext};
use std::future::{Ready, ready};
use std::task::{Context, Waker};
use tick::Clock;
use tower::{Layer, Service, service_fn};
use tower_resilience_circuitbreaker::CircuitBreakerLayer;

pub(super) fn add(rows: &mut Vec<Row>) {
    rows.extend([
        Row::new(groups::ASYNC, Who::Peer, "seatbelt", |threads| {
            seatbelt(threads, false)
        }),
        Row::new(groups::ASYNC, Who::Peer, "tower-resilience", |threads| {
            tower_resilience(threads, false)
        }),
        Row::new(groups::REJECTION, Who::Peer, "seatbelt", |threads| {
            seatbelt(threads, true)
        }),
        Row::new(
            groups::REJECTION,
            Who::Peer,
            "tower-resilience",
            |threads| tower_resilience(threads, true),
        ),
    ]);
}

/// `succeeds` is the call's input and its outcome.
fn operation(succeeds: bool) -> Ready<Result<(), ()>> {
    ready(succeeds.then_some(()).ok_or(()))
}

fn seatbelt(threads: usize, opened: bool) -> Vec<Worker> {
    let clock = {
        let _guard = RUNTIME.enter();
        Clock::new_tokio()
    };
    let context = ResilienceContext::new(&clock);
    let stack = (
        Breaker::layer("bench", &context)
            .recovery_with(|result: &Result<(), ()>, _| match result {
                Ok(()) => RecoveryInfo::never(),
                Err(()) => RecoveryInfo::retry(),
            })
            .rejected_input_error(|_, _| ())
            .min_throughput(10)
            .break_duration(NEVER),
        Execute::new(operation),
    );
    let service = stack.into_service();
    if opened {
        for _ in 0..100 {
            poll_once(service.execute(false));
        }
    }
    share(threads, service, |service| {
        move |times| repeat(times, || poll_once(service.execute(true)))
    })
}

fn tower_resilience(threads: usize, opened: bool) -> Vec<Worker> {
    let _guard = RUNTIME.enter();
    let layer = CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_size(100)
        .minimum_number_of_calls(10)
        .wait_duration_in_open(NEVER)
        .build()
        .expect("a legal configuration");
    let mut service = layer.layer(service_fn(operation));
    if opened {
        for _ in 0..200 {
            call(&mut service, false);
        }
    }
    (0..threads)
        .map(|_| {
            let mut service = service.clone();
            Box::new(move |times| {
                // A rejection under contention makes a timer.
                let _guard = RUNTIME.enter();
                repeat(times, || call(&mut service, true));
            }) as Worker
        })
        .collect()
}

/// Readiness, the call and one look at its future.
pub(super) fn call<R, S: Service<R>>(service: &mut S, request: R) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    service.poll_ready(&mut context).is_ready() && poll_once(service.call(request))
}
