//! [`Transition`] and [`Observer`]: being told of a state change after it is true.

pub(crate) mod log;

use crate::nanos::Nanos;
use core::fmt;

/// What a breaker does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Calls pass and are counted.
    Closed,
    /// Calls are rejected until the open time is over; it stays `Open` until a probe is admitted.
    Open,
    /// A few probes pass; they decide.
    HalfOpen,
    /// Held open by an operator until `reset`.
    ForcedOpen,
    /// Calls pass, nothing is counted, nothing is rejected, until `reset`.
    Disabled,
    /// Calls pass and are counted, nothing is rejected, until `reset`.
    MetricsOnly,
}

impl State {
    /// Every state, so that a binding can prove that it maps each one.
    pub const ALL: [Self; 6] = [
        Self::Closed,
        Self::Open,
        Self::HalfOpen,
        Self::ForcedOpen,
        Self::Disabled,
        Self::MetricsOnly,
    ];

    /// The stable name, the same in every language: `half_open`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
            Self::MetricsOnly => "metrics_only",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Failures reached `failure_threshold` (or the consecutive count).
    FailureRate,
    /// Slow calls reached `slow_call_threshold`.
    SlowCallRate,
    /// The open time was over and a probe was admitted.
    OpenTimeoutElapsed,
    /// `half_open_successes` probes succeeded.
    ProbesSucceeded,
    /// More than `half_open_failures` probes failed or were slow.
    ProbeFailed,
    /// Probes did not report within `probe_lease`; a new round began.
    ProbeLeaseExpired,
    /// An operator asked for it.
    Manual,
}

impl Cause {
    /// Every cause, so that a binding can prove that it maps each one.
    pub const ALL: [Self; 7] = [
        Self::FailureRate,
        Self::SlowCallRate,
        Self::OpenTimeoutElapsed,
        Self::ProbesSucceeded,
        Self::ProbeFailed,
        Self::ProbeLeaseExpired,
        Self::Manual,
    ];

    /// The stable name, the same in every language: `slow_call_rate`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailureRate => "failure_rate",
            Self::SlowCallRate => "slow_call_rate",
            Self::OpenTimeoutElapsed => "open_timeout_elapsed",
            Self::ProbesSucceeded => "probes_succeeded",
            Self::ProbeFailed => "probe_failed",
            Self::ProbeLeaseExpired => "probe_lease_expired",
            Self::Manual => "manual",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FailureRate => "too many calls failed",
            Self::SlowCallRate => "too many calls were slow",
            Self::OpenTimeoutElapsed => "the open time is over, probing",
            Self::ProbesSucceeded => "the probes succeeded",
            Self::ProbeFailed => "a probe failed",
            Self::ProbeLeaseExpired => "probes never reported, probing again",
            Self::Manual => "asked for by an operator",
        })
    }
}

/// What a window holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Calls that ended in success or failure.
    pub calls: u64,
    /// Of these, failed.
    pub failures: u64,
    /// Of these, slower than `slow_call_duration`.
    pub slow: u64,
}

impl Counts {
    /// Both together.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            failures: self.failures.saturating_add(other.failures),
            slow: self.slow.saturating_add(other.slow),
        }
    }

    /// Failed share, 0 to 1; 0 where nothing was counted. For display: decisions use integers.
    pub fn failure_rate(&self) -> f64 {
        share(self.failures, self.calls)
    }

    /// Slow share, 0 to 1; 0 where nothing was counted. For display: decisions use integers.
    pub fn slow_call_rate(&self) -> f64 {
        share(self.slow, self.calls)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// One change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state that ended.
    pub from: State,
    /// The state that began.
    pub to: State,
    /// The generation that began with it (28 bits, then again from 0).
    pub generation: u32,
    /// The `now` of the operation that caused it.
    pub at: Nanos,
    /// Why.
    pub cause: Cause,
    /// What was judged: the window's content for a trip, the round's probes for a decision in
    /// half-open, else zero.
    pub counts: Counts,
}

/// Is told of each state change, once, on the thread that caused it, after it is true, and with no
/// lock held. `()` listens to nothing and costs nothing.
pub trait Observer {
    /// The state has changed.
    fn transition(&self, transition: &Transition);
}

impl Observer for () {
    #[inline]
    fn transition(&self, _: &Transition) {}
}

/// Both are told, in this order.
impl<A: Observer, B: Observer> Observer for (A, B) {
    #[inline]
    fn transition(&self, transition: &Transition) {
        self.0.transition(transition);
        self.1.transition(transition);
    }
}

impl<O: Observer + ?Sized> Observer for &O {
    #[inline]
    fn transition(&self, transition: &Transition) {
        (**self).transition(transition);
    }
}
