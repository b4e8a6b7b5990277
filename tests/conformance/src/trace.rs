//! What a trace says, typed; nothing here knows the text or a host.

use std::fmt;

use fuseboard_core::{Nanos, Outcome, Reason, State};

/// One trace file.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The file's path as it was given, for messages.
    pub path: String,
    /// Declarations and steps, in the file's order.
    pub lines: Vec<Line>,
}

/// A declaration or a step, with where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Line number in the file, from 1.
    pub number: usize,
    /// The line without its comment, for messages.
    pub text: String,
    /// What it says.
    pub item: Item,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Makes a policy.
    Declaration(Declaration),
    /// Does something to a policy at a time.
    Step(Step),
}

/// `KIND NAME key=value… [-> error(FIELD)]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// The name that the steps use.
    pub name: String,
    /// What it is and how it is set.
    pub policy: Policy,
    /// The field that must be named when the declaration must be refused.
    pub refused_field: Option<String>,
}

/// The kinds of policy, with the words that traces use for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A circuit breaker.
    Breaker,
    /// A token bucket (GCRA).
    TokenBucket,
    /// The exact log of the last admissions.
    SlidingLog,
    /// The approximation by two counters.
    SlidingCounter,
    /// A counter on windows aligned to the clock's zero.
    FixedWindow,
    /// Paces: gives the wait until the turn.
    LeakyBucket,
    /// A limit on permits out at once.
    Concurrency,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Breaker,
        Self::TokenBucket,
        Self::SlidingLog,
        Self::SlidingCounter,
        Self::FixedWindow,
        Self::LeakyBucket,
        Self::Concurrency,
    ];

    /// The word in a trace.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::TokenBucket => "token_bucket",
            Self::SlidingLog => "sliding_log",
            Self::SlidingCounter => "sliding_counter",
            Self::FixedWindow => "fixed_window",
            Self::LeakyBucket => "leaky_bucket",
            Self::Concurrency => "concurrency",
        }
    }
}

/// A policy's complete settings: those declared, with any later `configure` already applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Policy {
    /// What is not listed keeps its default. Each setting occurs once.
    Breaker(Vec<BreakerSetting>),
    /// A token bucket.
    TokenBucket {
        /// Sustained part.
        rate: Rate,
        /// Size of a clump, in units.
        burst: u64,
    },
    /// The exact log.
    SlidingLog {
        /// Units in any window.
        limit: u32,
        /// The window's length.
        window: Nanos,
    },
    /// Two counters.
    SlidingCounter {
        /// Units in a window.
        limit: u32,
        /// The window's length.
        window: Nanos,
    },
    /// One counter.
    FixedWindow {
        /// Units in a window.
        limit: u32,
        /// The window's length.
        window: Nanos,
    },
    /// A pacer.
    LeakyBucket {
        /// Sustained part.
        rate: Rate,
        /// How many may wait.
        queue: u64,
    },
    /// A concurrency limit.
    Concurrency {
        /// Permits out at once.
        limit: u32,
    },
}

impl Policy {
    /// What it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Breaker(_) => Kind::Breaker,
            Self::TokenBucket { .. } => Kind::TokenBucket,
            Self::SlidingLog { .. } => Kind::SlidingLog,
            Self::SlidingCounter { .. } => Kind::SlidingCounter,
            Self::FixedWindow { .. } => Kind::FixedWindow,
            Self::LeakyBucket { .. } => Kind::LeakyBucket,
            Self::Concurrency { .. } => Kind::Concurrency,
        }
    }
}

/// One setting of a breaker. Values are as the trace gives them: judging them is the host's part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BreakerSetting {
    /// `failure_threshold`, a share.
    FailureThreshold(f64),
    /// `minimum_requests`, in calls.
    MinimumRequests(u64),
    /// `open_timeout`.
    OpenTimeout(Nanos),
    /// `half_open_requests`, in probes.
    HalfOpenRequests(u32),
    /// `window`.
    Window(Window),
    /// `slow_call_duration`.
    SlowCallDuration(Nanos),
    /// `slow_call_threshold`, a share.
    SlowCallThreshold(f64),
    /// `count_overdue`.
    CountOverdue(bool),
    /// `half_open_successes`, in probes.
    HalfOpenSuccesses(u32),
    /// `half_open_failures`, in probes.
    HalfOpenFailures(u32),
    /// `probe_lease`.
    ProbeLease(Nanos),
    /// `open_backoff`, a factor.
    OpenBackoff(f64),
    /// `open_timeout_max`.
    OpenTimeoutMax(Nanos),
    /// `open_jitter`, a share.
    OpenJitter(f64),
    /// `ramp_up`.
    RampUp(Nanos),
}

/// The span that a breaker judges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Window {
    /// `time(LENGTH,SLOTS)`.
    Time {
        /// The whole span.
        length: Nanos,
        /// Pieces of it.
        slots: u32,
    },
    /// `count(N)`: the last N calls.
    Count(u32),
    /// `decay(HALF_LIFE)`.
    Decay {
        /// After this long an outcome weighs half.
        half_life: Nanos,
    },
    /// `consecutive(N)`: N failures in a row.
    Consecutive(u32),
}

/// `units` each `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units.
    pub units: u64,
    /// The time they take.
    pub per: Nanos,
}

/// `TIME NAME [xN] VERB … [-> EXPECT…]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The trace's clock; it may go back from step to step.
    pub at: Nanos,
    /// The policy's name.
    pub name: String,
    /// How many times it is done, at least 1.
    pub times: u32,
    /// What is done.
    pub verb: Verb,
    /// What must hold.
    pub expect: Vec<Expect>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Verb {
    /// Asks for a permit under this name.
    AcquirePermit(String),
    /// Settles or gives back the permit of this name.
    Settle(String, Settling),
    /// Acquires, and settles `took` later.
    Call {
        /// How the call ends.
        settling: Settling,
        /// How long it takes.
        took: Nanos,
    },
    /// Manual control.
    Control(Control),
    /// New settings; the state is kept. The policy is complete, the step's changes applied.
    Configure(Policy),
    /// Takes units from a limiter.
    Acquire {
        /// Units.
        cost: u64,
    },
    /// Gives units back to a limiter.
    Refund {
        /// Units.
        cost: u64,
    },
    /// Takes units now or later.
    Reserve {
        /// Units.
        cost: u64,
        /// The longest wait that is accepted.
        max_wait: Option<Nanos>,
    },
    /// `state` and `available`: only to expect something.
    Look,
}

/// How a permit ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settling {
    /// With an outcome; a failure counts as `weight` failed calls, else it is 1.
    Outcome {
        /// How the call ended.
        outcome: Outcome,
        /// Failed calls that it stands for.
        weight: u32,
    },
    /// Dropped without an outcome.
    Drop,
    /// Given back (`release` of a concurrency limit).
    Release,
}

/// The manual verbs, but for `configure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Rejects every call.
    ForceOpen {
        /// Absolute time on the trace's clock from which calls are probes again; `None`: until another verb.
        until: Option<Nanos>,
    },
    /// Admits every call and counts nothing.
    Disable,
    /// Admits every call and counts.
    MetricsOnly,
    /// Back to closed, with an empty window.
    Reset,
}

impl Control {
    /// Every verb, without its options.
    pub const ALL: [Self; 4] = [
        Self::ForceOpen { until: None },
        Self::Disable,
        Self::MetricsOnly,
        Self::Reset,
    ];

    /// The word in a trace.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ForceOpen { .. } => "force_open",
            Self::Disable => "disable",
            Self::MetricsOnly => "metrics_only",
            Self::Reset => "reset",
        }
    }
}

/// What must hold of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// Each of the N was admitted.
    Admitted,
    /// This many of the N were admitted.
    AdmittedCount(u32),
    /// Each of the N was rejected, for this reason when one is given.
    Rejected(Option<Reason>),
    /// The last of the N was rejected with exactly this.
    RetryAfter(Nanos),
    /// The last of the N was admitted after exactly this wait.
    Wait(Nanos),
    /// Each of the N settlings changed nothing.
    Stale,
    /// None of the N settlings was stale.
    Recorded,
    /// The state after the step.
    State(State),
    /// Whole units that would be admitted now.
    Available(u64),
    /// Permits out.
    InFlight(u32),
    /// A `configure` must be refused, naming this field.
    Error(String),
}

/// As a trace spells it.
impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted => f.write_str("admitted"),
            Self::AdmittedCount(count) => write!(f, "admitted={count}"),
            Self::Rejected(None) => f.write_str("rejected"),
            Self::Rejected(Some(reason)) => write!(f, "rejected({})", reason.as_str()),
            Self::RetryAfter(after) => write!(f, "retry_after={after}"),
            Self::Wait(wait) => write!(f, "wait={wait}"),
            Self::Stale => f.write_str("stale"),
            Self::Recorded => f.write_str("recorded"),
            Self::State(state) => write!(f, "state={}", state.as_str()),
            Self::Available(units) => write!(f, "available={units}"),
            Self::InFlight(permits) => write!(f, "in_flight={permits}"),
            Self::Error(field) => write!(f, "error({field})"),
        }
    }
}
