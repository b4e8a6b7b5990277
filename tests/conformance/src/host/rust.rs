//! The Rust host: `fuseboard-core` through its public types.

use std::collections::HashMap;

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, ConcurrencyLimit, ConcurrencyPermit, ConfigError,
    FixedWindowRateLimiter, LeakyBucket, Nanos, Outcome, Permit, Rejected, Settled,
    SlidingCounterRateLimiter, SlidingWindowRateLimiter, State, TokenBucketRateLimiter,
};

use super::{Admission, Answer, Host, PermitId, Refusal, Unanswered};
use crate::trace::{BreakerSetting, Control, Policy, Rate, Settling, Window};

/// The most slots that a breaker can have, so that a trace's window always finds room.
const SLOTS: usize = 63;
/// The largest `limit` of a sliding log in a trace.
const LOG: usize = 4096;

type Breaker = CircuitBreaker<SLOTS>;
type SlidingLog = SlidingWindowRateLimiter<LOG>;

/// Plays a trace against `fuseboard-core`.
///
/// A Rust permit borrows its breaker and moves into its settling. So the policies live for the rest of
/// the program, as a `static` does, and the host itself answers that a permit it no longer holds is stale.
#[derive(Default)]
pub struct RustHost {
    policies: HashMap<String, Instance>,
    permits: HashMap<PermitId, Held>,
}

#[derive(Clone, Copy)]
enum Instance {
    Breaker(&'static Breaker),
    TokenBucket(&'static TokenBucketRateLimiter),
    SlidingLog(&'static SlidingLog),
    /// With the window's length, which is for good.
    SlidingCounter(&'static SlidingCounterRateLimiter, Nanos),
    /// With the window's length, which is for good.
    FixedWindow(&'static FixedWindowRateLimiter, Nanos),
    LeakyBucket(&'static LeakyBucket),
    Concurrency(&'static ConcurrencyLimit),
}

enum Held {
    Breaker(Permit<'static, SLOTS>),
    Concurrency(ConcurrencyPermit<'static>),
}

impl RustHost {
    fn instance(&self, name: &str) -> Answer<Instance> {
        self.policies
            .get(name)
            .copied()
            .ok_or_else(|| Unanswered(format!("nothing named {name} was declared")))
    }

    fn breaker(&self, name: &str) -> Answer<&'static Breaker> {
        match self.instance(name)? {
            Instance::Breaker(breaker) => Ok(breaker),
            other => Err(Unanswered::unsupported(format_args!(
                "breaker verbs on a {}",
                other.kind()
            ))),
        }
    }
}

impl Instance {
    const fn kind(self) -> &'static str {
        match self {
            Self::Breaker(_) => "breaker",
            Self::TokenBucket(_) => "token_bucket",
            Self::SlidingLog(_) => "sliding_log",
            Self::SlidingCounter(..) => "sliding_counter",
            Self::FixedWindow(..) => "fixed_window",
            Self::LeakyBucket(_) => "leaky_bucket",
            Self::Concurrency(_) => "concurrency",
        }
    }
}

impl Host for RustHost {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn declare(&mut self, name: &str, policy: &Policy) -> Result<(), Refusal> {
        let instance = match policy {
            Policy::Breaker(settings) => {
                Instance::Breaker(live(CircuitBreaker::try_new(config(settings))?))
            }
            Policy::TokenBucket { rate, burst } => Instance::TokenBucket(live(
                TokenBucketRateLimiter::try_new(core_rate(*rate), *burst)?,
            )),
            Policy::SlidingLog { limit, window } => {
                Instance::SlidingLog(live(SlidingLog::try_new(*limit, *window)?))
            }
            Policy::Concurrency { limit } => {
                Instance::Concurrency(live(ConcurrencyLimit::try_new(*limit)?))
            }
            Policy::SlidingCounter { limit, window } => Instance::SlidingCounter(
                live(SlidingCounterRateLimiter::try_new(*limit, *window)?),
                *window,
            ),
            Policy::FixedWindow { limit, window } => Instance::FixedWindow(
                live(FixedWindowRateLimiter::try_new(u64::from(*limit), *window)?),
                *window,
            ),
            Policy::LeakyBucket { rate, queue } => {
                Instance::LeakyBucket(live(LeakyBucket::try_new(core_rate(*rate), *queue)?))
            }
        };
        self.policies.insert(name.to_owned(), instance);
        Ok(())
    }

    fn configure(&mut self, name: &str, policy: &Policy, _now: Nanos) -> Result<(), Refusal> {
        match (self.instance(name)?, policy) {
            (Instance::Breaker(breaker), Policy::Breaker(settings)) => {
                breaker.configure(config(settings))?;
            }
            (Instance::TokenBucket(limiter), Policy::TokenBucket { rate, burst }) => {
                limiter.configure(core_rate(*rate), *burst)?;
            }
            (Instance::SlidingCounter(limiter, made), Policy::SlidingCounter { limit, window })
                if made == *window =>
            {
                limiter.set_limit(*limit)?;
            }
            (Instance::FixedWindow(limiter, made), Policy::FixedWindow { limit, window })
                if made == *window =>
            {
                limiter.set_limit(u64::from(*limit))?;
            }
            (Instance::LeakyBucket(limiter), Policy::LeakyBucket { rate, queue }) => {
                limiter.configure(core_rate(*rate), *queue)?;
            }
            (Instance::Concurrency(limiter), Policy::Concurrency { limit }) => {
                limiter.set_limit(*limit)?;
            }
            (other, _) => {
                let what = format_args!("configure of these settings on a {}", other.kind());
                return Err(Unanswered::unsupported(what).into());
            }
        }
        Ok(())
    }

    fn acquire_permit(&mut self, name: &str, permit: PermitId, now: Nanos) -> Answer<Admission> {
        let answer = match self.instance(name)? {
            Instance::Breaker(breaker) => breaker.try_acquire(now).map(Held::Breaker),
            Instance::Concurrency(limit) => limit.try_acquire().map(Held::Concurrency),
            other => {
                let what = format_args!("permits on a {}", other.kind());
                return Err(Unanswered::unsupported(what));
            }
        };
        Ok(admission(answer.map(|held| {
            self.permits.insert(permit, held);
        })))
    }

    fn settle(
        &mut self,
        name: &str,
        permit: PermitId,
        settling: Settling,
        now: Nanos,
    ) -> Answer<bool> {
        let settled = match (self.permits.remove(&permit), settling) {
            // Settling moved the permit away: it cannot be settled twice.
            (None, _) => Settled::Stale,
            (Some(Held::Concurrency(permit)), _) => {
                drop(permit);
                Settled::Recorded
            }
            (Some(Held::Breaker(permit)), Settling::Outcome { outcome, weight }) => match outcome {
                Outcome::Success => permit.success(now),
                Outcome::Failure => permit.failure_weighted(weight, now),
                Outcome::Ignored => permit.ignore(),
            },
            (Some(Held::Breaker(permit)), Settling::Drop | Settling::Release) => {
                // What the destructor does; but a destructor cannot say whether it was stale.
                self.breaker(name)?.cancel(permit.into_raw(), &())
            }
        };
        Ok(settled == Settled::Recorded)
    }

    fn control(&mut self, name: &str, control: Control, now: Nanos) -> Answer<()> {
        let breaker = self.breaker(name)?;
        match control {
            Control::ForceOpen { until: None } => breaker.force_open(now, &()),
            Control::ForceOpen { until: Some(until) } => breaker.force_open_until(until, now, &()),
            Control::Disable => breaker.disable(now, &()),
            Control::MetricsOnly => breaker.metrics_only(now, &()),
            Control::Reset => breaker.reset(now, &()),
        }
        Ok(())
    }

    fn acquire(&mut self, name: &str, cost: u64, now: Nanos) -> Answer<Admission> {
        match self.instance(name)? {
            Instance::TokenBucket(limiter) => Ok(admission(limiter.try_acquire_many(cost, now))),
            Instance::SlidingLog(limiter) => {
                Ok(admission(limiter.try_acquire_many(narrow(cost)?, now)))
            }
            Instance::SlidingCounter(limiter, _) => {
                Ok(admission(limiter.try_acquire_many(narrow(cost)?, now)))
            }
            Instance::FixedWindow(limiter, _) => Ok(admission(limiter.try_acquire_many(cost, now))),
            Instance::LeakyBucket(limiter) => Ok(admission(limiter.try_acquire_many(cost, now))),
            other => {
                let what = format_args!("acquire of units on a {}", other.kind());
                Err(Unanswered::unsupported(what))
            }
        }
    }

    fn reserve(
        &mut self,
        name: &str,
        cost: u64,
        max_wait: Option<Nanos>,
        now: Nanos,
    ) -> Answer<Admission> {
        let max_wait = max_wait.unwrap_or(Nanos::MAX);
        let answer = match self.instance(name)? {
            Instance::TokenBucket(limiter) => limiter.reserve(cost, max_wait, now),
            Instance::LeakyBucket(limiter) => limiter.reserve_many(cost, max_wait, now),
            other => {
                let what = format_args!("reserve on a {}", other.kind());
                return Err(Unanswered::unsupported(what));
            }
        };
        Ok(match answer {
            Ok(reservation) => Admission::Admitted {
                wait: reservation.wait(),
            },
            Err(rejected) => admission(Err(rejected)),
        })
    }

    fn refund(&mut self, name: &str, cost: u64, now: Nanos) -> Answer<()> {
        match self.instance(name)? {
            Instance::TokenBucket(limiter) => limiter.refund(cost, now),
            Instance::SlidingCounter(limiter, _) => limiter.refund(narrow(cost)?, now),
            Instance::FixedWindow(limiter, _) => limiter.refund(cost, now),
            Instance::LeakyBucket(limiter) => limiter.refund(cost, now),
            other => {
                let what = format_args!("refund on a {}", other.kind());
                return Err(Unanswered::unsupported(what));
            }
        }
        Ok(())
    }

    fn state(&mut self, name: &str, _now: Nanos) -> Answer<State> {
        Ok(self.breaker(name)?.state())
    }

    fn available(&mut self, name: &str, now: Nanos) -> Answer<u64> {
        match self.instance(name)? {
            Instance::TokenBucket(limiter) => Ok(limiter.available(now)),
            Instance::SlidingLog(limiter) => Ok(u64::from(limiter.available(now))),
            Instance::SlidingCounter(limiter, _) => Ok(u64::from(limiter.available(now))),
            Instance::FixedWindow(limiter, _) => Ok(limiter.available(now)),
            Instance::LeakyBucket(limiter) => Ok(limiter.available(now)),
            Instance::Concurrency(limiter) => {
                let free = limiter.limit().saturating_sub(limiter.in_flight());
                Ok(u64::from(free))
            }
            Instance::Breaker(_) => Err(Unanswered::unsupported("available on a breaker")),
        }
    }

    fn in_flight(&mut self, name: &str, now: Nanos) -> Answer<u32> {
        match self.instance(name)? {
            Instance::Breaker(breaker) => Ok(breaker.snapshot(now).in_flight),
            Instance::Concurrency(limiter) => Ok(limiter.in_flight()),
            other => {
                let what = format_args!("in_flight on a {}", other.kind());
                Err(Unanswered::unsupported(what))
            }
        }
    }
}

/// Lets a policy live for the rest of the program; a trace makes a few.
fn live<T>(policy: T) -> &'static T {
    Box::leak(Box::new(policy))
}

/// A cost for a limiter whose costs have 32 bits.
fn narrow(cost: u64) -> Answer<u32> {
    u32::try_from(cost).map_err(|_| Unanswered::unsupported("cost above 4294967295 here"))
}

fn admission(answer: Result<(), Rejected>) -> Admission {
    match answer {
        Ok(()) => Admission::Admitted { wait: Nanos::ZERO },
        Err(rejected) => Admission::Rejected {
            reason: rejected.reason,
            retry_after: rejected.retry_after,
        },
    }
}

fn core_rate(rate: Rate) -> fuseboard_core::Rate {
    fuseboard_core::Rate::new(rate.units, rate.per)
}

fn config(settings: &[BreakerSetting]) -> CircuitBreakerConfig {
    use BreakerSetting as Setting;
    let mut config = CircuitBreakerConfig::new();
    for setting in settings {
        config = match *setting {
            Setting::FailureThreshold(share) => config.failure_threshold(share),
            Setting::MinimumRequests(calls) => config.minimum_requests(calls),
            Setting::OpenTimeout(timeout) => config.open_timeout(timeout),
            Setting::HalfOpenRequests(probes) => config.half_open_requests(probes),
            Setting::Window(window) => config.window(core_window(window)),
            Setting::SlowCallDuration(limit) => config.slow_call_duration(Some(limit)),
            Setting::SlowCallThreshold(share) => config.slow_call_threshold(share),
            Setting::CountOverdue(is_on) => config.count_overdue(is_on),
            Setting::HalfOpenSuccesses(probes) => config.half_open_successes(Some(probes)),
            Setting::HalfOpenFailures(probes) => config.half_open_failures(probes),
            Setting::ProbeLease(lease) => config.probe_lease(Some(lease)),
            Setting::OpenBackoff(factor) => config.open_backoff(factor),
            Setting::OpenTimeoutMax(timeout) => config.open_timeout_max(timeout),
            Setting::OpenJitter(share) => config.open_jitter(share),
            Setting::RampUp(time) => config.ramp_up(time),
        };
    }
    config
}

fn core_window(window: Window) -> fuseboard_core::Window {
    match window {
        Window::Time { length, slots } => fuseboard_core::Window::Time { length, slots },
        Window::Count(calls) => fuseboard_core::Window::Count(calls),
        Window::Consecutive(failures) => fuseboard_core::Window::Consecutive(failures),
        Window::Decay { half_life } => fuseboard_core::Window::Decay { half_life },
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        Self::Field {
            field: error.field().to_owned(),
            message: error.to_string(),
        }
    }
}
