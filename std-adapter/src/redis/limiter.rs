//! [`RateLimiter`]: the public face.

use super::algorithm::{Algorithm, SlidingCounter, SlidingWindow};
use super::batch::{Batch, Verdict};
use super::engine::Engine;
use super::error::SetUpError;
use super::keys::{Found, Key, Keys};
use super::options::{FailurePolicy, LimiterOptions};
use super::trip::{Driver, Route};
use crate::breaker::fresh_seed;
use crate::clock::{Clock, MonotonicClock};
use crate::limiter::{Acquire, Decision, DecisionSource as Source, Limiter, Quota, Unavailable};
use fuseboard_core::{ConfigError, KeyedRateLimiter, Nanos, Rate, WhenFull, hash_key};
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// Places for keys that are limited here while the engine is away; further ones share one limit.
const LOCAL_KEYS: usize = 4_096;

/// A limit of a rate for each key, kept on an [`Engine`].
///
/// A clone is another handle of the same limiter. Needs a tokio runtime. A request that is dropped before it is decided costs nothing
/// where the engine can be told; one that was sent may have been counted.
#[derive(Debug)]
pub struct RateLimiter<A> {
    shared: Arc<Shared>,
    /// Only which one it is: its settings are the script's.
    algorithm: PhantomData<fn() -> A>,
}

#[derive(Debug)]
struct Shared {
    route: Arc<Route>,
    on_failure: FailurePolicy,
    local: Option<Local>,
}

/// The limit of this process alone.
#[derive(Debug)]
struct Local {
    words: Box<KeyedRateLimiter<LOCAL_KEYS>>,
    seed: [u64; 2],
}

impl Local {
    /// `share` of the limit; of a small one at least one unit.
    fn new((units, per): (u64, Duration), limit: u64, share: f64) -> Result<Self, ConfigError> {
        // The time grows instead of the units: they are whole numbers.
        let per = Nanos::from(per.div_f64(share));
        let burst = ((limit as f64 * share) as u64).max(1);
        let words =
            KeyedRateLimiter::try_new(Rate::new(units, per), burst, WhenFull::ShareOverflow)?;
        Ok(Self {
            words: Box::new(words),
            seed: [fresh_seed(), fresh_seed()],
        })
    }

    fn ask(&self, key: &str, cost: u64) -> (bool, Option<Duration>) {
        let key = hash_key(self.seed, key.as_bytes());
        match self.words.try_acquire_many(key, cost, MonotonicClock.now()) {
            Ok(()) => (true, Some(Duration::ZERO)),
            Err(rejected) => (false, rejected.retry_after.map(Duration::from)),
        }
    }
}

impl RateLimiter<SlidingWindow> {
    /// At most `max_requests` for a key in any `window_secs` seconds, on the engine at `redis_url`. While that is away
    /// nothing is admitted; [`on`](Self::on) has the choice.
    ///
    /// # Errors
    /// The address is none; `max_requests` is not 1 to 10,000, or `window_secs` not 1 to 366 days.
    pub fn new(redis_url: &str, max_requests: u32, window_secs: u64) -> Result<Self, SetUpError> {
        let window = SlidingWindow::new(u64::from(max_requests), Duration::from_secs(window_secs))?;
        Self::on(
            &Engine::new(redis_url)?,
            &window,
            LimiterOptions::new(FailurePolicy::Closed),
        )
    }
}

impl RateLimiter<SlidingCounter> {
    /// About `max_requests` for a key in any `window_secs` seconds, on the engine at `redis_url`. While that is away
    /// nothing is admitted; [`on`](Self::on) has the choice.
    ///
    /// # Errors
    /// The address is none; `max_requests` or `window_secs` is out of its range.
    pub fn new(redis_url: &str, max_requests: u32, window_secs: u64) -> Result<Self, SetUpError> {
        let window =
            SlidingCounter::new(u64::from(max_requests), Duration::from_secs(window_secs))?;
        Self::on(
            &Engine::new(redis_url)?,
            &window,
            LimiterOptions::new(FailurePolicy::Closed),
        )
    }
}

impl<A: Algorithm> RateLimiter<A> {
    /// A limiter whose words are on `engine`. Nothing is sent yet.
    ///
    /// # Errors
    /// An option that is out of its range.
    pub fn on(engine: &Engine, algorithm: &A, options: LimiterOptions) -> Result<Self, SetUpError> {
        options.check()?;
        let limit = algorithm.limit();
        let local = match options.on_failure {
            FailurePolicy::LocalShare(share) => {
                let local = Local::new(algorithm.rate(), limit, share);
                Some(local.map_err(|error| SetUpError::local(&error))?)
            }
            _ => None,
        };
        let route = Route {
            engine: engine.clone(),
            script: algorithm.script(),
            arguments: algorithm.arguments(),
            prefix: options.prefix,
            suffix: A::SUFFIX,
            limit,
            quota: algorithm.quota(),
            lease: options.lease,
            keys: Keys::new(options.keys),
        };
        Ok(Self {
            shared: Arc::new(Shared {
                route: Arc::new(route),
                on_failure: options.on_failure,
                local,
            }),
            algorithm: PhantomData,
        })
    }
}

impl<A> RateLimiter<A> {
    /// Whether a request of `key` is admitted.
    pub async fn allow(&self, key: &str) -> bool {
        self.check(key).await.is_allowed
    }

    /// Takes one unit of `key`.
    pub async fn check(&self, key: &str) -> Decision {
        self.check_many(key, 1).await
    }

    /// Takes `cost` units of `key`, all or none. A cost of 0 only looks.
    pub async fn check_many(&self, key: &str, cost: u64) -> Decision {
        if cost == 0 {
            // Boxed: it is rare, and would make every request's future as large as itself.
            return Box::pin(self.peek(key)).await;
        }
        if cost > self.shared.route.limit {
            return self.shared.never();
        }
        let ask = |context: &mut Context<'_>| {
            Poll::Ready(self.shared.decide_or_join(key, cost, context.waker()))
        };
        match poll_fn(ask).await {
            Ok(decision) => decision,
            Err(waiting) => {
                let verdict = waiting.await;
                verdict.unwrap_or_else(|error| self.shared.fall_back(key, cost, error))
            }
        }
    }

    /// What is left for `key`, of which nothing is taken; `is_allowed` says whether a request would be.
    pub async fn peek(&self, key: &str) -> Decision {
        let route = &self.shared.route;
        match route.ask(key, 1, 0).await {
            Ok(answer) => {
                let is_allowed = answer.retry_after == Some(Duration::ZERO);
                answer.decision(is_allowed, route.limit, answer.remaining, Source::Engine)
            }
            Err(error) => self.shared.fall_back(key, 0, error),
        }
    }

    /// Gives `cost` units of `key` back that were taken and not used.
    ///
    /// # Errors
    /// Why the engine was not told; it may have been, where the answer was lost.
    pub async fn refund(&self, key: &str, cost: u64) -> Result<(), Unavailable> {
        let route = &self.shared.route;
        let cost = cost.min(route.limit);
        if cost > 0 {
            route.ask(key, cost, -1).await?;
            route.keys.with_known(key, |known| known.denied = None);
        }
        Ok(())
    }

    /// Gives back what is left of all leases, before the program ends; a request may come afterwards too.
    pub async fn close(&self) {
        let route = &self.shared.route;
        for (key, units) in route.keys.drain_leases() {
            route.give_back(&key, units).await;
        }
    }

    /// The engine, and with it the breaker that watches over it.
    pub fn engine(&self) -> &Engine {
        &self.shared.route.engine
    }

    /// Most that is admitted at once.
    pub fn limit(&self) -> u64 {
        self.shared.route.limit
    }
}

impl Shared {
    /// Decides here, or lines up for the next trip and gives what waits for it, to be awaited at once: `waker` is told already.
    fn decide_or_join<'a>(
        &'a self,
        key: &'a str,
        cost: u64,
        waker: &Waker,
    ) -> Result<Decision, Waiting<'a>> {
        let route = &self.route;
        let ask = |known: &mut Key| known.ask(cost, route.limit, waker);
        let (found, begins) = route.keys.with(key, ask);
        if begins {
            // A task of its own: whoever goes away takes nobody's answer along.
            let driver = Driver::new(Arc::clone(route), key.into());
            tokio::spawn(driver.drive());
        }
        match found {
            Found::Decided(decision) => Ok(decision),
            Found::Joined(batch, slot) => Err(Waiting {
                route,
                key,
                batch,
                slot,
                has_come_now: true,
                is_told: false,
            }),
        }
    }

    /// It costs more than there will ever be.
    fn never(&self) -> Decision {
        Decision {
            is_allowed: false,
            limit: self.route.limit,
            remaining: None,
            retry_after: None,
            reset_after: Duration::ZERO,
            source: Source::DenyCache,
            may_have_taken: false,
        }
    }

    #[cold]
    fn fall_back(&self, key: &str, cost: u64, error: Unavailable) -> Decision {
        let pause = Some(Duration::from_secs(1));
        let kept = || {
            self.route
                .keys
                .with_known(key, |known| known.take_kept(cost))
        };
        let (is_allowed, retry_after) = match (self.on_failure, &self.local) {
            (FailurePolicy::Open, _) => (true, Some(Duration::ZERO)),
            (FailurePolicy::LocalShare(_), Some(local)) => local.ask(key, cost),
            (FailurePolicy::KeepLease, _) if kept() == Some(true) => (true, Some(Duration::ZERO)),
            _ => (false, pause),
        };
        Decision {
            is_allowed,
            limit: self.route.limit,
            remaining: None,
            retry_after,
            reset_after: Duration::ZERO,
            source: Source::Fallback(error),
            may_have_taken: cost > 0 && error.may_have_taken(),
        }
    }
}

/// A request that waits for its batch. Dropped, it gives back what it was admitted for and has not heard of.
#[derive(Debug)]
struct Waiting<'a> {
    route: &'a Arc<Route>,
    key: &'a str,
    batch: Arc<Batch>,
    slot: usize,
    /// In this poll of the request; its waker is in the batch.
    has_come_now: bool,
    is_told: bool,
}

impl Future for Waiting<'_> {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Verdict> {
        if std::mem::take(&mut self.has_come_now) {
            return Poll::Pending;
        }
        let verdict = ready!(self.batch.poll(self.slot, self.route.limit, context));
        self.is_told = true;
        Poll::Ready(verdict)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_told && self.batch.leave(self.slot) {
            self.route.return_units(self.key, self.batch.cost);
        }
    }
}

impl<A: Send + Sync + 'static> Limiter for RateLimiter<A> {
    fn acquire<'a>(&'a self, key: &'a str, cost: u64) -> Acquire<'a> {
        Acquire::later(self.check_many(key, cost))
    }

    fn quota(&self) -> Quota {
        self.shared.route.quota
    }
}

impl<A> Clone for RateLimiter<A> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            algorithm: PhantomData,
        }
    }
}
