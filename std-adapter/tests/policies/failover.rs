use crate::drops::{STEP, at_every_point, panics};
use crate::now;
use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{
    CallError, CircuitBreakerConfig, CircuitState, Failover, FailoverOrder, NotRepeatable,
    PolicyKind, TokioClock,
};
use std::cell::RefCell;
use std::time::Duration;

fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig {
        minimum_requests: 1,
        ..Default::default()
    }
}

type Regions = Failover<&'static str, TokioClock>;

fn regions(names: &[&'static str]) -> Failover<&'static str> {
    Failover::new(names.iter().copied(), config()).unwrap()
}

#[test]
fn the_next_endpoint_is_asked_and_one_that_keeps_failing_is_not_asked_again() {
    let regions = regions(&["a", "b", "c"]);
    let asked = RefCell::new(String::new());
    let call = |_: u32| {
        now(regions.call(|name| {
            asked.borrow_mut().push_str(name);
            async move { if *name == "a" { Err("down") } else { Ok(*name) } }
        }))
    };
    assert_eq!((call(1), call(2)), (Ok("b"), Ok("b")));
    assert_eq!(*asked.borrow(), "abb");
    let states: Vec<_> = regions
        .breakers()
        .map(fuseboard::CircuitBreaker::state)
        .collect();
    assert_eq!(
        states,
        [
            CircuitState::Open,
            CircuitState::Closed,
            CircuitState::Closed
        ]
    );
}

#[test]
fn no_more_endpoints_are_ejected_than_the_cap_says() {
    for (share, expected) in [(0.5, "bd"), (0.0, "abcd"), (1.0, "")] {
        let regions = regions(&["a", "b", "c", "d"]).max_ejected(share).unwrap();
        let asked = RefCell::new(String::new());
        let call = || {
            now(regions.call(|name| {
                asked.borrow_mut().push_str(name);
                async { Err::<(), _>("down") }
            }))
        };
        // All open, in the order in which they were asked.
        assert_eq!(call(), Err(CallError::OperationFailed("down")));
        asked.borrow_mut().clear();
        let end = call();
        if expected.is_empty() {
            match end {
                Err(CallError::Rejected {
                    policy,
                    retry_after,
                    ..
                }) => {
                    assert_eq!(policy, PolicyKind::Failover);
                    assert!(retry_after.unwrap() <= Duration::from_secs(30));
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(*asked.borrow(), "");
        } else {
            assert_eq!(asked.borrow().len(), expected.len());
        }
    }
}

#[test]
fn round_robin_begins_with_the_next_and_what_must_not_be_repeated_is_not() {
    let regions = regions(&["a", "b"]).order(FailoverOrder::RoundRobin);
    let seen: Vec<_> = (0..4)
        .map(|_| now(regions.call(|name| async move { Ok::<_, ()>(*name) })).unwrap())
        .collect();
    assert_eq!(seen, ["a", "b", "a", "b"]);
    let asked = RefCell::new(0);
    let end = now(regions.call_with(&NotRepeatable, |_| {
        *asked.borrow_mut() += 1;
        async { Err::<(), _>("half done") }
    }));
    assert_eq!(
        (end, asked.into_inner()),
        (Err(CallError::OperationFailed("half done")), 1)
    );
}

#[test]
fn a_clone_that_starts_elsewhere_shares_the_breakers() {
    let preferred = regions(&["a", "b", "c"]);
    for (number, expected) in [(0, "a"), (1, "b"), (2, "c"), (4, "b"), (usize::MAX, "a")] {
        let elsewhere = preferred.clone().order(FailoverOrder::StartingAt(number));
        let seen = now(elsewhere.call(|name| async move { Ok::<_, ()>(*name) }));
        assert_eq!(seen, Ok(expected), "{number}");
    }
    preferred.breakers().nth(2).unwrap().force_open();
    let elsewhere = preferred.clone().order(FailoverOrder::StartingAt(2));
    let seen = now(elsewhere.call(|name| async move { Ok::<_, ()>(*name) }));
    assert_eq!(seen, Ok("a"));
}

#[tokio::test(start_paused = true)]
async fn p6_dropped_at_every_point_every_permit_is_back() {
    let open = CircuitBreakerConfig {
        half_open_requests: 1,
        ..config()
    };
    let make = || {
        let regions = Failover::with_clock(["a", "b"], open, TokioClock).unwrap();
        let service = ScriptedService::new([
            Scripted::After(STEP * 2, Err("down")),
            Scripted::After(STEP * 2, Ok(1)),
        ]);
        let handle = regions.clone();
        (
            handle,
            async move { regions.call(|_| service.call()).await },
        )
    };
    let check = |regions: &Regions, at: &str| {
        for breaker in regions.breakers() {
            assert_eq!(breaker.snapshot().in_flight, 0, "{at}");
            assert!(breaker.snapshot().totals.calls <= 1, "{at}");
        }
    };
    assert!(at_every_point(make, check).await > 3);
    let regions = Failover::with_clock(["a"], open, TokioClock).unwrap();
    let service = ScriptedService::<(), ()>::new([Scripted::Panic]);
    assert!(panics(regions.call(|_| service.call())).await);
    assert_eq!(
        regions
            .breakers()
            .next()
            .unwrap()
            .snapshot()
            .totals
            .failures,
        0
    );
}

#[test]
fn r6_no_endpoints_are_refused_by_name() {
    let none: [&str; 0] = [];
    assert_eq!(
        Failover::new(none, config()).unwrap_err().field(),
        "endpoints"
    );
}
