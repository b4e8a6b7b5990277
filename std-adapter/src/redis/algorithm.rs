//! The four ways to limit a rate: their settings, and what their scripts are told.

use super::error::SetUpError;
use super::script::{self, Source};
use crate::limiter::Quota;
use fuseboard_core::Rate;
use std::time::Duration;

/// Most units of a limit.
const MOST: u64 = 1_000_000_000;
/// Most units of an exact window: all of them may leave it at one moment, in one command.
const MOST_EXACT: u64 = 10_000;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// A way to limit a rate.
pub trait Algorithm: sealed::Settings {}

impl<A: sealed::Settings> Algorithm for A {}

pub(super) mod sealed {
    use super::Source;
    use crate::limiter::Quota;
    use std::time::Duration;

    pub trait Settings: Send + Sync + 'static {
        /// Stands at the end of its keys, with the version of what they hold.
        const SUFFIX: &'static str;
        fn script(&self) -> &'static Source;
        /// What the script is told first.
        fn arguments(&self) -> Vec<u64>;
        fn limit(&self) -> u64;
        fn quota(&self) -> Quota;
        /// A rate that comes to the limit, for a token bucket in its place: units and their time.
        fn rate(&self) -> (u64, Duration);
    }
}

fn limit(given: u64, most: u64, allowed: &'static str) -> Result<u64, SetUpError> {
    SetUpError::integer("limit", given, 1..=most, allowed)
}

fn window(given: Duration) -> Result<u64, SetUpError> {
    SetUpError::span("window", given, SHORTEST..=LONGEST, "1 ms to 366 days")
}

/// GCRA; see [`TokenBucketRateLimiter`](super::TokenBucketRateLimiter).
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    burst: u64,
    units: u64,
    per_micros: u64,
}

impl TokenBucket {
    /// `rate` sustained, and `burst` at once; 1 to 1,000,000,000 each, the rate's time 1 ms to 366 days; the bucket fills within ten years.
    ///
    /// # Errors
    /// What is out of its range.
    pub fn new(rate: Rate, burst: u64) -> Result<Self, SetUpError> {
        let allowed = "1 to 1,000,000,000";
        let per = Duration::from(rate.per());
        let bucket = Self {
            burst: SetUpError::integer("burst", burst, 1..=MOST, allowed)?,
            units: SetUpError::integer("rate", rate.units(), 1..=MOST, allowed)?,
            per_micros: SetUpError::span(
                "rate's time",
                per,
                SHORTEST..=LONGEST,
                "1 ms to 366 days",
            )?,
        };
        // Times further ahead are no exact integers in a script, and no expiry that the engine takes.
        let fills = u128::from(burst) * u128::from(bucket.per_micros) / u128::from(bucket.units);
        if fills > 10 * LONGEST.as_micros() {
            let (field, given) = ("burst", burst.to_string());
            let allowed = "as many as flow in within ten years";
            return Err(SetUpError::Setting {
                field,
                given,
                allowed,
            });
        }
        Ok(bucket)
    }
}

impl sealed::Settings for TokenBucket {
    const SUFFIX: &'static str = "bucket:1";

    fn script(&self) -> &'static Source {
        &script::TOKEN_BUCKET
    }

    fn arguments(&self) -> Vec<u64> {
        vec![self.burst, self.units, self.per_micros]
    }

    fn limit(&self) -> u64 {
        self.burst
    }

    fn quota(&self) -> Quota {
        Quota::of_bucket(
            self.units,
            Duration::from_micros(self.per_micros),
            self.burst,
        )
    }

    fn rate(&self) -> (u64, Duration) {
        (self.units, Duration::from_micros(self.per_micros))
    }
}

/// The three that count in a window differ by their script alone.
macro_rules! windows {
    ($($(#[$doc:meta])* $name:ident, $suffix:literal, $script:ident, $most:expr, $allowed:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            limit: u64,
            window_micros: u64,
        }

        impl $name {
            #[doc = concat!("`limit` units in `window`: ", $allowed, " of them, in 1 ms to 366 days.")]
            ///
            /// # Errors
            /// What is out of its range.
            pub fn new(limit: u64, window: Duration) -> Result<Self, SetUpError> {
                Ok(Self {
                    limit: self::limit(limit, $most, $allowed)?,
                    window_micros: self::window(window)?,
                })
            }
        }

        impl sealed::Settings for $name {
            const SUFFIX: &'static str = $suffix;

            fn script(&self) -> &'static Source {
                &script::$script
            }

            fn arguments(&self) -> Vec<u64> {
                vec![self.limit, self.window_micros]
            }

            fn limit(&self) -> u64 {
                self.limit
            }

            fn quota(&self) -> Quota {
                Quota { limit: self.limit, window: Duration::from_micros(self.window_micros) }
            }

            fn rate(&self) -> (u64, Duration) {
                (self.limit, Duration::from_micros(self.window_micros))
            }
        }
    )+};
}

windows! {
    /// A log of what was admitted; see [`SlidingWindowRateLimiter`](super::SlidingWindowRateLimiter).
    SlidingWindow, "log:1", SLIDING_WINDOW, MOST_EXACT, "1 to 10,000";
    /// Two counts; see [`SlidingCounterRateLimiter`](super::SlidingCounterRateLimiter).
    SlidingCounter, "counter:1", SLIDING_COUNTER, MOST, "1 to 1,000,000,000";
    /// One count; see [`FixedWindowRateLimiter`](super::FixedWindowRateLimiter).
    FixedWindow, "window:1", FIXED_WINDOW, MOST, "1 to 1,000,000,000";
}
