//! R6: every setting at, just inside and just outside its range.

use fuseboard_core::{CircuitBreaker, CircuitBreakerConfig, ConfigError, Nanos, Window};

type Set<T> = fn(CircuitBreakerConfig, T) -> CircuitBreakerConfig;

fn built(config: CircuitBreakerConfig) -> Result<(), ConfigError> {
    let built = CircuitBreaker::<10>::try_new(config).map(drop);
    // As text: a NaN in an error is not equal to itself.
    let said = |result: Result<(), ConfigError>| result.map_err(|error| error.to_string());
    assert_eq!(said(built), said(config.validate()));
    // A running breaker refuses the same settings, and keeps its own.
    let running: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new());
    let configured = running.configure(config);
    if built.is_err() {
        assert_eq!(said(built), said(configured));
    }
    built
}

/// The error names the setting, the value as given, and what is allowed.
fn assert_refused(config: CircuitBreakerConfig, field: &str, value: &str) {
    let error = built(config).expect_err(field);
    assert_eq!(error.field(), field);
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("{field} is {value}; allowed: ")),
        "{text}"
    );
    assert!(text.ends_with(error.allowed()), "{text}");
    assert!(
        error.allowed().contains(|c: char| c.is_ascii_digit()),
        "{text}"
    );
}

fn integers(field: &str, set: Set<u64>, least: u64, most: u64) {
    let base = CircuitBreakerConfig::new();
    for value in [least, least + 1, most - 1, most] {
        assert_eq!(built(set(base, value)), Ok(()), "{field} {value}");
    }
    let below = least.checked_sub(1);
    for value in below.into_iter().chain([most + 1, u64::from(u32::MAX)]) {
        assert_refused(set(base, value), field, &value.to_string());
    }
}

fn decimals(field: &str, set: Set<f64>, allowed: &[f64], refused: &[f64]) {
    let base = CircuitBreakerConfig::new();
    for &value in allowed {
        assert_eq!(built(set(base, value)), Ok(()), "{field} {value}");
    }
    for &value in refused {
        assert_refused(set(base, value), field, &value.to_string());
    }
    for value in [
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
    ] {
        assert_refused(set(base, value), field, &value.to_string());
    }
}

fn spans(field: &str, set: Set<Nanos>) {
    let base = CircuitBreakerConfig::new();
    for value in [1, 2, 1 << 32, 1 << 63, u64::MAX - 1, u64::MAX] {
        assert_eq!(
            built(set(base, Nanos::new(value))),
            Ok(()),
            "{field} {value}"
        );
    }
    assert_refused(set(base, Nanos::ZERO), field, "0s");
}

#[test]
fn r6_integers() {
    integers(
        "minimum_requests",
        CircuitBreakerConfig::minimum_requests,
        1,
        1_000_000,
    );
    integers(
        "half_open_requests",
        |config, value| config.half_open_requests(value as u32),
        1,
        511,
    );
    integers(
        "half_open_successes",
        |config, value| config.half_open_successes(Some(value as u32)),
        1,
        511,
    );
    integers(
        "half_open_failures",
        |config, value| config.half_open_failures(value as u32),
        0,
        510,
    );
    let minimum = CircuitBreakerConfig::new().minimum_requests(u64::MAX);
    assert_refused(minimum, "minimum_requests", "18446744073709551615");
}

#[test]
fn r6_shares_and_factors() {
    let least = f64::MIN_POSITIVE;
    let above = 1.0 + f64::EPSILON;
    // A share of nothing can never work; negative zero is nothing.
    let shares = [f64::from_bits(1), least, 1e-7, 0.5, 1.0 - f64::EPSILON, 1.0];
    let no_shares = [0.0, -0.0, -least, above, 1.5];
    decimals(
        "failure_threshold",
        CircuitBreakerConfig::failure_threshold,
        &shares,
        &no_shares,
    );
    decimals(
        "slow_call_threshold",
        CircuitBreakerConfig::slow_call_threshold,
        &shares,
        &no_shares,
    );
    decimals(
        "open_backoff",
        CircuitBreakerConfig::open_backoff,
        &[1.0, above, 99.999, 100.0],
        &[1.0 - f64::EPSILON, 100.000_001, 0.0, -0.0, -1.0],
    );
    decimals(
        "open_jitter",
        CircuitBreakerConfig::open_jitter,
        &[0.0, -0.0, f64::from_bits(1), 0.5, 1.0],
        &[-least, above, 2.0],
    );
}

#[test]
fn r6_spans() {
    spans("open_timeout", CircuitBreakerConfig::open_timeout);
    spans("open_timeout_max", CircuitBreakerConfig::open_timeout_max);
    spans("probe_lease", |config, value| {
        config.probe_lease(Some(value))
    });
    spans("slow_call_duration", |config, value| {
        config.slow_call_duration(Some(value))
    });
    for value in [0, 1, u64::MAX] {
        let config = CircuitBreakerConfig::new().ramp_up(Nanos::new(value));
        assert_eq!(built(config), Ok(()));
    }
    for seed in [0, u64::MAX] {
        assert_eq!(built(CircuitBreakerConfig::new().jitter_seed(seed)), Ok(()));
    }
}

fn with_window<const SLOTS: usize>(window: Window) -> Result<(), ConfigError> {
    CircuitBreaker::<SLOTS>::try_new(CircuitBreakerConfig::new().window(window)).map(drop)
}

fn time<const SLOTS: usize>(length: u64, slots: u32) -> Result<(), ConfigError> {
    with_window::<SLOTS>(Window::Time {
        length: Nanos::new(length),
        slots,
    })
}

fn decay<const SLOTS: usize>(half_life: u64) -> Result<(), ConfigError> {
    with_window::<SLOTS>(Window::Decay {
        half_life: Nanos::new(half_life),
    })
}

fn refused(result: Result<(), ConfigError>, value: &str) {
    let text = result.expect_err(value).to_string();
    assert!(
        text.starts_with(&format!("window is {value}; allowed: ")),
        "{text}"
    );
}

#[test]
fn r6_time_windows() {
    for length in [10_000, 10_001, u64::MAX - 1, u64::MAX] {
        assert_eq!(time::<1>(length, 1), Ok(()));
    }
    for length in [100_000, 100_001, u64::MAX] {
        assert_eq!(time::<10>(length, 10), Ok(()));
    }
    assert_eq!(time::<63>(630_000, 63), Ok(()));
    refused(time::<1>(9_999, 1), "9.999us");
    refused(time::<1>(0, 1), "0s");
    refused(time::<10>(99_999, 10), "99.999us");
    refused(time::<63>(629_999, 63), "629.999us");
    for slots in [0, 11, 63, 64, u32::MAX] {
        refused(time::<10>(u64::MAX, slots), &slots.to_string());
    }
    refused(time::<63>(u64::MAX, 64), "64");
    refused(time::<1>(u64::MAX, 2), "2");
}

#[test]
fn r6_other_windows() {
    for calls in [1, 2, 239, 240] {
        assert_eq!(with_window::<10>(Window::Count(calls)), Ok(()));
    }
    for calls in [0, 241, u32::MAX] {
        refused(with_window::<10>(Window::Count(calls)), &calls.to_string());
    }
    assert_eq!(with_window::<1>(Window::Count(24)), Ok(()));
    refused(with_window::<1>(Window::Count(25)), "25");
    assert_eq!(with_window::<63>(Window::Count(1_512)), Ok(()));
    refused(with_window::<63>(Window::Count(1_513)), "1513");
    for calls in [1, 2, 99_999, 100_000] {
        assert_eq!(with_window::<1>(Window::Consecutive(calls)), Ok(()));
    }
    for calls in [0, 100_001, u32::MAX] {
        refused(
            with_window::<1>(Window::Consecutive(calls)),
            &calls.to_string(),
        );
    }
    // One, two, four and eight steps in a half-life, as the slots allow.
    assert_eq!(decay::<9>(10_000), Ok(()));
    refused(decay::<9>(9_999), "9.999us");
    assert_eq!(decay::<10>(20_000), Ok(()));
    refused(decay::<10>(19_999), "19.999us");
    // Two steps for a half-life, however many slots there are.
    assert_eq!(decay::<63>(20_000), Ok(()));
    refused(decay::<63>(19_999), "19.999us");
    assert_eq!(decay::<63>(u64::MAX), Ok(()));
}

#[test]
fn r6_a_refused_change_changes_nothing() {
    let config = CircuitBreakerConfig::new();
    let breaker: CircuitBreaker = CircuitBreaker::new(config);
    let before = format!("{breaker:?}");
    let bad = config.open_timeout(Nanos::new(1)).open_jitter(1.1);
    assert_eq!(breaker.configure(bad).unwrap_err().field(), "open_jitter");
    let other = config.minimum_requests(1).window(Window::Count(10));
    let error = breaker.configure(other).unwrap_err();
    assert_eq!(error.field(), "window");
    assert!(error.to_string().contains("new breaker"), "{error}");
    assert_eq!(format!("{breaker:?}"), before);
}

#[test]
#[should_panic(expected = "`try_new` says which field")]
fn r6_new_panics_and_says_where_to_look() {
    let _: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new().minimum_requests(0));
}

/// R6: what a breaker says it runs with makes one that runs with the same.
#[test]
fn r6_a_configuration_reads_back() {
    let second = Nanos::from_secs(1);
    let windows = [
        Window::Time {
            length: second,
            slots: 7,
        },
        Window::Count(50),
        Window::Consecutive(9),
        Window::Decay { half_life: second },
    ];
    for window in windows {
        let config = CircuitBreakerConfig::new()
            .failure_threshold(0.123_456)
            .minimum_requests(17)
            .open_timeout(second)
            .half_open_requests(5)
            .window(window)
            .slow_call_duration(Some(Nanos::from_millis(3)))
            .slow_call_threshold(0.75)
            .half_open_successes(Some(4))
            .half_open_failures(2)
            .probe_lease(Some(Nanos::from_millis(9)))
            .open_backoff(1.5)
            .open_timeout_max(Nanos::from_secs(9))
            .open_jitter(0.25)
            .jitter_seed(77)
            .ramp_up(second);
        let breaker: CircuitBreaker = CircuitBreaker::new(config);
        let read = breaker.config();
        let again = CircuitBreaker::<10>::new(read).config();
        assert_eq!(read, again);
        let slots_of = |window| match window {
            // A slot lasts whole nanoseconds.
            Window::Time { length, slots } => (length.get() / u64::from(slots), slots),
            _ => (0, 0),
        };
        assert_eq!(slots_of(read.window), slots_of(config.window));
        let same = |config: CircuitBreakerConfig| config.window(Window::Consecutive(1));
        assert_eq!(same(read), same(config));
        assert!(matches!(window, Window::Time { .. }) || read.window == window);
    }
    let off: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new());
    let written_out = CircuitBreakerConfig::new()
        .half_open_successes(Some(3))
        .probe_lease(Some(Nanos::from_secs(30)));
    assert_eq!(off.config(), written_out);
}
