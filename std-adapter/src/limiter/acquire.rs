//! [`Limiter`]: what every limit of a rate does, in this process or among hosts; [`Acquire`]: its answer, at once or on its way.

use super::decision::{Decision, DecisionSource};
use crate::clock::Clock;
use fuseboard_core::{Nanos, Reason, Rejected};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// What a limiter limits: so many units in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Units at once: the limit, or a bucket's burst.
    pub limit: u64,
    /// The time they are for: a window, or that in which an empty bucket fills.
    pub window: Duration,
}

impl Quota {
    /// Of a bucket that fills with `units` in each `per`.
    pub(crate) fn of_bucket(units: u64, per: Duration, burst: u64) -> Self {
        let nanos = per.as_nanos().saturating_mul(u128::from(burst)) / u128::from(units.max(1));
        Self {
            limit: burst,
            window: Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)),
        }
    }
}

/// A limit of a rate, of whichever algorithm and wherever its words are: what layers, extractors and bindings take.
///
/// ```
/// use fuseboard::{Keyed, Limiter, Rate, TokenBucketRateLimiter};
///
/// async fn serve(limiter: &dyn Limiter, user: &str) -> &'static str {
///     let decision = limiter.acquire(user, 1).await;
///     if decision.is_allowed { "welcome" } else { "come back later" }
/// }
///
/// let one_for_all = TokenBucketRateLimiter::new(Rate::per_second(100), 10);
/// let for_each = Keyed::token_buckets(Rate::per_second(100), 10, 1_000)?;
/// assert!(one_for_all.acquire("", 1).decided().is_ok_and(|decision| decision.is_allowed));
/// let _ = (serve(&one_for_all, "ada"), serve(&for_each, "ada"));
/// # Ok::<(), fuseboard::ConfigError>(())
/// ```
pub trait Limiter: Send + Sync {
    /// Takes `cost` units of `key`, all or none; a cost of 0 only looks. A limiter that knows no keys has one limit for all.
    ///
    /// A limiter of this host decides before this returns; one among hosts begins with the first poll, so an `Acquire` that was never
    /// polled and is not [`decided`](Acquire::decided) has taken nothing.
    fn acquire<'a>(&'a self, key: &'a str, cost: u64) -> Acquire<'a>;

    /// What it limits, for each key.
    fn quota(&self) -> Quota;
}

impl<L: Limiter + ?Sized> Limiter for &L {
    fn acquire<'a>(&'a self, key: &'a str, cost: u64) -> Acquire<'a> {
        (**self).acquire(key, cost)
    }

    fn quota(&self) -> Quota {
        (**self).quota()
    }
}

impl<L: Limiter + ?Sized> Limiter for Arc<L> {
    fn acquire<'a>(&'a self, key: &'a str, cost: u64) -> Acquire<'a> {
        (**self).acquire(key, cost)
    }

    fn quota(&self) -> Quota {
        (**self).quota()
    }
}

/// A [`Decision`], at once or on its way.
#[must_use = "a decision that nobody looks at limits nothing"]
pub struct Acquire<'a>(Stage<'a>);

enum Stage<'a> {
    Decided(Decision),
    OnItsWay(Pin<Box<dyn Future<Output = Decision> + Send + 'a>>),
}

impl<'a> Acquire<'a> {
    /// What was decided at once.
    pub fn ready(decision: Decision) -> Self {
        Self(Stage::Decided(decision))
    }

    /// What is decided when this future is awaited; nothing may be taken before.
    pub fn later(future: impl Future<Output = Decision> + Send + 'a) -> Self {
        Self(Stage::OnItsWay(Box::pin(future)))
    }

    /// The decision, where it did not have to be waited for: without a runtime.
    ///
    /// # Errors
    /// It is on its way; await it.
    pub fn decided(self) -> Result<Decision, Self> {
        match self.0 {
            Stage::Decided(decision) => Ok(decision),
            Stage::OnItsWay(_) => Err(self),
        }
    }
}

impl Future for Acquire<'_> {
    type Output = Decision;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Decision> {
        match &mut self.0 {
            Stage::Decided(decision) => Poll::Ready(*decision),
            Stage::OnItsWay(future) => future.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Stage::Decided(decision) => decision.fmt(f),
            Stage::OnItsWay(_) => f.write_str("on its way"),
        }
    }
}

impl Decision {
    /// Why it denied, as the policies around a call say it; `None`: it is allowed. Where the engine was away the reason is
    /// [`Reason::Open`]: it is left alone.
    pub fn rejected(&self) -> Option<Rejected> {
        let reason = match self.retry_after {
            _ if self.is_allowed => return None,
            _ if self.is_fallback() => Reason::Open,
            None => Reason::Never,
            Some(_) => Reason::Limited,
        };
        Some(Rejected {
            reason,
            retry_after: self.retry_after.map(Nanos::from),
        })
    }

    /// What a limiter of this host says. `take` takes all of the cost or none, `available` tells what is left.
    pub(super) fn local(
        quota: Quota,
        cost: u64,
        take: impl FnOnce() -> Result<(), Rejected>,
        available: impl FnOnce() -> u64,
        resets: Resets,
    ) -> Self {
        let taken = if cost == 0 { None } else { Some(take()) };
        let remaining = available().min(quota.limit);
        let used = quota.limit - remaining;
        let reset_after = match resets {
            _ if used == 0 => Duration::ZERO,
            Resets::InProportion => {
                let share = quota.window.as_nanos() * u128::from(used);
                let nanos = share.div_ceil(u128::from(quota.limit.max(1)));
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
            Resets::After(windows) => quota.window.saturating_mul(windows),
        };
        let (is_allowed, retry_after) = match taken {
            Some(Ok(())) => (true, Some(Duration::ZERO)),
            Some(Err(rejected)) => (false, rejected.retry_after.map(Duration::from)),
            None if remaining > 0 => (true, Some(Duration::ZERO)),
            None => (false, Some(reset_after)),
        };
        Self {
            is_allowed,
            limit: quota.limit,
            remaining: Some(remaining),
            retry_after,
            reset_after,
            source: DecisionSource::Local,
            may_have_taken: false,
        }
    }
}

/// When all of a limit is there again.
#[derive(Clone, Copy)]
pub(super) enum Resets {
    /// As a bucket fills.
    InProportion,
    /// After so many windows at most.
    After(u32),
}

/// A cost for words that count in 32 bits.
pub(super) fn narrow(cost: u64) -> Result<u32, Rejected> {
    u32::try_from(cost).map_err(|_| Rejected {
        reason: Reason::Never,
        retry_after: None,
    })
}

impl<C: Clock + Send + Sync> Limiter for super::TokenBucketRateLimiter<C> {
    fn acquire<'a>(&'a self, _: &'a str, cost: u64) -> Acquire<'a> {
        Acquire::ready(Decision::local(
            self.quota(),
            cost,
            || self.try_acquire_many(cost),
            || self.available(),
            Resets::InProportion,
        ))
    }

    fn quota(&self) -> Quota {
        let (units, per) = self.rate().map_or((1, Duration::ZERO), |rate| {
            (rate.units(), Duration::from(rate.per()))
        });
        Quota::of_bucket(units, per, self.burst())
    }
}

impl<const N: usize, C: Clock + Send + Sync> Limiter for super::SlidingWindowRateLimiter<N, C> {
    fn acquire<'a>(&'a self, _: &'a str, cost: u64) -> Acquire<'a> {
        Acquire::ready(Decision::local(
            self.quota(),
            cost,
            || self.try_acquire_many(narrow(cost)?),
            || u64::from(self.available()),
            Resets::After(1),
        ))
    }

    fn quota(&self) -> Quota {
        self.own_quota()
    }
}

#[cfg(feature = "keyed")]
impl<L: Limiter + Clone> Limiter for crate::keyed::Keyed<L> {
    fn acquire<'a>(&'a self, key: &'a str, cost: u64) -> Acquire<'a> {
        let limiter = self.get(key);
        let decided = limiter.acquire(key, cost).decided().ok();
        match decided {
            Some(decision) => Acquire::ready(decision),
            None => Acquire::later(async move { limiter.acquire(key, cost).await }),
        }
    }

    fn quota(&self) -> Quota {
        self.overflow().quota()
    }
}
