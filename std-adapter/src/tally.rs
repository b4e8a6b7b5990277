//! [`Tally`]: how often a policy did what.

mod outcomes;

pub(crate) use outcomes::{Did, did};
pub use outcomes::{OUTCOMES, PolicyOutcomes};

use crate::call::PolicyKind;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// More outcomes than this no policy has.
const MOST: usize = 5;

/// How often a policy did what: for each of its outcomes (see [`OUTCOMES`]) the calls that ended so, since it was made.
///
/// Each policy has one and counts by itself: one addition for a call. A call that is dropped before its end is counted nowhere. Given to
/// [`Registry::add_tally`](crate::telemetry::Registry::add_tally) it becomes the metrics `fuseboard.policy.calls` and `fuseboard.policy.attempts`.
///
/// ```
/// use fuseboard::telemetry::{Registry, prometheus_text};
/// use fuseboard::LastGood;
/// use std::time::Duration;
///
/// let seen = LastGood::<u64, String>::new(10, Duration::from_secs(60))?;
/// let registry = Registry::new();
/// registry.add_tally("users", seen.tally());
///
/// assert_eq!(seen.last(&7), None);
/// assert_eq!(seen.tally().calls("missing"), 1);
/// let line = r#"fuseboard_policy_calls_total{fuseboard_name="users",policy="cache",outcome="missing"} 1"#;
/// assert!(prometheus_text(&registry.report()).contains(line));
/// # Ok::<(), fuseboard::ConfigError>(())
/// ```
///
/// A clone is another handle of the same counts.
#[derive(Clone)]
pub struct Tally {
    counts: Arc<Counts>,
}

struct Counts {
    row: &'static PolicyOutcomes,
    calls: [AtomicU64; MOST],
    attempts: AtomicU64,
}

impl Tally {
    /// Nothing was done yet.
    pub(crate) fn new<D: Did>() -> Self {
        const { assert!(D::ROW.outcomes.len() <= MOST, "a place for each outcome") };
        Self {
            counts: Arc::new(Counts {
                row: D::ROW,
                calls: Default::default(),
                attempts: AtomicU64::new(0),
            }),
        }
    }

    /// A call has ended so.
    pub(crate) fn count<D: Did>(&self, outcome: D) {
        debug_assert_eq!(D::ROW.policy, self.policy(), "an outcome of its own policy");
        // Relaxed: nothing else depends on when a reader sees it.
        self.counts.calls[outcome.place()].fetch_add(1, Ordering::Relaxed);
    }

    /// An attempt was begun for a call.
    #[cfg_attr(
        not(any(feature = "failover", feature = "retry")),
        expect(dead_code, reason = "only these make several")
    )]
    pub(crate) fn attempt(&self) {
        // Relaxed: as in `count`.
        self.counts.attempts.fetch_add(1, Ordering::Relaxed);
    }

    /// Whose it is.
    pub fn policy(&self) -> PolicyKind {
        self.counts.row.policy
    }

    /// Each outcome that there can be, and the calls that ended so.
    pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let names = self.counts.row.outcomes.iter().map(|(name, _)| *name);
        // Relaxed: as in `count`.
        let calls = self.counts.calls.iter();
        names.zip(calls.map(|calls| calls.load(Ordering::Relaxed)))
    }

    /// The calls that ended so; 0 where the policy has no such outcome.
    pub fn calls(&self, outcome: &str) -> u64 {
        let mut outcomes = self.outcomes();
        outcomes
            .find(|(name, _)| *name == outcome)
            .map_or(0, |(_, calls)| calls)
    }

    /// Attempts made for these calls and for those under way, the first of each included; `None` where a policy makes no attempts.
    pub fn attempts(&self) -> Option<u64> {
        let makes_attempts = matches!(
            self.policy(),
            PolicyKind::Retry | PolicyKind::Hedge | PolicyKind::Failover
        );
        // Relaxed: as in `count`.
        makes_attempts.then(|| self.counts.attempts.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.policy())?;
        f.debug_map().entries(self.outcomes()).finish()
    }
}
