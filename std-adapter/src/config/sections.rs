//! The tables of all settings.

mod attempts;
mod overload;

pub(super) use attempts::{HEDGES, RETRIES, TIMEOUTS};
pub(super) use overload::{ADAPTIVE, QUEUES, SHEDDING, THROTTLES};

use crate::breaker::CircuitBreakerConfig;
use crate::config::setting::{Section, Setting, Take};
use crate::config::{ConcurrencyConfig, RateLimitAlgorithm, RateLimitConfig};
use fuseboard_core::Window;

/// Highest seed that all three formats can write.
const SEED_MAX: u64 = i64::MAX as u64;

/// `[breakers.NAME]`.
pub(super) const BREAKERS: Section<CircuitBreakerConfig> = Section {
    name: "breakers",
    about: "A circuit breaker: stops the calls to one dependency while it is failing.",
    settings: &[
        Setting::new(
            "failure_threshold",
            Take::Share {
                from_zero: false,
                set: |to, share| to.failure_threshold = share,
            },
            Some("0.5"),
            "Trips when this share of the calls in the window failed.",
        ),
        Setting::new(
            "minimum_requests",
            Take::Count {
                least: 1,
                most: 1_000_000,
                set: |to, calls| to.minimum_requests = calls,
            },
            Some("20"),
            "Calls in the window below which nothing is judged. A count window's size caps it.",
        ),
        Setting::new(
            "open_timeout",
            Take::Span {
                from_zero: false,
                set: |to, span| to.open_timeout = span,
            },
            Some("\"30s\""),
            "How long the breaker stays open before it lets probes pass.",
        ),
        Setting::new(
            "half_open_requests",
            Take::Count {
                least: 1,
                most: 511,
                set: |to, probes| to.half_open_requests = probes as u32,
            },
            Some("3"),
            "Probes in flight at once while half-open.",
        ),
        Setting::new(
            "window_size",
            Take::<CircuitBreakerConfig>::Span {
                from_zero: false,
                set: |to, span| to.window_size = span,
            },
            Some("\"10s\""),
            "The span judged, in ten slots; at least 100us. Short for `window = { time = … }`; give one of the two.",
        )
        .excludes("window"),
        Setting::new(
            "window",
            Take::<CircuitBreakerConfig>::Window {
                set: |to, window| to.window = Some(window),
            },
            Some("as `window_size` says"),
            "The span judged, of any kind: `{ time = \"60s\", slots = 6 }` (1 to 10 slots of at least 10us), `{ count = 100 }` (1 to 240 calls), `{ consecutive = 5 }` (1 to 100000 failures in a row), `{ decay = \"30s\" }` (a half-life, at least 20us).",
        )
        .excludes("window_size"),
        Setting::new(
            "slow_call_duration",
            Take::Span {
                from_zero: false,
                set: |to, span| to.slow_call_duration = Some(span),
            },
            Some("speed is not judged"),
            "A call is slow when it took longer than this.",
        ),
        Setting::new(
            "slow_call_threshold",
            Take::Share {
                from_zero: false,
                set: |to, share| to.slow_call_threshold = share,
            },
            Some("1.0"),
            "Trips when this share of the calls in the window was slow.",
        ),
        Setting::new(
            "count_overdue",
            Take::Switch {
                set: |to, is_on| to.count_overdue = is_on,
            },
            Some("false"),
            "Whether calls in flight for longer than `slow_call_duration` count as slow before they end, so that a dependency that hangs opens the breaker.",
        ),
        Setting::new(
            "half_open_successes",
            Take::Count {
                least: 1,
                most: 511,
                set: |to, probes| to.half_open_successes = Some(probes as u32),
            },
            Some("as many as `half_open_requests`"),
            "Successful probes that close the breaker.",
        ),
        Setting::new(
            "half_open_failures",
            Take::Count {
                least: 0,
                most: 510,
                set: |to, probes| to.half_open_failures = probes as u32,
            },
            Some("0"),
            "Failed probes tolerated in a round; at 0 the first failure re-opens.",
        ),
        Setting::new(
            "probe_lease",
            Take::Span {
                from_zero: false,
                set: |to, span| to.probe_lease = Some(span),
            },
            Some("as long as `open_timeout`"),
            "If no probe place is free this long after the last one was given, the missing probes are taken for lost and a new round starts.",
        ),
        Setting::new(
            "open_backoff",
            Take::Factor {
                least: 1.0,
                most: 100.0,
                set: |to, factor| to.open_backoff = factor,
            },
            Some("1.0"),
            "Each opening in a row lasts this many times as long as the one before.",
        ),
        Setting::new(
            "open_timeout_max",
            Take::Span {
                from_zero: false,
                set: |to, span| to.open_timeout_max = span,
            },
            Some("\"10m\""),
            "The longest open time that `open_backoff` may reach, before jitter.",
        ),
        Setting::new(
            "open_jitter",
            Take::Share {
                from_zero: true,
                set: |to, share| to.open_jitter = share,
            },
            Some("0"),
            "Lengthens each open time by up to this share of it, so that a fleet does not probe in step.",
        ),
        Setting::new(
            "jitter_seed",
            Take::Count {
                least: 0,
                most: SEED_MAX,
                set: |to, seed| to.jitter_seed = Some(seed),
            },
            Some("each breaker its own"),
            "Where the jitter's draws start; the same seed gives the same draws.",
        ),
        Setting::new(
            "ramp_up",
            Take::Span {
                from_zero: true,
                set: |to, span| to.ramp_up = span,
            },
            Some("\"0s\""),
            "After closing, the admitted share rises from a tenth to all over this time.",
        ),
        Setting::new(
            "record_latency",
            Take::Switch {
                set: |to, is_on| to.record_latency = is_on,
            },
            Some("false"),
            "Whether to count how long each call takes: one addition and two precise readings of the clock a call.",
        ),
    ],
};

/// `[rate_limits.NAME]`.
pub(super) const RATE_LIMITS: Section<RateLimitConfig> = Section {
    name: "rate_limits",
    about: "A rate limit: so many requests in so much time.",
    settings: &[
        Setting::new(
            "rate",
            Take::Rate {
                set: |to, rate| to.rate = rate,
            },
            None,
            "The sustained rate, such as `\"100/s\"`, `\"5 per minute\"` or `\"1000/10s\"`.",
        ),
        Setting::new(
            "burst",
            Take::Count {
                least: 1,
                most: SEED_MAX,
                set: |to, burst| to.burst = Some(burst),
            },
            Some("the units of `rate`"),
            "Most requests at once, the first included. A sliding window takes none.",
        ),
        Setting::new(
            "max_wait",
            Take::Span {
                from_zero: true,
                set: |to, span| to.max_wait = span,
            },
            Some("\"0s\""),
            "How long a call of a pipeline may wait for its turn. A sliding window takes none.",
        ),
        Setting::new(
            "algorithm",
            Take::Word {
                words: &["token_bucket", "sliding_window"],
                set: |to, word| {
                    to.algorithm = if word == "sliding_window" {
                        RateLimitAlgorithm::SlidingWindow
                    } else {
                        RateLimitAlgorithm::TokenBucket
                    };
                },
            },
            Some("\"token_bucket\""),
            "`token_bucket`: `rate` on average and `burst` at once. `sliding_window`: never more than the units of `rate` (at most 1024) in any span as long as its period.",
        ),
    ],
};

/// `[concurrency.NAME]`.
pub(super) const CONCURRENCY: Section<ConcurrencyConfig> = Section {
    name: "concurrency",
    about: "A concurrency limit: so many calls in flight at once.",
    settings: &[Setting::new(
        "limit",
        Take::Count {
            least: 1,
            most: u32::MAX as u64,
            set: |to, limit| to.limit = limit as u32,
        },
        None,
        "Most calls in flight at once; on a board at most 65535.",
    )],
};

/// The span or size that a breaker's window has, whichever of its two names says so.
pub(super) fn window_of(config: &CircuitBreakerConfig) -> Window {
    config.window.unwrap_or(Window::Time {
        length: config.window_size.into(),
        slots: 10,
    })
}
