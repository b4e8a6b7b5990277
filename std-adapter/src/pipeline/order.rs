//! Which orders defeat themselves, and which are doubtful.

use crate::call::PolicyKind::{self, self as P};
use crate::pipeline::PipelineError;
use std::fmt;
use std::time::Duration;

/// Something doubtful about a pipeline's order. It works as it is written, if that is what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderWarning {
    /// Which is outside.
    pub outer: PolicyKind,
    /// Which is inside.
    pub inner: PolicyKind,
    /// What it means, and what is usual.
    pub why: &'static str,
}

impl fmt::Display for OrderWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} inside of {}: {}", self.inner, self.outer, self.why)
    }
}

/// What the rules see of a policy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) kind: PolicyKind,
    /// Of a timeout its limit, of a hedge its delay.
    pub(super) time: Duration,
}

/// The first pair that defeats itself.
pub(super) fn check(policies: &[Seen]) -> Result<(), PipelineError> {
    if policies.is_empty() {
        return Err(PipelineError::Empty);
    }
    for (place, outer) in policies.iter().enumerate() {
        for inner in &policies[place + 1..] {
            let why = match (outer.kind, inner.kind) {
                (P::Retry, P::Retry) => {
                    "their attempts multiply, 3 by 3 are 9; keep one of them, with max_attempts as wanted"
                }
                (P::Timeout, P::Timeout) if inner.time >= outer.time => {
                    "the inner one never ends first; make it shorter than the outer one, or leave it out"
                }
                (P::Timeout, P::Hedge) if inner.time >= outer.time => {
                    "the second attempt would begin when the time is over; make the delay shorter"
                }
                (P::Hedge, P::Timeout) if outer.time >= inner.time => {
                    "each attempt has ended before the next would begin; make the delay shorter than the timeout"
                }
                (P::Hedge, P::Retry) => {
                    "each hedged attempt would retry by itself; put the retry outside"
                }
                (P::Chaos, _) => {
                    "chaos stands for the dependency, and what is inside of it never sees its faults; put it last"
                }
                _ => continue,
            };
            return Err(PipelineError::Order {
                outer: outer.kind,
                inner: inner.kind,
                why,
            });
        }
    }
    Ok(())
}

/// Every pair that is doubtful.
pub(super) fn warnings(policies: &[Seen]) -> Box<[OrderWarning]> {
    let mut warnings = Vec::new();
    for (place, outer) in policies.iter().enumerate() {
        for inner in &policies[place + 1..] {
            let why = match (outer.kind, inner.kind) {
                (P::Breaker, P::Retry) => {
                    "it counts only the last attempt of each call, and retries go on after failures that should have opened it; usual: retry outside"
                }
                (P::Throttle, P::Retry) => {
                    "it counts only the last attempt of each call, so that retries go on against a backend that refuses them; usual: retry outside"
                }
                (P::RateLimit, P::Retry | P::Hedge) => {
                    "further attempts are not limited; usual: rate_limit inside"
                }
                (P::Concurrency | P::Adaptive, P::Retry) => {
                    "the place stays taken during the pauses; usual: retry outside"
                }
                (P::RateLimit | P::Concurrency, P::Shedding) => {
                    "a call waits first and may be shed then; usual: shedding outside"
                }
                (P::Timeout, P::Retry) if !has_attempt_timeout(&policies[place + 1..]) => {
                    "an attempt that hangs uses up all of the time, and no other is made; usual: a second timeout inside of the retry"
                }
                _ => continue,
            };
            warnings.push(OrderWarning {
                outer: outer.kind,
                inner: inner.kind,
                why,
            });
        }
    }
    warnings.into()
}

/// Whether a retry has a timeout inside.
fn has_attempt_timeout(policies: &[Seen]) -> bool {
    policies
        .iter()
        .skip_while(|policy| policy.kind != P::Retry)
        .any(|policy| policy.kind == P::Timeout)
}
