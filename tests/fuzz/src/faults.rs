//! Seeded faults of the core that the fuzzer must find, each by the target that exercises it.

/// (fault, target). What each breaks is said in `tests/faults/list.txt`.
pub const FAULTS: &[(&str, &str)] = &[
    ("call_without_generation", "breaker"),
    ("probe_without_generation", "breaker"),
    ("log_time_goes_back", "limiters"),
    ("refund_overfills", "limiters"),
    ("short_window_number", "limiters"),
    ("wait_rounded_down", "limiters"),
    ("concurrency_release_unchecked", "configuration"),
];

/// Executions after which a fault counts as not found.
pub const RUNS: u64 = 400_000;
