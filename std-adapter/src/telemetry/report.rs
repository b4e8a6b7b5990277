//! [`Report`]: everything observed, at one moment, as values.

use super::changes::{Change, Changes, STATES, duration, index};
use super::lane::LaneReport;
use crate::call::PolicyKind;
use fuseboard_core::{CircuitBreakerConfig, LatencySnapshot, Nanos, Snapshot, State};
use std::time::{Duration, SystemTime};

/// Everything that a [`Registry`](super::Registry) observes, read at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// When it was read.
    pub at: SystemTime,
    /// The breakers, in the order in which they were added; those of boards behind them.
    pub breakers: Vec<BreakerReport>,
    /// The token buckets.
    pub buckets: Vec<BucketReport>,
    /// The concurrency limits.
    pub limits: Vec<LimitReport>,
    /// The retry budgets.
    pub budgets: Vec<BudgetReport>,
    /// What policies count of their calls.
    pub tallies: Vec<TallyReport>,
    /// The client throttles.
    pub throttles: Vec<ThrottleReport>,
    /// The processes attached to each board: the board, and who.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    pub processes: Vec<(String, Vec<crate::AttachedProcess>)>,
    /// The lanes: numbers of the program's own.
    pub lanes: Vec<LaneReport>,
    /// Names of each kind that the metrics tell apart; what is beyond is added up as `_other`.
    pub(super) series_limit: usize,
}

/// A breaker at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BreakerReport {
    /// Its name.
    pub name: String,
    /// The board that it is on.
    pub board: Option<String>,
    /// What the breaker itself says.
    pub snapshot: Snapshot,
    /// How long it has been in its state, or observed where it has never changed; in half-open, how long the last probe has been under way.
    pub in_state: Duration,
    /// How long calls took, where `record_latency` is on.
    pub latency: Option<LatencySnapshot>,
    /// What it runs with.
    pub config: CircuitBreakerConfig,
    /// Its last changes of state, oldest first: at most 50.
    pub changes: Vec<Change>,
    pub(super) times: [Duration; STATES],
    pub(super) transitions: [[u64; STATES]; STATES],
}

/// A token bucket at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BucketReport {
    /// Its name.
    pub name: String,
    /// The board that it is on.
    pub board: Option<String>,
    /// Tokens in it.
    pub available: u64,
    /// Tokens when full.
    pub burst: u64,
}

/// A retry budget at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BudgetReport {
    /// Its name.
    pub name: String,
    /// Retries that it would admit.
    pub available: u64,
}

/// What a policy has counted of its calls.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TallyReport {
    /// Its name, which other policies around the same calls may have too.
    pub name: String,
    /// Which policy it is.
    pub policy: PolicyKind,
    /// Each outcome, and the calls that ended so.
    pub outcomes: Vec<(&'static str, u64)>,
    /// Attempts made, where it makes several for a call.
    pub attempts: Option<u64>,
}

/// A client throttle at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ThrottleReport {
    /// Its name.
    pub name: String,
    /// The share of calls that it would reject, 0 to below 1.
    pub rejection_share: f64,
}

/// A concurrency limit, fixed or adaptive, at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LimitReport {
    /// Its name.
    pub name: String,
    /// The board that it is on.
    pub board: Option<String>,
    /// Places taken.
    pub in_flight: u32,
    /// Places in all.
    pub limit: u32,
}

impl BreakerReport {
    pub(super) fn new(
        name: &str,
        board: Option<&str>,
        snapshot: Snapshot,
        config: CircuitBreakerConfig,
        changes: &Changes,
        now: Nanos,
    ) -> Self {
        let history = changes.history(now);
        // A breaker that has never changed says zero, which is when the machine began.
        let in_state = if snapshot.since == Nanos::ZERO {
            history.times[index(snapshot.state)]
        } else {
            duration(now.saturating_sub(snapshot.since))
        };
        Self {
            name: name.to_owned(),
            board: board.map(str::to_owned),
            in_state,
            snapshot,
            latency: None,
            config,
            changes: history.recent,
            times: history.times,
            transitions: history.counts,
        }
    }

    /// How long it has been in a state since it was first observed, as far as this process knows.
    pub fn time_in(&self, state: State) -> Duration {
        self.times[index(state)]
    }

    /// How often it went from one state to another since it was first observed, as far as this process knows.
    pub fn transitions(&self, from: State, to: State) -> u64 {
        self.transitions[index(from)][index(to)]
    }

    /// How long until a request can be admitted, where that is known and one would be rejected now.
    pub fn retry_after(&self) -> Option<Duration> {
        self.snapshot.retry_after.map(duration)
    }
}
