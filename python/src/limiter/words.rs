//! [`Words`]: whichever of the core's limiters it is.

#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
use crate::clock::{Precision, system_now};
use fuseboard_core::{
    ConfigError, FixedWindowRateLimiter, LeakyBucket, Nanos, Rate, Reason, Rejected, Reservation,
    SlidingCounterRateLimiter, SlidingWindowRateLimiter, TokenBucketRateLimiter, WarmUp,
};

/// Boxed: the core may align them more strictly than Python allocates objects. A sliding log has the smallest of a few
/// sizes that holds its limit.
pub(super) enum Words {
    TokenBucket(Box<TokenBucketRateLimiter>),
    LeakyBucket(Box<LeakyBucket>),
    SlidingCounter(Box<SlidingCounterRateLimiter>),
    FixedWindow(Box<FixedWindowRateLimiter>),
    /// In a named slot of a board, on the system's clock.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    OnBoard(fuseboard::TokenBucketRateLimiter, fuseboard::Board),
    LogTo16(Box<SlidingWindowRateLimiter<16>>),
    LogTo128(Box<SlidingWindowRateLimiter<128>>),
    LogTo1024(Box<SlidingWindowRateLimiter<1024>>),
    LogTo8192(Box<SlidingWindowRateLimiter<8192>>),
}

/// Runs the same expression for each size of log, or what is given for the other kinds.
macro_rules! each_kind {
    ($words:expr, $log:ident => $answer:expr, $($others:tt)*) => {
        match $words {
            Words::LogTo16($log) => $answer,
            Words::LogTo128($log) => $answer,
            Words::LogTo1024($log) => $answer,
            Words::LogTo8192($log) => $answer,
            $($others)*
        }
    };
}

/// A cost that a limiter of 32 bits can never admit.
const NEVER: Rejected = Rejected {
    reason: Reason::Never,
    retry_after: None,
};

fn narrow(cost: u64) -> Result<u32, Rejected> {
    u32::try_from(cost).map_err(|_| NEVER)
}

impl Words {
    pub(super) const LARGEST_LOG: u32 = 8192;

    pub(super) fn token_bucket(
        rate: Rate,
        burst: u64,
        warm_up: Option<WarmUp>,
    ) -> Result<Self, ConfigError> {
        let words = match warm_up {
            None => TokenBucketRateLimiter::try_new(rate, burst),
            Some(warm_up) => TokenBucketRateLimiter::try_with_warm_up(rate, burst, warm_up),
        };
        words.map(|words| Self::TokenBucket(Box::new(words)))
    }

    /// A token bucket that is not on a board.
    pub(super) fn own_bucket(&self) -> Option<&TokenBucketRateLimiter> {
        match self {
            Self::TokenBucket(words) => Some(words),
            _ => None,
        }
    }

    pub(super) fn leaky_bucket(rate: Rate, queue: u64) -> Result<Self, ConfigError> {
        LeakyBucket::try_new(rate, queue).map(|words| Self::LeakyBucket(Box::new(words)))
    }

    pub(super) fn sliding_counter(limit: u32, window: Nanos) -> Result<Self, ConfigError> {
        SlidingCounterRateLimiter::try_new(limit, window)
            .map(|words| Self::SlidingCounter(Box::new(words)))
    }

    pub(super) fn fixed_window(limit: u64, window: Nanos) -> Result<Self, ConfigError> {
        FixedWindowRateLimiter::try_new(limit, window)
            .map(|words| Self::FixedWindow(Box::new(words)))
    }

    pub(super) fn sliding_log(limit: u32, window: Nanos) -> Result<Self, ConfigError> {
        Ok(match limit {
            0..=16 => Self::LogTo16(Box::new(SlidingWindowRateLimiter::try_new(limit, window)?)),
            17..=128 => Self::LogTo128(Box::new(SlidingWindowRateLimiter::try_new(limit, window)?)),
            129..=1024 => {
                Self::LogTo1024(Box::new(SlidingWindowRateLimiter::try_new(limit, window)?))
            }
            1025.. => Self::LogTo8192(Box::new(SlidingWindowRateLimiter::try_new(limit, window)?)),
        })
    }

    #[inline]
    pub(super) fn acquire(&self, cost: u64, now: Nanos) -> Result<(), Rejected> {
        each_kind!(self, log => log.try_acquire_many(narrow(cost)?, now),
            Self::TokenBucket(words) => words.try_acquire_many(cost, now),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::OnBoard(bucket, _) => bucket.try_acquire_many(cost),
            Self::LeakyBucket(words) => words.try_acquire_many(cost, now),
            Self::SlidingCounter(words) => words.try_acquire_many(narrow(cost)?, now),
            Self::FixedWindow(words) => words.try_acquire_many(cost, now),
        )
    }

    /// Of the buckets; the others have no turns that lie ahead.
    pub(super) fn reserve(
        &self,
        cost: u64,
        max_wait: Nanos,
        now: Nanos,
    ) -> Result<Reservation, Rejected> {
        match self {
            Self::TokenBucket(words) => words.reserve(cost, max_wait, now),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::OnBoard(bucket, board) => on_board(bucket, board).map_or(Err(NEVER), |words| {
                words.reserve(cost, max_wait, system_now(Precision::Fine))
            }),
            Self::LeakyBucket(words) => words.reserve_many(cost, max_wait, now),
            _ => Err(NEVER),
        }
    }

    pub(super) fn cancel(&self, reservation: Reservation, now: Nanos) {
        match self {
            Self::TokenBucket(words) => words.cancel(reservation, now),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::OnBoard(bucket, board) => {
                if let Some(words) = on_board(bucket, board) {
                    words.cancel(reservation, system_now(Precision::Fine));
                }
            }
            Self::LeakyBucket(words) => words.cancel(reservation, now),
            _ => {}
        }
    }

    /// As many as there are, up to `max`. Of token buckets.
    pub(super) fn acquire_up_to(&self, max: u64, now: Nanos) -> u64 {
        match self {
            Self::TokenBucket(words) => words.try_acquire_up_to(max, now),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::OnBoard(bucket, board) => on_board(bucket, board).map_or(0, |words| {
                words.try_acquire_up_to(max, system_now(Precision::Fine))
            }),
            _ => 0,
        }
    }

    /// Empties a token bucket.
    pub(super) fn drain(&self, now: Nanos) {
        match self {
            Self::TokenBucket(words) => words.drain(now),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::OnBoard(bucket, board) => {
                if let Some(words) = on_board(bucket, board) {
                    words.drain(system_now(Precision::Fine));
                }
            }
            _ => {}
        }
    }

    /// A log keeps what it has.
    pub(super) fn refund(&self, cost: u64, now: Nanos) {
        each_kind!(self, _log => (),
            Self::TokenBucket(words) => words.refund(cost, now),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::OnBoard(bucket, _) => bucket.refund(cost),
            Self::LeakyBucket(words) => words.refund(cost, now),
            Self::SlidingCounter(words) => {
                words.refund(u32::try_from(cost).unwrap_or(u32::MAX), now);
            }
            Self::FixedWindow(words) => words.refund(cost, now),
        );
    }

    pub(super) fn available(&self, now: Nanos) -> u64 {
        each_kind!(self, log => u64::from(log.available(now)),
            Self::TokenBucket(words) => words.available(now),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::OnBoard(bucket, _) => bucket.available(),
            Self::LeakyBucket(words) => words.available(now),
            Self::SlidingCounter(words) => u64::from(words.available(now)),
            Self::FixedWindow(words) => words.available(now),
        )
    }

    /// How a bucket's second number is called.
    pub(super) const fn units_field(&self) -> &'static str {
        match self {
            Self::LeakyBucket(_) => "queue",
            _ => "burst",
        }
    }

    /// Of the buckets.
    pub(super) fn set_quota(&self, rate: Rate, units: u64) -> Result<(), ConfigError> {
        match self {
            Self::TokenBucket(words) => words.configure(rate, units),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::OnBoard(bucket, _) => bucket.configure(rate, units),
            Self::LeakyBucket(words) => words.configure(rate, units),
            _ => Ok(()),
        }
    }

    /// Of those with two counters or one.
    pub(super) fn set_limit(&self, limit: u32) -> Result<(), ConfigError> {
        match self {
            Self::SlidingCounter(words) => words.set_limit(limit),
            Self::FixedWindow(words) => words.set_limit(u64::from(limit)),
            _ => Ok(()),
        }
    }

    pub(super) fn reset(&self) {
        each_kind!(self, _log => (),
            Self::TokenBucket(words) => words.reset(),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::OnBoard(bucket, _) => bucket.reset(),
            Self::LeakyBucket(words) => words.reset(),
            Self::SlidingCounter(words) => words.reset(),
            Self::FixedWindow(words) => words.reset(),
        );
    }
}

/// The words that a bucket's name has on its board.
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
fn on_board<'a>(
    bucket: &fuseboard::TokenBucketRateLimiter,
    board: &'a fuseboard::Board,
) -> Option<&'a TokenBucketRateLimiter> {
    // Claims the name again, if it was removed.
    bucket.available();
    let buckets = board.words().token_buckets();
    let name = fuseboard_core::SlotName::new(bucket.name()?).ok()?;
    buckets.get(buckets.slot_of(&name)?)
}
