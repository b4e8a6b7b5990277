//! What things weigh: in words, and as the system sees the process.

use fuseboard::{CircuitBreakerConfig, Nanos};
use fuseboard_core::{
    CircuitBreaker, ConcurrencyLimit, KeyedEntry, Rate, SlidingWindowRateLimiter,
    TokenBucketRateLimiter, TokenLease,
};
use governor::{Quota, RateLimiter};
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroU32;

/// Bytes of each type, then the resident memory of this process with more and more breakers and keys.
pub fn table() -> String {
    let mut text = String::from("\n| one of them | bytes |\n|---|--:|\n");
    let sizes = [
        (
            "breaker of 10 slots, configuration included",
            size_of::<CircuitBreaker>(),
        ),
        (
            "the same with 8 stripes",
            size_of::<CircuitBreaker<10, 8>>(),
        ),
        (
            "each handle more",
            size_of::<CircuitBreaker<10, 1, 2>>() - size_of::<CircuitBreaker<10, 1, 1>>(),
        ),
        ("token bucket", size_of::<TokenBucketRateLimiter>()),
        ("its lease", size_of::<TokenLease<'static>>()),
        (
            "sliding log of 100",
            size_of::<SlidingWindowRateLimiter<100>>(),
        ),
        ("concurrency limit", size_of::<ConcurrencyLimit>()),
        (
            "key, with half as many places more than keys",
            size_of::<KeyedEntry>() * 3 / 2,
        ),
    ];
    // Writing to a string cannot fail.
    for (name, bytes) in sizes {
        let _ = writeln!(text, "| {name} | {bytes} |");
    }
    let _ = writeln!(
        text,
        "\n| resident memory of a process | MB more |\n|---|--:|"
    );
    for count in [1, 1_000, 100_000] {
        let more = grown(|| {
            (0..count)
                .map(|number| {
                    let name = format!("upstream-{number}");
                    fuseboard::CircuitBreaker::new(name, CircuitBreakerConfig::default())
                })
                .collect::<Vec<_>>()
        });
        let _ = writeln!(
            text,
            "| {count} breakers of the adapter, each with its name | {more} |"
        );
    }
    let keys = 1_000_000;
    let more = grown(|| {
        let places: Vec<KeyedEntry> = (0..keys * 3 / 2).map(|_| KeyedEntry::new()).collect();
        let full = fuseboard_core::KeyedTable::try_new(
            &places,
            Rate::per_second(1),
            10,
            fuseboard_core::WhenFull::Reject,
        )
        .map(|table| (0..keys).all(|key| table.try_acquire(key, Nanos::ZERO).is_ok()));
        assert_eq!(full, Ok(true), "every key has a place");
        places
    });
    let _ = writeln!(text, "| a million keys | {more} |");
    let more = grown(|| {
        let limiter = RateLimiter::keyed(Quota::per_second(NonZeroU32::MIN));
        assert!(
            (0..keys).all(|key| limiter.check_key(&key).is_ok()),
            "new keys"
        );
        limiter
    });
    let _ = writeln!(text, "| a million keys of governor | {more} |");
    text
}

/// By how many megabytes the process grows; what was made stays, so that nothing is used twice.
fn grown<T>(make: impl FnOnce() -> T) -> String {
    let before = resident();
    std::mem::forget(std::hint::black_box(make()));
    before.zip(resident()).map_or_else(
        || "unknown".to_owned(),
        |(before, after)| format!("{:.1}", after - before),
    )
}

/// Resident memory in megabytes; `None`: the system does not tell.
fn resident() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1e3)
}
