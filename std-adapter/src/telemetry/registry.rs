//! [`Registry`]: what is observed.

use super::changes::{Change, Changes};
use super::lane::{Lane, LaneMetric, LaneValue};
#[cfg(feature = "retry")]
use super::own::OwnBudget;
use super::own::{OwnBreaker, OwnBucket, OwnLimit};
use super::report::Report;
use super::source::{Source, Verb};
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
use crate::board::Board;
use crate::breaker::CircuitBreaker;
use crate::clock::Clock;
use crate::limiter::{ConcurrencyLimit, TokenBucketRateLimiter};
use fuseboard_core::Transition;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

/// Names of each kind that metrics tell apart, unless another number is chosen.
const SERIES_LIMIT: usize = 100;

/// What is observed: breakers, limiters and whole boards.
///
/// A clone is another handle of the same registry. It keeps what was added until [`remove`](Self::remove)d; adding a name again takes
/// the place of the former one. Reading it disturbs no decision.
#[derive(Clone, Debug)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    sources: Mutex<Vec<Arc<dyn Source>>>,
    watchers: Arc<Watchers>,
    series_limit: usize,
}

/// Is told of each change of state that this process sees.
pub(super) trait Watcher: Send + Sync {
    /// On the thread that caused the change, or on the one that found it on a board.
    fn changed(&self, change: &Change);

    /// What an operator asked for, and what came of it.
    #[cfg_attr(
        not(feature = "http-endpoints"),
        allow(dead_code, reason = "told by it")
    )]
    fn steered(&self, _: &Steered<'_>) {}
}

/// What an operator asked of a breaker, through whichever endpoint.
#[cfg_attr(
    not(all(feature = "otel", feature = "http-endpoints")),
    allow(dead_code, reason = "one feature tells, the other one listens")
)]
pub(super) struct Steered<'a> {
    pub(super) name: &'a str,
    pub(super) board: Option<&'a str>,
    pub(super) verb: &'a str,
    /// The address that asked.
    pub(super) from: Option<&'a str>,
    /// `done`, `refused`, `limited` or `wrong`.
    pub(super) result: &'a str,
}

/// A registry, for somebody who must not keep it.
#[cfg(feature = "otel")]
#[derive(Clone, Debug)]
pub(super) struct WeakRegistry(Weak<Inner>);

#[cfg(feature = "otel")]
impl WeakRegistry {
    pub(super) fn upgrade(&self) -> Option<Registry> {
        Some(Registry {
            inner: self.0.upgrade()?,
        })
    }
}

/// Everybody who is told.
#[derive(Default)]
struct Watchers {
    list: Mutex<Vec<Weak<dyn Watcher>>>,
}

impl Watchers {
    fn tell(&self, change: &Change) {
        self.each(|watcher| watcher.changed(change));
    }

    fn each(&self, tell: impl Fn(&dyn Watcher)) {
        // The lock is not held while they are told: one may use the registry.
        let list: Vec<_> = {
            let mut list = lock(&self.list);
            list.retain(|watcher| watcher.strong_count() > 0);
            list.iter().filter_map(Weak::upgrade).collect()
        };
        for watcher in list {
            // A call waits for this; another's bug is not its business, and the panic hook has reported it.
            let _ = catch_unwind(AssertUnwindSafe(|| tell(&*watcher)));
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = lock(&self.sources).clone();
        let names = sources.iter().map(|source| source.name());
        f.debug_list().entries(names).finish()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::with_series_limit(SERIES_LIMIT)
    }
}

impl Registry {
    /// One that observes nothing yet, whose metrics tell 100 names of each kind apart.
    pub fn new() -> Self {
        Self::default()
    }

    /// One whose metrics tell `limit` names of each kind apart. What is beyond is exported as one more, `_other`: counts, times and
    /// places are added up, of shares the largest is taken. 0 is taken for 1.
    pub fn with_series_limit(limit: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                sources: Mutex::default(),
                watchers: Arc::default(),
                series_limit: limit.max(1),
            }),
        }
    }

    /// Observes a breaker, and its changes from now on.
    pub fn add_breaker<C>(&self, breaker: &CircuitBreaker<C>)
    where
        C: Clock + Send + Sync + 'static,
    {
        let now = breaker.clock().now();
        let changes = Arc::new(Changes::new(breaker.name(), None, &breaker.snapshot(), now));
        // The listener must keep neither the breaker alive nor the registry.
        let (kept, watchers) = (Arc::clone(&changes), Arc::downgrade(&self.inner.watchers));
        breaker.on_transition(move |transition: &Transition| {
            // The clock is the breaker's own, and the listener runs at the change.
            if let Some(change) = kept.told(transition, transition.at, None)
                && let Some(watchers) = watchers.upgrade()
            {
                watchers.tell(&change);
            }
        });
        self.add(OwnBreaker {
            breaker: breaker.clone(),
            changes,
        });
    }

    /// Observes a token bucket, under a name of its own.
    pub fn add_token_bucket<C>(&self, name: &str, bucket: &TokenBucketRateLimiter<C>)
    where
        C: Clock + Send + Sync + 'static,
    {
        self.add(OwnBucket {
            name: name.to_owned(),
            bucket: bucket.clone(),
        });
    }

    /// Observes a concurrency limit, under a name of its own.
    pub fn add_concurrency_limit(&self, name: &str, limit: &ConcurrencyLimit) {
        let limit = limit.clone();
        self.add(OwnLimit {
            name: name.to_owned(),
            read: Box::new(move || (limit.in_flight(), limit.limit())),
        });
    }

    /// Observes a concurrency limit with a line before it, under a name of its own: those who wait are no calls yet.
    #[cfg(feature = "concurrency")]
    pub fn add_concurrency_queue(&self, name: &str, queue: &crate::ConcurrencyQueue) {
        let queue = queue.clone();
        self.add(OwnLimit {
            name: name.to_owned(),
            read: Box::new(move || (queue.in_flight(), queue.limit())),
        });
    }

    /// Observes a limit that finds itself, under a name of its own.
    #[cfg(feature = "adaptive")]
    pub fn add_adaptive_limit(&self, name: &str, limit: &crate::AdaptiveLimit) {
        let limit = limit.clone();
        self.add(OwnLimit {
            name: name.to_owned(),
            read: Box::new(move || (limit.in_flight(), limit.limit())),
        });
    }

    /// Observes a retry budget, under a name of its own.
    #[cfg(feature = "retry")]
    pub fn add_retry_budget(&self, name: &str, budget: &crate::RetryBudget) {
        self.add(OwnBudget {
            name: name.to_owned(),
            budget: budget.clone(),
        });
    }

    /// Observes all that is on a board and all that will be, under a name of the board's own. What other processes do is found when
    /// the registry is read: then of several changes of state between two readings only the last is seen.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    pub fn add_board(&self, name: &str, board: &Board) {
        self.add(super::boards::BoardSource::new(name, board));
    }

    /// Shows and exports numbers of the program's own, under a name of their own: `read` is asked at each reading, must not block, and may
    /// give several values of one of `metrics`, with attributes that tell them apart. OTLP has the metrics of lanes that were added
    /// before its export was started.
    pub fn add_lane(
        &self,
        name: &str,
        metrics: &'static [&'static LaneMetric],
        read: impl Fn() -> Vec<LaneValue> + Send + Sync + 'static,
    ) {
        self.add(Lane {
            name: name.to_owned(),
            metrics,
            read: Box::new(read),
        });
    }

    /// Observes what had this name no longer: a breaker, a limiter, a board or a lane. `false`: nothing had it.
    pub fn remove(&self, name: &str) -> bool {
        let mut sources = lock(&self.inner.sources);
        let before = sources.len();
        sources.retain(|source| source.name() != name);
        sources.len() < before
    }

    /// Reads everything.
    pub fn report(&self) -> Report {
        let mut report = Report {
            at: SystemTime::now(),
            breakers: Vec::new(),
            buckets: Vec::new(),
            limits: Vec::new(),
            budgets: Vec::new(),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            processes: Vec::new(),
            lanes: Vec::new(),
            series_limit: self.inner.series_limit,
        };
        let mut found = Vec::new();
        // The lock is not held while they are read: their clocks are the user's code.
        let sources = lock(&self.inner.sources).clone();
        for source in sources {
            source.read(&mut report, &mut found);
        }
        for change in &found {
            self.inner.watchers.tell(change);
        }
        report
    }

    /// The metrics of all lanes.
    #[cfg(feature = "otel")]
    pub(super) fn lane_metrics(&self) -> Vec<&'static LaneMetric> {
        let sources = lock(&self.inner.sources);
        let all = sources.iter().flat_map(|source| source.metrics());
        let mut found: Vec<&'static LaneMetric> = Vec::new();
        for metric in all {
            if found.iter().all(|other| other.name != metric.name) {
                found.push(metric);
            }
        }
        found
    }

    #[cfg(feature = "otel")]
    /// Tells `watcher` of changes, as long as it is kept.
    pub(super) fn watch(&self, watcher: &Arc<dyn Watcher>) {
        lock(&self.inner.watchers.list).push(Arc::downgrade(watcher));
    }

    #[cfg(feature = "otel")]
    pub(super) fn downgrade(&self) -> WeakRegistry {
        WeakRegistry(Arc::downgrade(&self.inner))
    }

    #[cfg(feature = "http-endpoints")]
    pub(super) fn tell_steered(&self, steered: &Steered<'_>) {
        self.inner.watchers.each(|watcher| watcher.steered(steered));
    }

    /// Does to a breaker what an operator asks. `false`: none has this name.
    #[cfg_attr(
        not(feature = "http-endpoints"),
        expect(dead_code, reason = "the dashboard's controls")
    )]
    pub(super) fn steer(&self, board: Option<&str>, name: &str, verb: Verb) -> bool {
        let sources = lock(&self.inner.sources).clone();
        sources.iter().any(|source| source.steer(board, name, verb))
    }

    fn add(&self, source: impl Source + 'static) {
        let mut sources = lock(&self.inner.sources);
        let same = |other: &Arc<dyn Source>| {
            (other.kind(), other.name()) == (source.kind(), source.name())
        };
        let place = sources.iter().position(same);
        let source: Arc<dyn Source> = Arc::new(source);
        match place {
            Some(place) => sources[place] = source,
            None => sources.push(source),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock is taken as it is: what it guards is replaced whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
