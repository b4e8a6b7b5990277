//! [`Registry`]: what is observed.

mod adding;

use super::changes::Change;
#[cfg(feature = "otel")]
use super::lane::LaneMetric;
use super::report::Report;
use super::source::{Source, Verb};
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
    /// Who makes instruments of the metrics of lanes.
    #[cfg(feature = "otel")]
    instruments: Mutex<Vec<MakeInstruments>>,
    series_limit: usize,
}

/// Makes instruments of these metrics, unless it has them.
#[cfg(feature = "otel")]
type MakeInstruments = Arc<dyn Fn(&[&'static LaneMetric]) + Send + Sync>;

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
                #[cfg(feature = "otel")]
                instruments: Mutex::default(),
                series_limit: limit.max(1),
            }),
        }
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
            tallies: Vec::new(),
            throttles: Vec::new(),
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

    /// Has `make` make instruments of the metrics of all lanes, and of those that will be added.
    #[cfg(feature = "otel")]
    pub(super) fn each_lane(&self, make: impl Fn(&[&'static LaneMetric]) + Send + Sync + 'static) {
        let make: MakeInstruments = Arc::new(make);
        // Before those that are there: none is added unseen in between.
        lock(&self.inner.instruments).push(Arc::clone(&make));
        let sources = lock(&self.inner.sources).clone();
        for source in sources {
            make(source.metrics());
        }
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
            Some(place) => sources[place] = Arc::clone(&source),
            None => sources.push(Arc::clone(&source)),
        }
        // Neither lock is held: a collection under way may be reading the registry.
        drop(sources);
        #[cfg(feature = "otel")]
        {
            let instruments = lock(&self.inner.instruments).clone();
            for make in instruments {
                make(source.metrics());
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock is taken as it is: what it guards is replaced whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
