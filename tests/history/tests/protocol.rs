//! Every state of the breaker's word under a few callers. What is explored is in `src/protocol.rs`.
#![cfg(fuseboard_shuttle)]

use fuseboard_core::Nanos;
use fuseboard_core::kernel::Rules;
use fuseboard_history::faults::must_be_caught;
use fuseboard_history::protocol::Protocol;
use fuseboard_history::schedule::is_deep;
use stateright::{Checker, HasDiscoveries, Model};

fn explore(name: &str, callers: usize, operations: u8, end: u8, rules: Rules) {
    let protocol = Protocol::new(callers, operations, end, rules);
    let checker = protocol
        .clone()
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    println!(
        "{name}: {callers} callers with {operations} operations: {} states, {} steps, depth {}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth()
    );
    checker.assert_properties();
    let reached = protocol.reached();
    println!("  sometimes: {reached:?}");
    for case in [
        "open",
        "half_open",
        "closed",
        "cap hit",
        "stale outcome dropped",
        "swap retried",
        "takeover happened",
    ] {
        assert!(reached.contains_key(case), "no state reached `{case}`");
    }
}

const ONE_PROBE: Rules = Rules {
    open_timeout: Nanos::new(1),
    requests: 1,
    successes: 1,
    failures: 0,
    lease: Nanos::new(1),
    run: 1,
};

/// B1 to B7, B10, B11 with one probe at a time; 3 callers, 2 operations each (3 with `--deep`).
#[test]
fn b1_b6_b10_every_state_with_one_probe() {
    let operations = if is_deep() { 3 } else { 2 };
    explore("one probe", 3, operations, 2, ONE_PROBE);
}

/// Two probes at once, two successes needed, one failure tolerated; 2 callers, 3 operations each (3 callers, 2 operations with
/// `--deep`).
#[test]
fn b3_b6_b11_every_state_with_two_probes() {
    let rules = Rules {
        requests: 2,
        successes: 2,
        failures: 1,
        ..ONE_PROBE
    };
    let (callers, operations) = if is_deep() { (3, 2) } else { (2, 3) };
    explore("two probes", callers, operations, 2, rules);
}

/// The faults of the kernel, each with the rule that it breaks.
#[test]
fn the_states_catch_the_faults() {
    let one = "b1_b6_b10_every_state_with_one_probe";
    let two = "b3_b6_b11_every_state_with_two_probes";
    for (fault, test, rule) in [
        (
            "half_open_admits_all",
            one,
            "B3: no more probes than requests",
        ),
        (
            "successes_free_places",
            two,
            "B3: no more admissions than the round needs",
        ),
        (
            "cancelled_probe_keeps_its_place",
            one,
            "B6: in flight is who is in flight",
        ),
        ("lease_never_ends", one, "B10: half-open has a way out"),
        (
            "generation_stands_still",
            one,
            "every step is one of the rules",
        ),
        ("open_admits_early", one, "every step is one of the rules"),
    ] {
        must_be_caught(fault, test, rule);
    }
}
